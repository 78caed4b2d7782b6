package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/recipe"
)

// session is a run in progress.
type session struct {
	Options
	ctx     context.Context
	dir     string
	recipe  recipe.Recipe
	metrics *metricsWriter
	store   *model.Store
	rate    *model.Variable // the learning rate
	// evaluation evaluates the network during training; nil without test images.
	evaluation *evaluation
	// unkept is how many times keeping a program had failed when the run began (see [backend.Unkept]), and -1 once
	// a note has told of another one.
	unkept int64
	// optimizer updates the weights, in the graph of a step.
	optimizer optimizer.Interface
	// reads and writes are the variables that a step only reads, and those that it writes.
	reads, writes []*model.Variable
	// resident makes the batches if the images are on the device.
	resident *dataset.Resident

	stepsPerEpoch, steps int // of an epoch, and of the whole run

	line, epoch    window // since the last line of metrics, and since the start of the epoch
	lastCheckpoint time.Time
	outcome        Outcome
	// fingerprints are those of the images; nil until the first checkpoint.
	fingerprints *dataset.Fingerprints
}

// start trains from the given checkpoint, or from the beginning if it is nil, to the end.
func start(ctx context.Context, dir string, r recipe.Recipe, from *checkpoint.State, o Options) (*Outcome, error) {
	first := 0
	if from != nil {
		first = from.Step
	}
	batches, err := newBatches(r, o.Training, first)
	if err != nil {
		return nil, err
	}
	if err := makeCheckpointDir(dir); err != nil {
		return nil, err
	}
	s := &session{Options: o, ctx: ctx, dir: dir, recipe: r,
		stepsPerEpoch: batches.StepsPerEpoch(), steps: batches.StepsPerEpoch() * r.Epochs}
	s.unkept, _ = backend.Unkept()
	if _, err := s.unlessCancelled(first, func() error { return s.prepare(from) }, func() {}); err != nil {
		return nil, err
	}
	if s.metrics, err = openMetrics(dir, first, from != nil && from.Epoch.Steps > 0); err != nil {
		return nil, err
	}
	defer s.metrics.Close()

	now := time.Now()
	s.line, s.epoch, s.lastCheckpoint = window{since: now}, window{since: now}, now
	if from != nil {
		s.epoch = resumed(from.Epoch, now)
	}
	if first > 0 && first%s.stepsPerEpoch == 0 && s.epoch.Steps > 0 {
		// The run was interrupted after the epoch's last step, before its line of metrics.
		err = s.interrupted(first, s.endEpoch(s.at(first)))
	}
	switch {
	case err != nil:
	case first < s.steps:
		if err = writeBackend(dir, backendOf(o.Backend)); err == nil {
			err = s.train(batches, first)
		}
	case s.outcome.Test == nil:
		s.outcome.Weights = checkpointPath(dir, first)
		err = s.interrupted(first, s.evaluate())
	}
	if s.evaluation != nil {
		s.evaluation.finalize()
	}
	if err == nil { // free the images' memory on the device
		err = s.store.DeleteVariablesInScope(dataPath)
	}
	if err != nil {
		return nil, err
	}
	s.outcome.Store = s.store
	return &s.outcome, nil
}

// prepare fills the store from the checkpoint, or else from the recipe's seed.
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
	if s.Test != nil {
		s.evaluation, err = s.newEvaluation()
	}
	return err
}

