// Package run trains a network by a recipe, in a folder that holds all there is to know
// about the run:
//
//	recipe.json                      what was asked for
//	metrics.jsonl                    a JSON line every few steps, and one per epoch
//	checkpoints/step-00000782.safetensors   the last few states, as torchvision names them
//	.lock                            held while a process trains here
//
// [Train] starts a run and [Resume] continues one that ended early, however it ended: the
// weights at the end are, on the same backend, bit for bit those of a run that was never
// interrupted. That holds because a batch depends on nothing but the recipe's seed and the
// step, the learning rate on nothing but the recipe and the step, and a checkpoint has the
// rest: weights, running statistics, momentum and step. A run that is to start from given
// weights has a checkpoint from the beginning, of step 0.
//
// The training itself is GoMLX's train.Trainer, a step at a time. Where the images lie on the
// device (see [Input]), or several devices share the work (recipe.Recipe.Devices),
// the steps and the weights are the same, but for rounding.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/spmd"
	"github.com/residual-go/residual/pkg/statedict"
)

// ModelPath is the path of the network's variables in the store.
const ModelPath = "/model"

// dataPath is the path of the images that lie on the device.
const dataPath = "/data"

const recipeFile = "recipe.json"

// ErrInterrupted is what a run ends with when its context was cancelled. Its state is
// saved, and Resume goes on from there.
var ErrInterrupted = errors.New("interrupted")

// Options are what a run needs besides its recipe. Of the weights nothing depends on it but
// what Start says.
type Options struct {
	Backend compute.Backend
	// Training and Test images. Test may be nil: then nothing is evaluated.
	Training, Test *dataset.Images
	// Start has weights and running statistics that Train starts from, by torchvision's names
	// and in PyTorch's layouts; the recipe's Start says where they come from. What it does not
	// name, such as a new last layer, the seed makes. Resume does not use it: it goes on from a
	// checkpoint.
	Start map[string]statedict.Tensor
	// Report is told how the run is going; nil for silence.
	Report Reporter
	// LogEvery is the number of steps between lines of metrics. 0 stands for 100.
	LogEvery int
	// CheckpointEvery is how much time may pass between checkpoints; one is written at the
	// end of every epoch as well. 0 stands for a minute, less than 0 for after every step.
	CheckpointEvery time.Duration
	// Keep is how many checkpoints are kept, the newest. 0 stands for 2.
	Keep int
	// EvaluationBatchSize is the batch for the test images. 0 stands for 256.
	EvaluationBatchSize int
	// Input is where the images lie and batches are made; "" stands for InputAuto.
	Input Input
	// ReadEvery is the largest number of steps whose losses stay on the device before they are
	// read, up to MaxReadEvery: reading makes a GPU wait. They are read at the latest
	// when a fifth of a second has passed. A loss that is no number is found out only then. 0
	// stands for MaxReadEvery with XLA, and for 1 otherwise.
	ReadEvery int
}

// Input is where the images lie and batches are made. The batches are the same.
type Input string

const (
	// InputAuto is InputDevice with XLA, and InputHost otherwise.
	InputAuto Input = "auto"
	// InputHost makes batches in Go, ahead of their use, and sends them to the device.
	InputHost Input = "host"
	// InputDevice keeps all images on the device, as bytes, and makes batches there, so that it
	// waits for nothing. They take as much of its memory as they have bytes. Test images stay
	// there too.
	InputDevice Input = "device"
)

// Validate reports whether there is such an input.
func (i Input) Validate() error {
	if !slices.Contains([]Input{"", InputAuto, InputHost, InputDevice}, i) {
		return fmt.Errorf("unknown input %q; there are %s, %s and %s", i, InputAuto, InputHost, InputDevice)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Report == nil {
		o.Report = silent{}
	}
	if o.LogEvery == 0 {
		o.LogEvery = 100
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = time.Minute
	}
	if o.Keep == 0 {
		o.Keep = 2
	}
	if o.EvaluationBatchSize == 0 {
		o.EvaluationBatchSize = 256
	}
	// Only there may a device be waiting for the host.
	onXLA := o.Backend.Name() == "xla"
	if o.Input == "" || o.Input == InputAuto {
		o.Input = InputHost
		if onXLA {
			o.Input = InputDevice
		}
	}
	if o.ReadEvery == 0 && onXLA {
		o.ReadEvery = MaxReadEvery
	}
	o.ReadEvery = min(max(o.ReadEvery, 1), MaxReadEvery)
	return o
}

// Outcome is what a finished run has to show.
type Outcome struct {
	// Test is the evaluation of the final weights; nil without test images.
	Test *infer.Result
	// Weights is the path of the final checkpoint.
	Weights string
	// Store has the final weights at ModelPath, on the run's backend.
	Store *model.Store
}

// Exists reports whether dir holds a run.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, recipeFile))
	return err == nil
}

