// Package run trains a network by a recipe, in a folder that records everything about the run:
//
//	recipe.json                             the recipe
//	backend.json                            what it computes on
//	metrics.jsonl                           a JSON line every few steps, and one per epoch
//	checkpoints/step-00000782.safetensors   the last few checkpoints
//	.lock                                   locked while a process trains here
//
// [Train] starts a run, [Resume] continues one that was interrupted or killed, and [TrainOrResume] does
// whichever of the two is possible. On the same backend, a resumed run ends with the same weights, bit for bit, as one that was never
// interrupted: a batch depends only on the recipe's seed and the step, the learning rate only on
// the recipe and the step, and everything else is in the checkpoint, namely weights, running
// statistics, momentum and step. A run that starts from given weights has a checkpoint from the
// beginning, of step 0.
//
// The initial weights are drawn on the CPU, so that a seed gives the same ones on every backend.
// Keeping the images on the device (see [Input]), taking several steps in one execution (see
// Options.ReadEvery) or sharing the work among several devices (recipe.Recipe.Devices) does not
// change the steps, and changes the weights by no more than rounding.
//
// run.go is the API, folder.go, backend.go and metrics.go the files, session.go the training loop,
// graph.go the graph of a step, evaluation.go the evaluation after each epoch, and report.go the progress
// reports.
package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/spmd"
	"github.com/residual-go/residual/pkg/statedict"
)

// ModelPath is the path of the network's variables in the store.
const ModelPath = "/model"

// ErrInterrupted is the error of a run whose context was cancelled. Its state is saved, and
// Resume continues from there.
var ErrInterrupted = errors.New("interrupted")

// ErrDiverged is the error of a run whose loss, or the norm of its gradient, is NaN or infinite.
var ErrDiverged = errors.New("training has diverged")

// ErrOtherRecipe is the error of TrainOrResume for a folder whose run has another recipe.
var ErrOtherRecipe = errors.New("holds a run of a different recipe")

// Options are what a run needs besides its recipe: Backend and Training, and what is to differ from
// the defaults. Except for Training and Start, they do not affect the weights; except for the
// backend, none changes their last bits.
type Options struct {
	// Backend is what the run computes on; see package backend.
	Backend compute.Backend
	// AnyBackend lets Resume continue a run that was trained on another backend, with a note instead
	// of an error.
	AnyBackend bool
	// Training and Test are the images to train and evaluate on. If Test is nil, nothing is
	// evaluated.
	Training, Test *dataset.Images
	// Start has weights and running statistics for Train to start from, under torchvision's names
	// and in PyTorch's layouts; the recipe's Start says where they come from. Weights that are
	// missing here, such as those of a new last layer, are initialised from the seed. Resume
	// ignores Start, because it continues from a checkpoint.
	Start map[string]statedict.Tensor
	// Report is told about the run's progress; it may be nil.
	Report Reporter
	// LogEvery is the number of steps between lines of metrics. 0 means 100.
	LogEvery int
	// CheckpointEvery is the time between checkpoints; there is also one at the end of every
	// epoch. 0 means a minute, a negative value for a checkpoint after every step.
	CheckpointEvery time.Duration
	// Keep is the number of checkpoints to keep, the newest. 0 means 2.
	Keep int
	// Input says where the images are and batches are made; "" means InputAuto.
	Input Input
	// ReadEvery is the number of steps, up to MaxReadEvery, after which their metrics are fetched
	// from the device, which makes a GPU wait. With XLA and the images on the device, one execution
	// takes all these steps. A loss that is NaN is not noticed before, nor is a cancelled context.
	// 0 means as many steps as take a fifth of a second on a GPU, and 1 on a CPU, where it makes no
	// difference, except that XLA's convolutions for CPUs are many times slower in a loop.
	ReadEvery int
}

// Input says where the images are and batches are made. The batches are the same.
type Input string

const (
	// InputAuto is InputDevice with XLA, and InputHost otherwise.
	InputAuto Input = "auto"
	// InputHost makes batches in Go, ahead of their use, and sends them to the device.
	InputHost Input = "host"
	// InputDevice keeps all images, including the test images, on the device as bytes, and makes
	// batches there, so that the device never waits for the host.
	InputDevice Input = "device"
)

// Validate returns an error if there is no such input.
func (i Input) Validate() error {
	if !slices.Contains([]Input{"", InputAuto, InputHost, InputDevice}, i) {
		return fmt.Errorf("unknown input %q; the choices are %s, %s and %s", string(i), InputAuto, InputHost, InputDevice)
	}
	return nil
}