// train takes the steps that remain after the first ones.
func (s *session) train(batches *dataset.Batches, first int) error {
	take, stop, err := s.stepper(batches)
	if err != nil {
		return err
	}
	abandoned := false
	defer func() {
		if !abandoned {
			stop()
		}
	}()
	pace := pace{most: s.ReadEvery}
	programs := map[program]bool{} // those that have been compiled
	for done := first; done < s.steps; {
		next := s.programOf(done)
		compiles := !programs[next] && (done == first || s.Backend.Name() == "xla")
		programs[next] = true
		if compiles && done > first && s.outcome.Weights != checkpointPath(s.dir, done) {
			// The run may be cancelled meanwhile, and the step abandoned.
			if err := s.save(done); err != nil {
				return err
			}
		}
		began, n := time.Now(), min(pace.next(), s.undisturbed(done))
		taken := 0
		work := func() (err error) {
			taken, err = take(done, n)
			return err
		}
		if compiles { // which can take long
			abandoned, err = s.unlessCancelled(done, work, stop)
		} else {
			err = work()
		}
		if abandoned && done > first {
			return s.interrupted(done, s.ctx.Err()) // it has been saved
		}
		if abandoned {
			return err
		}
		if err != nil {
			return fmt.Errorf("training: step %d: %w", done+1, err)
		}
		if err := s.readMetrics(done, done+taken); err != nil {
			return err
		}
		if done == first {
			s.compileEvaluation()
		}
		pace.took(taken, time.Since(began))
		done += taken
		if err := s.settle(done); err != nil {
			return err
		}
	}
	return nil
}

// A program takes training steps on batches of one size, with images of one size. XLA compiles it for seconds
// or minutes when it is first needed: at the first step, at the smaller last batch of the first epoch, and
// where the recipe changes the size of the images.
type program struct{ images, side int }

// programOf returns the program of the step after the first done ones.
func (s *session) programOf(done int) program {
	side, _ := s.recipe.Sizes.At(done, s.steps)
	return program{s.batchSize(done), side}
}

// patience is how long a cancelled run waits for the end of its preparations.
const patience = time.Second