// ReadRecipe returns the recipe of the run in dir.
func ReadRecipe(dir string) (recipe.Recipe, error) {
	path := filepath.Join(dir, recipeFile)
	var r recipe.Recipe
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, fmt.Errorf("%s holds no run: there is no %s in it", dir, recipeFile)
	}
	if err != nil {
		return r, fmt.Errorf("read the recipe: %w", err)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("%s is not a recipe: %w", path, err)
	}
	if err := r.Validate(); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Train starts a run of the recipe in dir, a new or empty folder, and takes it to its end.
// Cancelling the context lets the step at hand finish, saves, and returns an error that
// wraps ErrInterrupted. A loss that is no number ends the run with an error; the
// checkpoints before it stay.
func Train(ctx context.Context, dir string, r recipe.Recipe, options Options) (*Outcome, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if Exists(dir) {
		return nil, fmt.Errorf("%s holds a run already; resume it or take another folder", dir)
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	if _, err := fits(r, options.Training, 0); err != nil {
		return nil, err
	}
	if err := options.Input.Validate(); err != nil {
		return nil, err
	}
	if err := spmd.Check(options.Backend, r.Devices); err != nil {
		return nil, err
	}
	from, err := startingPoint(r, options)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the run's folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// What vacant lets pass is not this run's.
	if err := os.Remove(checkpointPath(dir, 0)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove a checkpoint of a run that never began: %w", err)
	}
	if from != nil {
		// Before the recipe, which makes the folder a run: one that can be resumed.
		if err := os.MkdirAll(filepath.Join(dir, checkpointDir), 0o755); err != nil {
			return nil, fmt.Errorf("make the folder for checkpoints: %w", err)
		}
		if err := from.Save(checkpointPath(dir, 0)); err != nil {
			return nil, fmt.Errorf("save the weights to start from: %w", err)
		}
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the recipe: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, recipeFile), append(content, '\n')); err != nil {
		return nil, err
	}
	return start(ctx, dir, r, from, options.withDefaults())
}

// vacant is an error if dir has what is left of a run without a recipe. A checkpoint of step 0
// is left by a run that was killed before it began, and no loss.
func vacant(dir string) error {
	left := ""
	if _, err := os.Stat(filepath.Join(dir, metricsName)); err == nil {
		left = metricsName
	}
	paths, err := checkpoints(dir)
	if err != nil {
		return err
	}
	if len(paths) > 0 && paths[len(paths)-1] != checkpointPath(dir, 0) {
		left = checkpointDir
	}
	if left != "" {
		return fmt.Errorf("%s has the %s of a run without its recipe; take another folder", dir, left)
	}
	return nil
}

// lock keeps a second process from training in dir at the same time.
func lock(dir string) (unlock func(), err error) {
	file := flock.New(filepath.Join(dir, ".lock"), flock.SetPermissions(0o644))
	locked, err := file.TryLock()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		// The file system has no locks: train without one.
	case err != nil:
		return nil, fmt.Errorf("lock the run's folder: %w", err)
	case !locked:
		return nil, fmt.Errorf("the run in %s is being trained by another process; wait for it or take another folder", dir)
	}
	return func() { file.Unlock() }, nil
}