// complete returns an error unless there is all that a run needs.
func (o Options) complete() error {
	switch {
	case o.Backend == nil:
		return errors.New("no backend to train on: Options.Backend is nil")
	case o.Training == nil:
		return errors.New("no images to train on: Options.Training is nil")
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
	// Only with XLA can the device be one that waits for the host.
	onXLA := o.Backend.Name() == "xla"
	if o.Input == "" || o.Input == InputAuto {
		o.Input = InputHost
		if onXLA {
			o.Input = InputDevice
		}
	}
	if !backend.Accelerated(o.Backend) {
		o.ReadEvery = max(o.ReadEvery, 1)
	}
	o.ReadEvery = min(o.ReadEvery, MaxReadEvery)
	return o
}

// Outcome is the result of a finished run.
type Outcome struct {
	// Test is the evaluation of the final weights; nil without test images.
	Test *infer.Result
	// Weights is the path of the final checkpoint.
	Weights string
	// Store has the final weights at ModelPath, on the run's backend.
	Store *model.Store
}

// Train starts a run of the recipe in dir, a folder without a run, which it creates if necessary, and
// trains to the end. If the context is cancelled, it finishes the current step, saves, and returns an
// error that wraps ErrInterrupted. A loss that is NaN or infinite ends the run with ErrDiverged;
// earlier checkpoints stay.
func Train(ctx context.Context, dir string, r recipe.Recipe, options Options) (*Outcome, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := options.complete(); err != nil {
		return nil, err
	}
	if Exists(dir) {
		return nil, fmt.Errorf("%s holds a run already; resume it or choose another folder", dir)
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	if _, err := newBatches(r, options.Training, 0); err != nil {
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
		return nil, fmt.Errorf("create the run's folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := sweep(dir); err != nil {
		return nil, err
	}
	// The checkpoint that vacant accepts is not of this run.
	if err := os.Remove(checkpointPath(dir, 0)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove a checkpoint of a run that never began: %w", err)
	}
	if from != nil {
		// Save before writing the recipe: that makes the folder a run, which can be resumed.
		if err := makeCheckpointDir(dir); err != nil {
			return nil, err
		}
		if err := from.Save(checkpointPath(dir, 0)); err != nil {
			return nil, fmt.Errorf("save the weights to start from: %w", err)
		}
	}
	if err := writeBackend(dir, backendOf(options.Backend)); err != nil {
		return nil, err
	}
	if err := writeRecipe(dir, r); err != nil {
		return nil, err
	}
	return start(ctx, dir, r, from, options.withDefaults())
}

// TrainOrResume trains the recipe in dir to the end: from the start if dir has no run, and otherwise from
// where that run stopped. A run of another recipe is an error that wraps [ErrOtherRecipe] and names a
// setting that differs.
func TrainOrResume(ctx context.Context, dir string, r recipe.Recipe, options Options) (*Outcome, error) {
	if !Exists(dir) {
		return Train(ctx, dir, r, options)
	}
	before, err := ReadRecipe(dir)
	if err != nil {
		return nil, err
	}
	if changed := before.Differences(r); len(changed) > 0 {
		first := changed[0]
		return nil, fmt.Errorf("%s %w: %s is %s there, not %s", dir, ErrOtherRecipe, first.Key, first.Value, first.Other)
	}
	return Resume(ctx, dir, options)
}

// Resume continues the run in dir from its newest undamaged checkpoint, or from the start if it
// has none. It is an error if
//
//   - the recipe is not the checkpoint's: a [RecipeChangedError];
//   - the backend is not the one that the run was trained on: an [OtherBackendError], unless
//     Options.AnyBackend is set. With the same backend but other kernels there is a note;
//   - the images are not those the run began with, in the same order, or their classes have other
//     names. A checkpoint of an older version has no fingerprint of the images; then only their
//     name, number and classes are compared, and a note says so.
func Resume(ctx context.Context, dir string, options Options) (*Outcome, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	if err := options.Input.Validate(); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	if _, err := ReadRecipe(dir); err != nil { // before there is a lock in a folder that has no run
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	at, err := options.resumable(dir, options.Report.Note)
	if err != nil {
		return nil, err
	}
	if at.state == nil {
		if at.recipe.Start != "" {
			return nil, fmt.Errorf("the run in %s has lost its checkpoints, and with them the weights from %s that it started with; start a new run", dir, at.recipe.Start)
		}
		options.Report.Note(fmt.Sprintf("%s has no checkpoint yet; starting over", dir))
	} else {
		if err := sameImages(dir, at.state, options); err != nil {
			return nil, err
		}
		batches, err := newBatches(at.recipe, options.Training, 0)
		if err != nil {
			return nil, err
		}
		if at.state.Step < at.recipe.Epochs*batches.StepsPerEpoch() && at.note != "" {
			options.Report.Note(at.note)
		}
		options.Report.Note(fmt.Sprintf("resuming after step %d, from %s", at.state.Step, at.path))
	}
	if err := sweep(dir); err != nil {
		return nil, err
	}
	return start(ctx, dir, at.recipe, at.state, options)
}

// Check returns the recipe of the run in dir, or the error of Resume, except for those about the
// images, which do not have to be known yet.
func Check(dir string, options Options) (recipe.Recipe, error) {
	if _, err := ReadRecipe(dir); err != nil {
		return recipe.Recipe{}, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return recipe.Recipe{}, err
	}
	defer unlock()
	at, err := options.resumable(dir, func(string) {})
	return at.recipe, err
}

// resumption is where a run continues.
type resumption struct {
	recipe recipe.Recipe
	state  *checkpoint.State // from the newest checkpoint; nil if there is none
	path   string            // of the checkpoint
	note   string            // about the backend, if more steps are taken
}

// resumable returns where the run in dir continues. It is an error if the recipe or the backend has
// changed. It skips damaged checkpoints and passes note a sentence about each.
func (o Options) resumable(dir string, note func(string)) (at resumption, err error) {
	if at.recipe, err = ReadRecipe(dir); err != nil {
		return at, err
	}
	if at.state, at.path, err = newest(dir, note); err != nil {
		return at, err
	}
	if at.state != nil {
		if changed := at.state.Recipe.Differences(at.recipe); len(changed) > 0 {
			return at, &RecipeChangedError{Path: filepath.Join(dir, recipeFile), Checkpoint: at.path, Changed: changed}
		}
	}
	if at.note, err = o.checkBackend(dir, max(1, at.recipe.Devices), at.state != nil && at.state.Step > 0); err != nil {
		return at, err
	}
	if err := spmd.Check(o.Backend, at.recipe.Devices); err != nil {
		return at, fmt.Errorf("the run in %s: %w", dir, err)
	}
	return at, nil
}

// RecipeChangedError is the error of resuming a run whose recipe.json has been changed since its
// last checkpoint.
type RecipeChangedError struct {
	Path       string // of recipe.json
	Checkpoint string // the path of the checkpoint
	// Changed has the settings that differ, with their values in the checkpoint and in recipe.json.
	Changed []recipe.Difference
}

func (e *RecipeChangedError) Error() string {
	var changes []string
	for _, c := range e.Changed {
		changes = append(changes, fmt.Sprintf("%s is %s, was %s", c.Key, printable.Quote(c.Other), printable.Quote(c.Value)))
	}
	return fmt.Sprintf("%s was changed after the run began: %s", e.Path, strings.Join(changes, "; "))
}

// fingerprints returns those of a run's images.
func fingerprints(o Options) *dataset.Fingerprints {
	f := &dataset.Fingerprints{Training: o.Training.Fingerprint()}
	if o.Test != nil {
		f.Test = o.Test.Fingerprint()
	}
	return f
}

// sameImages returns an error if the images are not those the run began with.
func sameImages(dir string, state *checkpoint.State, o Options) error {
	for _, images := range []*dataset.Images{o.Training, o.Test} {
		if images == nil {
			continue
		}
		if err := images.Validate(); err != nil {
			return err
		}
	}
	changed := classesDiffer(state.Classes, o.Training.Classes)
	known := state.Fingerprints != nil && state.Fingerprints.Training != nil
	if changed == "" && known {
		changed = state.Fingerprints.Difference(state.Classes, *fingerprints(o))
	}
	if n := o.Training.Len(); state.Data != o.Training.Name || state.Images != n {
		if changed != "" {
			changed = ": " + changed
		}
		return fmt.Errorf("the run in %s was trained on %d images of %s, not on %d of %s%s; resume it with the same images",
			dir, state.Images, state.Data, n, o.Training.Name, changed)
	}
	if changed != "" {
		return fmt.Errorf("the run in %s was trained on other images of %s: %s; restore them, or start a new run", dir, state.Data, changed)
	}
	if !known {
		o.Report.Note("the checkpoint is of an older version and has no fingerprint of the images; only their name, number and classes were compared")
	}
	return nil
}

// classesDiffer says how class names differ, "" if they do not.
func classesDiffer(before, now []string) string {
	if slices.Equal(before, now) {
		return ""
	}
	without := func(names, others []string) (left []string) {
		for _, name := range names {
			if !slices.Contains(others, name) {
				left = append(left, name)
			}
		}
		return left
	}
	gone, added := without(before, now), without(now, before)
	switch {
	case len(gone) == 1 && len(added) == 1:
		return fmt.Sprintf("class %s is now called %s", gone[0], added[0])
	case len(gone)+len(added) == 0:
		return fmt.Sprintf("the classes are in another order, %s first instead of %s", now[0], before[0])
	case len(gone) == 0:
		return "there are new classes, such as " + added[0]
	case len(added) == 0:
		return fmt.Sprintf("class %s is missing", gone[0])
	}
	return fmt.Sprintf("%d classes have other names; %s is missing, and %s is new", max(len(gone), len(added)), gone[0], added[0])
}

// newBatches returns the recipe's batches over the images from the given step on. It returns an
// error if the recipe and the images do not fit together.
func newBatches(r recipe.Recipe, images *dataset.Images, firstStep int) (*dataset.Batches, error) {
	if err := images.Validate(); err != nil {
		return nil, err
	}
	if classes := len(images.Classes); classes != r.Model.Classes {
		return nil, fmt.Errorf("%s has %d classes, but the recipe's network has %d", images.Name, classes, r.Model.Classes)
	}
	if err := r.Sizes.Fits(images); err != nil {
		return nil, err
	}
	if r.DropLast {
		return r.Batches(images, firstStep)
	}
	const remedy = "change the batch size or the number of images"
	devices, last := max(1, r.Devices), images.Len()%r.BatchSize
	trainsNorms := !r.Training().KeepsStatistics()
	switch {
	case last == 1 && trainsNorms:
		return nil, fmt.Errorf("%d images in batches of %d leave a last batch of one, which batch norm cannot train on; %s",
			images.Len(), r.BatchSize, remedy)
	case last%devices != 0:
		return nil, fmt.Errorf("%d images in batches of %d leave a last batch of %d, which cannot be shared out to %d devices; %s",
			images.Len(), r.BatchSize, last, devices, remedy)
	case last == devices && r.LocalNorms && trainsNorms:
		return nil, fmt.Errorf("%d images in batches of %d leave a last batch of one for each of %d devices, which local batch norm cannot train on; %s",
			images.Len(), r.BatchSize, devices, remedy)
	}
	return r.Batches(images, firstStep)
}

// declare returns a store with the recipe's variables. They get their values from the recipe's
// seed when they are first used.
func declare(r recipe.Recipe) (*model.Store, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(int64(r.Seed)); err != nil {
		return nil, fmt.Errorf("seed the weights: %w", err)
	}
	return store, r.Model.Declare(store.Scope(ModelPath))
}

// startingPoint returns the checkpoint of step 0 of a run that starts from given weights, and nil
// for a run that does not.
func startingPoint(r recipe.Recipe, o Options) (*checkpoint.State, error) {
	switch given := len(o.Start) > 0; {
	case given && r.Start == "":
		return nil, fmt.Errorf("recipe %s: weights to start from are given, but the recipe's Start is empty; give both or neither", r.Name)
	case !given && r.Start != "":
		return nil, fmt.Errorf("recipe %s: it starts from %q, but no weights are given; give both or neither", r.Name, r.Start)
	case !given && (r.Freeze != "" || r.FreezeNorms):
		return nil, fmt.Errorf("recipe %s: it freezes layers that have not been trained; give it weights to start from", r.Name)
	case !given:
		return nil, nil
	}
	store, err := declare(r)
	if err != nil {
		return nil, err
	}
	defer store.Finalize()
	if err := initialize(store, o.Backend); err != nil {
		return nil, fmt.Errorf("initialise the weights: %w", err)
	}
	if err := statedict.Update(store.Scope(ModelPath), o.Start); err != nil {
		return nil, fmt.Errorf("start from %s: %w", r.Start, err)
	}
	return (&session{Options: o, recipe: r, store: store}).state(0)
}