// unlessCancelled does some work after the given step, of which nothing has to be saved. If the run
// is cancelled and the work does not end soon, it returns ErrInterrupted and that the work was
// abandoned: it goes on in the background, most likely until the process ends, and then after is
// called.
func (s *session) unlessCancelled(step int, work func() error, after func()) (abandoned bool, err error) {
	ended := make(chan error, 1)
	go func() {
		var err error
		if caught := exceptions.TryCatch[error](func() { err = work() }); caught != nil {
			err = caught
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return false, err
	case <-s.ctx.Done():
	}
	select {
	case err := <-ended:
		return false, err
	case <-time.After(patience):
	}
	go func() {
		<-ended
		after()
	}()
	return true, fmt.Errorf("%w after step %d of %d", ErrInterrupted, step, s.steps)
}

// A pace chooses how many steps to take before their metrics are fetched: one at first, for a first loss
// as early as possible, then most steps or, if that is 0, as many as take readWithin.
type pace struct {
	most   int
	chosen int
}

// readWithin is how long metrics may stay on the device: people watch the progress bar, and Ctrl-C waits
// for the steps that have been started.
const readWithin = 200 * time.Millisecond

// next returns the number of steps to take.
func (p *pace) next() int {
	if p.most > 0 && p.chosen > 0 {
		return p.most
	}
	return max(1, p.chosen)
}

// took notes how long steps took. The first of a run include compiling: then the pace stays at one step.
func (p *pace) took(steps int, duration time.Duration) {
	each := max(duration/time.Duration(steps), 1)
	// Not at once: the times of few steps are uncertain.
	p.chosen = min(max(1, int(readWithin/each)), 4*steps, MaxReadEvery)
}

// undisturbed returns the number of steps after the first done ones up to the next one after which
// there is something to do for the host or images have another size, or to the last full batch of
// the epoch.
func (s *session) undisturbed(done int) int {
	in := done % s.stepsPerEpoch // the steps taken in this epoch
	_, resized := s.recipe.Sizes.At(done, s.steps)
	n := min(s.LogEvery-in%s.LogEvery, s.stepsPerEpoch-in, resized-done)
	if n > 1 && in+n == s.stepsPerEpoch && s.batchSize(done+n-1) < s.recipe.BatchSize {
		n--
	}
	return n
}

// due reports whether the host has something to do at once, which needs the metrics of all steps so
// far.
func (s *session) due() bool {
	return time.Since(s.lastCheckpoint) >= s.CheckpointEvery || s.ctx.Err() != nil
}

// rateAt returns the learning rate of the given step, counted from 0.
func (s *session) rateAt(step int) float64 {
	return s.recipe.Schedule.Rate(s.recipe.LearningRate, step, s.steps)
}

// batchSize returns the number of images of the given step, counted from 0.
func (s *session) batchSize(step int) int {
	from := step % s.stepsPerEpoch * s.recipe.BatchSize
	return min(s.recipe.BatchSize, s.Training.Len()-from)
}

// note adds the metrics of the done-th step to those of the line and the epoch. It returns an
// error if training has diverged.
func (s *session) note(done int, metrics step) error {
	rate := s.rateAt(done - 1)
	for _, metric := range []struct {
		name  string
		value float64
	}{{"loss", metrics.loss}, {"gradient norm", metrics.gradientNorm}} {
		if math.IsNaN(metric.value) || math.IsInf(metric.value, 0) {
			return fmt.Errorf("the %s is %v at step %d, with learning rate %.4g: %w; try a lower learning rate, a warm-up, or larger batches",
				metric.name, metric.value, done, rate, ErrDiverged)
		}
	}
	s.line.add(metrics)
	s.epoch.add(metrics)
	s.Report.Step(s.line.fill(s.at(done)))
	return nil
}

// settle writes what is due after the done-th step, the last one taken and noted.
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
	if now.StepInEpoch == s.stepsPerEpoch {
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

// at returns a step line for the done-th step, without values.
func (s *session) at(done int) Metrics {
	return Metrics{Kind: StepLine, Epoch: (done-1)/s.stepsPerEpoch + 1, Epochs: s.recipe.Epochs, Step: done,
		StepInEpoch: (done-1)%s.stepsPerEpoch + 1, StepsPerEpoch: s.stepsPerEpoch, LearningRate: s.rateAt(done - 1)}
}

// interrupted turns the error of a cancelled context into ErrInterrupted, and returns other
// errors as they are.
func (s *session) interrupted(done int, err error) error {
	if err == nil || s.ctx.Err() == nil || !errors.Is(err, s.ctx.Err()) {
		return err
	}
	s.Report.Note(fmt.Sprintf("saved after step %d of %d", done, s.steps))
	return fmt.Errorf("%w after step %d of %d", ErrInterrupted, done, s.steps)
}

// endEpoch evaluates, writes the epoch's line, and then a checkpoint. A run that is killed in
// between repeats all of that. One that is cancelled during the evaluation saves the metrics of
// the epoch in a checkpoint, and evaluates when it is resumed.
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
		now.TestImages, now.TestSplit = test.Total, test.Split
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

// state returns the run's state after the done-th step.
func (s *session) state(done int) (*checkpoint.State, error) {
	if s.fingerprints == nil {
		s.fingerprints = fingerprints(s.Options)
	}
	state := &checkpoint.State{Step: done, Recipe: s.recipe, Data: s.Training.Name, Images: s.Training.Len(),
		Height: s.Training.Height, Width: s.Training.Width, Classes: s.Training.Classes,
		Fingerprints: s.fingerprints, Epoch: s.epoch.Totals}
	if err := state.Capture(s.store, ModelPath); err != nil {
		return nil, fmt.Errorf("checkpoint of step %d: %w", done, err)
	}
	return state, nil
}

// save writes a checkpoint after the done-th step.
func (s *session) save(done int) error {
	state, err := s.state(done)
	if err != nil {
		return err
	}
	// The lines of metrics that precede the checkpoint have to be on the disk before it.
	if err := s.metrics.sync(); err != nil {
		return err
	}
	path := checkpointPath(s.dir, done)
	if err := state.Save(path); err != nil {
		return fmt.Errorf("save the checkpoint of step %d (earlier checkpoints are kept; resume once the problem is fixed): %w", done, err)
	}
	s.outcome.Weights = path
	s.lastCheckpoint = time.Now()
	return prune(s.dir, s.Keep)
}