// Resume continues the run in dir from its newest checkpoint that is whole, or from the
// start if it has none. The images must be those the run began with.
func Resume(ctx context.Context, dir string, options Options) (*Outcome, error) {
	if err := options.Input.Validate(); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	r, err := ReadRecipe(dir)
	if err != nil {
		return nil, err
	}
	if err := spmd.Check(options.Backend, r.Devices); err != nil {
		return nil, fmt.Errorf("the run in %s: %w", dir, err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	state, path, err := newest(dir, options.Report.Note)
	if err != nil {
		return nil, err
	}
	if state == nil {
		if r.Start != "" {
			return nil, fmt.Errorf("the run in %s has lost its checkpoints, and with them the weights it started from, those of %s; begin a new run", dir, r.Start)
		}
		options.Report.Note(fmt.Sprintf("%s has no checkpoint yet; starting over", dir))
	} else {
		if n := options.Training.Len(); state.Data != options.Training.Name || state.Images != n {
			return nil, fmt.Errorf("the run in %s was trained on %d images of %s, not on %d of %s; give it the data it began with",
				dir, state.Images, state.Data, n, options.Training.Name)
		}
		options.Report.Note(fmt.Sprintf("resuming after step %d, from %s", state.Step, path))
	}
	return start(ctx, dir, r, state, options)
}

// session is a run in progress.
type session struct {
	Options
	ctx     context.Context
	dir     string
	recipe  recipe.Recipe
	metrics *metricsFile
	store   *model.Store
	network *infer.Network // for evaluation, on the same variables
	rate    *model.Variable
	// resident makes the batches, if the images lie on the device.
	resident *dataset.Resident

	perEpoch, steps int // steps of an epoch, and of the run

	line, epoch    window // since the last line of metrics, and since the epoch began
	lastCheckpoint time.Time
	outcome        Outcome
}

func start(ctx context.Context, dir string, r recipe.Recipe, from *checkpoint.State, o Options) (*Outcome, error) {
	first := 0
	if from != nil {
		first = from.Step
	}
	batches, err := fits(r, o.Training, first)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, checkpointDir), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for checkpoints: %w", err)
	}
	s := &session{Options: o, ctx: ctx, dir: dir, recipe: r,
		perEpoch: batches.StepsPerEpoch(), steps: batches.StepsPerEpoch() * r.Epochs}
	if err := s.prepare(from); err != nil {
		return nil, err
	}
	if s.metrics, err = openMetrics(dir, first, from != nil && from.Epoch.Steps > 0); err != nil {
		return nil, err
	}
	defer s.metrics.Close()

	now := time.Now()
	s.line, s.epoch, s.lastCheckpoint = window{since: now}, window{since: now}, now
	if from != nil {
		s.epoch.Totals = from.Epoch
	}
	if first > 0 && first%s.perEpoch == 0 && s.epoch.Steps > 0 {
		// The run was cut off between the epoch's last step and its line.
		err = s.interrupted(first, s.endEpoch(s.at(first)))
	}
	switch {
	case err != nil:
	case first < s.steps:
		err = s.train(batches, first)
	case s.outcome.Test == nil:
		s.outcome.Weights = checkpointPath(dir, first)
		err = s.interrupted(first, s.evaluate())
	}
	if s.network != nil {
		s.network.Finalize()
	}
	if err == nil { // the images' memory goes back
		err = s.store.DeleteVariablesInScope(dataPath)
	}
	if err != nil {
		return nil, err
	}
	s.outcome.Store = s.store
	return &s.outcome, nil
}

// fits returns the recipe's batches over the images, or says why they do not go together.
func fits(r recipe.Recipe, images *dataset.Images, first int) (*dataset.Batches, error) {
	if err := images.Validate(); err != nil {
		return nil, err
	}
	if classes := len(images.Classes); classes != r.Model.Classes {
		return nil, fmt.Errorf("%s has %d classes and the recipe's network %d", images.Name, classes, r.Model.Classes)
	}
	if !r.DropLast && images.Len()%r.BatchSize == 1 && !r.Training().KeepsStatistics() {
		return nil, fmt.Errorf("%d images in batches of %d leave a last batch of one, which batch norm cannot train on; change the batch or the subset",
			images.Len(), r.BatchSize)
	}
	devices, last := max(1, r.Devices), images.Len()%r.BatchSize
	if !r.DropLast && last%devices != 0 {
		return nil, fmt.Errorf("%d images in batches of %d leave a last batch of %d, which cannot be shared out to %d devices; change the batch or the subset",
			images.Len(), r.BatchSize, last, devices)
	}
	if !r.DropLast && r.LocalNorms && last == devices && !r.Training().KeepsStatistics() {
		return nil, fmt.Errorf("%d images in batches of %d leave a last batch of one for each of %d devices, which batch norms of their own cannot train on; change the batch or the subset",
			images.Len(), r.BatchSize, devices)
	}
	return r.Batches(images, first)
}

// declare makes a store with the recipe's variables, which its seed gives values when they
// are first used.
func declare(r recipe.Recipe) (*model.Store, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(int64(r.Seed)); err != nil {
		return nil, fmt.Errorf("seed the weights: %w", err)
	}
	return store, r.Model.Declare(store.Scope(ModelPath))
}

// startingPoint returns the checkpoint of step 0 of a run that starts from given weights,
// and nil for one that does not.
func startingPoint(r recipe.Recipe, o Options) (*checkpoint.State, error) {
	switch given := len(o.Start) > 0; {
	case given != (r.Start != ""):
		return nil, fmt.Errorf("recipe %s: it says to start from %q, and is given %d arrays of weights; give both or neither", r.Name, r.Start, len(o.Start))
	case !given && (r.Freeze != "" || r.FreezeNorms):
		return nil, fmt.Errorf("recipe %s: it freezes what nothing has trained; give it weights to start from", r.Name)
	case !given:
		return nil, nil
	}
	store, err := declare(r)
	if err != nil {
		return nil, err
	}
	defer store.Finalize()
	if err := store.InitializeVariables(o.Backend, nil); err != nil {
		return nil, fmt.Errorf("make the weights: %w", err)
	}
	if err := statedict.Update(store.Scope(ModelPath), o.Start); err != nil {
		return nil, fmt.Errorf("start from %s: %w", r.Start, err)
	}
	return (&session{Options: o, recipe: r, store: store}).state(0)
}

// prepare fills the store: from the checkpoint, or else from the recipe's seed.
func (s *session) prepare(from *checkpoint.State) error {
	var err error
	if s.store, err = declare(s.recipe); err != nil {
		return err
	}
	if from != nil {
		if err := from.RestoreTraining(s.store, ModelPath); err != nil {
			return err
		}
	}
	if s.Test == nil {
		return nil
	}
	if s.network, err = infer.New(s.Backend, s.store, ModelPath, s.recipe.Model, s.recipe.Normalization); err != nil {
		return err
	}
	s.network.SetPrecision(s.recipe.DType())
	if s.Input == InputDevice {
		return s.network.Keep(s.Test)
	}
	return nil
}

// train takes the steps that are left after the first ones.
func (s *session) train(batches *dataset.Batches, first int) error {
	step, stop, err := s.stepper(batches)
	if err != nil {
		return err
	}
	defer stop()
	read, lastRead := first, time.Now()
	for done := first + 1; done <= s.steps; done++ {
		if err := s.setRate(done - 1); err != nil {
			return err
		}
		if err := step(); err != nil {
			return fmt.Errorf("training: step %d: %w", done, err)
		}
		if s.due(done) || done-read == s.ReadEvery || time.Since(lastRead) > readWithin {
			if err := s.read(read, done); err != nil {
				return err
			}
			if err := s.settle(done); err != nil {
				return err
			}
			read, lastRead = done, time.Now()
		}
	}
	return nil
}

// readWithin is how long a loss may stay on the device: people watch the bar.
const readWithin = 200 * time.Millisecond

// due reports whether something is to be done after the done-th step for which its measures,
// and those of all steps before it, must have been read.
func (s *session) due(done int) bool {
	at := s.at(done)
	return at.StepInEpoch%s.LogEvery == 0 || at.StepInEpoch == s.perEpoch ||
		time.Since(s.lastCheckpoint) >= s.CheckpointEvery || s.ctx.Err() != nil
}

// stepper returns a function that takes a step each time it is called, and one that ends it
// all.
func (s *session) stepper(batches *dataset.Batches) (step func() error, stop func(), err error) {
	devices := max(1, s.recipe.Devices)
	source := train.Dataset(batches)
	if s.Input == InputDevice {
		if s.resident, err = batches.Resident(s.store, dataPath, devices); err != nil {
			return nil, nil, err
		}
		source = s.resident
	}
	var trainer *train.Trainer
	err = exceptions.TryCatch[error](func() {
		trainer = train.NewTrainer(s.Backend, s.store, s.forward, s.loss, s.recipe.Optimizer(), []metric.Interface{s.measures()}, nil)
		// Only now: the trainer starts with deleting this variable.
		s.rate = optimizer.LearningRateVar(s.store.RootScope(), dtypes.Float32, s.recipe.LearningRate)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("prepare training: %w", err)
	}
	if devices == 1 {
		next, stop := iter.Pull2(source.Iter())
		return func() error { return take(next, trainer.TrainStep) }, stop, nil
	}
	shares, err := spmd.Share(source, s.Backend, devices)
	if err != nil {
		return nil, nil, err
	}
	// Here and not by the first step, so that the weights are those of one device.
	if err := s.store.InitializeVariables(s.Backend, nil); err != nil {
		return nil, nil, fmt.Errorf("make the weights: %w", err)
	}
	next, stop := iter.Pull2(shares.DistributedIter())
	return func() error {
		return take(next, func(batch train.DistributedBatch) ([]*tensors.Tensor, error) {
			return trainer.DistributedTrainStep(shares.Strategy(), shares.DeviceAssignment(), batch)
		})
	}, stop, nil
}

// take takes a step with the next batch. What the trainer measures itself is not read: that is
// in measures.
func take[Batch any](next func() (Batch, error, bool), step func(Batch) ([]*tensors.Tensor, error)) error {
	batch, err, more := next()
	if err != nil {
		return err
	}
	if !more {
		return errors.New("there are no more batches")
	}
	measures, err := step(batch)
	if err != nil {
		return err
	}
	for _, m := range measures {
		if err := m.FinalizeAll(); err != nil {
			return err
		}
	}
	return nil
}

// forward builds the network on a batch: its images or, if they lie on the device, where in
// them it is; then the labels come out beside the logits.
func (s *session) forward(scope *model.Scope, spec any, inputs []*graph.Node) []*graph.Node {
	pixels, labels := inputs[0], []*graph.Node(nil)
	if s.resident != nil {
		labels = make([]*graph.Node, 1)
		pixels, labels[0] = s.resident.Load(inputs[0], spec.(int))
	}
	images := graph.ConvertDType(s.recipe.Normalization.Apply(pixels), s.recipe.DType())
	logits := s.recipe.Model.ForwardTraining(scope.Store().Scope(ModelPath), images, s.recipe.Training())
	return append([]*graph.Node{logits}, labels...)
}

// loss is the recipe's for what forward returns.
func (s *session) loss(labels, predictions []*graph.Node) *graph.Node {
	labels, logits := labelled(labels, predictions)
	return nn.CrossEntropy(s.recipe.LabelSmoothing)([]*graph.Node{labels[0]}, []*graph.Node{logits})
}

// labelled returns a batch's labels, from the batch itself or from what forward returns, and
// its logits.
func labelled(labels, predictions []*graph.Node) ([]*graph.Node, *graph.Node) {
	return append(labels[:len(labels):len(labels)], predictions[1:]...), predictions[0]
}

func (s *session) rateAt(step int) float64 {
	return s.recipe.Schedule.Rate(s.recipe.LearningRate, step, s.steps)
}

func (s *session) setRate(step int) error {
	if err := s.rate.SetValue(tensors.FromScalar(float32(s.rateAt(step)))); err != nil {
		return fmt.Errorf("set the learning rate: %w", err)
	}
	return nil
}

func (s *session) batchSize(step int) int {
	from := step % s.perEpoch * s.recipe.BatchSize
	return min(s.recipe.BatchSize, s.Training.Len()-from)
}

// note takes note of what the done-th step measured.
func (s *session) note(done int, at step) error {
	rate := s.rateAt(done - 1)
	for _, measured := range []struct {
		what  string
		value float64
	}{{"loss", at.loss}, {"norm of the gradient", at.gradientNorm}} {
		if math.IsNaN(measured.value) || math.IsInf(measured.value, 0) {
			return fmt.Errorf("the %s is %v at step %d, with learning rate %.4g: training has diverged; try a lower learning rate, a warm-up, or a larger batch",
				measured.what, measured.value, done, rate)
		}
	}
	s.line.add(at)
	s.epoch.add(at)
	s.Report.Step(s.line.fill(s.at(done)))
	return nil
}

// settle writes what is due after the done-th step, the last one that was taken and noted.
func (s *session) settle(done int) error {
	now := s.at(done)
	if now.StepInEpoch%s.LogEvery == 0 {
		line := s.line.fill(now)
		if err := s.metrics.write(line); err != nil {
			return err
		}
		s.Report.Line(line)
		s.line = window{since: time.Now()}
	}
	saved := false
	if now.StepInEpoch == s.perEpoch {
		if err := s.endEpoch(now); err != nil {
			return s.interrupted(done, err)
		}
		saved = true
	} else if time.Since(s.lastCheckpoint) >= s.CheckpointEvery {
		if err := s.save(done); err != nil {
			return err
		}
		saved = true
	}
	if done == s.steps {
		return nil
	}
	if err := s.ctx.Err(); err != nil {
		if !saved {
			if err := s.save(done); err != nil {
				return err
			}
		}
		return s.interrupted(done, err)
	}
	return nil
}

// at returns a step line for the done-th step, without measurements.
func (s *session) at(done int) Metrics {
	return Metrics{Kind: StepLine, Epoch: (done-1)/s.perEpoch + 1, Epochs: s.recipe.Epochs, Step: done,
		StepInEpoch: (done-1)%s.perEpoch + 1, StepsPerEpoch: s.perEpoch, LearningRate: s.rateAt(done - 1)}
}

// interrupted gives a cancelled context its name, and leaves other errors as they are.
func (s *session) interrupted(done int, err error) error {
	if err == nil || s.ctx.Err() == nil || !errors.Is(err, s.ctx.Err()) {
		return err
	}
	s.Report.Note(fmt.Sprintf("saved after step %d of %d", done, s.steps))
	return fmt.Errorf("%w after step %d of %d", ErrInterrupted, done, s.steps)
}

// endEpoch evaluates, writes the epoch's line and then a checkpoint: a run that is killed
// in between goes over it all again. One that is cancelled saves first, with what was
// measured in the epoch, and evaluates when it is resumed.
func (s *session) endEpoch(now Metrics) error {
	now.Kind = EpochLine
	now = s.epoch.fill(now)
	if err := s.evaluate(); err != nil {
		if s.ctx.Err() != nil {
			if saveErr := s.save(now.Step); saveErr != nil {
				return saveErr
			}
		}
		return err
	}
	if test := s.outcome.Test; test != nil {
		now.TestLoss, now.TestTop1, now.TestTop5 = &test.Loss, &test.Top1, &test.Top5
	}
	if err := s.metrics.write(now); err != nil {
		return err
	}
	s.Report.Epoch(now)
	s.line, s.epoch = window{since: time.Now()}, window{since: time.Now()}
	if err := s.save(now.Step); err != nil {
		return err
	}
	s.line.since, s.epoch.since = time.Now(), time.Now()
	return nil
}

func (s *session) evaluate() error {
	if s.network == nil {
		return nil
	}
	result, err := s.network.Evaluate(s.ctx, s.Test, s.EvaluationBatchSize, func(done int) { s.Report.Evaluating(done, s.Test.Len()) })
	if err != nil {
		return err
	}
	s.outcome.Test = result
	return nil
}

// state is that of the run after done steps.
func (s *session) state(done int) (*checkpoint.State, error) {
	state := &checkpoint.State{Step: done, Recipe: s.recipe, Data: s.Training.Name, Images: s.Training.Len(),
		Height: s.Training.Height, Width: s.Training.Width, Classes: s.Training.Classes, Epoch: s.epoch.Totals}
	if err := state.Capture(s.store, ModelPath); err != nil {
		return nil, fmt.Errorf("checkpoint of step %d: %w", done, err)
	}
	return state, nil
}

func (s *session) save(done int) error {
	state, err := s.state(done)
	if err != nil {
		return err
	}
	// What the checkpoint takes for written is to be on the disk before it.
	if err := s.metrics.sync(); err != nil {
		return err
	}
	path := checkpointPath(s.dir, done)
	if err := state.Save(path); err != nil {
		return fmt.Errorf("save the checkpoint of step %d (earlier ones are kept; resume from them once this is mended): %w", done, err)
	}
	s.outcome.Weights = path
	s.lastCheckpoint = time.Now()
	return prune(s.dir, s.Keep)
}
