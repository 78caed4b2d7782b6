package xla

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/backend/backendtest"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Images augmented on XLA are byte for byte those augmented on the host.
func TestBatchesOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	images := shapes10.Train(40, 3)
	for _, a := range []dataset.Augment{{}, {Crop: 4, Flip: true, Cutout: 8}} {
		batches, err := dataset.NewBatches(images, dataset.Options{BatchSize: 16, Shuffle: true, Augment: a, Seed: 9, Epochs: 3})
		if err != nil {
			t.Fatal(err)
		}
		store := model.NewStore()
		resident, err := batches.Resident(store, "/data", 1)
		if err != nil {
			t.Fatal(err)
		}
		execs := map[int]*model.Exec{}
		var got []byte
		for batch, err := range resident.Iter() {
			if err != nil {
				t.Fatal(err)
			}
			n := batch.Spec.(int)
			if execs[n] == nil {
				execs[n] = model.MustNewExec(engine, store, func(_ *model.Scope, at *graph.Node) *graph.Node {
					pixels, _ := resident.Load(at, n)
					return pixels
				})
			}
			outputs, err := execs[n].Call(batch.Inputs[0])
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, tensors.MustCopyFlatData[uint8](outputs[0])...)
		}
		var want []byte
		for batch := range batches.Iter() {
			want = append(want, tensors.MustCopyFlatData[uint8](batch.Inputs[0])...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%+v: images from XLA differ from those of the host", a)
		}
	}
}

// small returns a recipe of twelve steps in three epochs, with a learning rate so small that rounding
// errors stay small.
func small(t *testing.T) recipe.Recipe {
	t.Helper()
	r, err := recipe.ByName("fast")
	if err != nil {
		t.Fatal(err)
	}
	if r.Model, err = resnet.CIFAR(8, 8); err != nil {
		t.Fatal(err)
	}
	r.Model.Classes, r.BatchSize, r.Epochs, r.LearningRate = 10, 32, 3, 0.02
	return r
}

// train runs a training to its end and returns the metrics of every step and of the end of every epoch.
func train(t *testing.T, engine compute.Backend, r recipe.Recipe, input run.Input) []run.Metrics {
	t.Helper()
	dir := t.TempDir()
	o := run.Options{Backend: engine, Training: shapes10.Train(4*r.BatchSize, 1), Test: shapes10.Test(100, 2), Input: input, LogEvery: 1}
	if _, err := run.Train(context.Background(), dir, r, o); err != nil {
		t.Fatal(err)
	}
	return lines(t, dir)
}

// lines returns the metrics of a run.
func lines(t *testing.T, dir string) []run.Metrics {
	t.Helper()
	all, err := run.ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// compare compares the losses of two runs. The tolerance is relative.
func compare(t *testing.T, what string, got, want []run.Metrics, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d lines of metrics, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i].Loss-want[i].Loss) <= tolerance*want[i].Loss) {
			t.Errorf("%s: the loss at step %d is %g, want %g", what, want[i].Step, got[i].Loss, want[i].Loss)
		}
		if want[i].TestLoss != nil && !(math.Abs(*got[i].TestLoss-*want[i].TestLoss) <= 3*tolerance**want[i].TestLoss) {
			t.Errorf("%s: the test loss after step %d is %g, want %g", what, want[i].Step, *got[i].TestLoss, *want[i].TestLoss)
		}
	}
}

// rounding is the tolerance: a GPU may round the operands of float32 convolutions to ten bits, and twelve
// steps amplify the error.
const rounding = 0.02

func TestTrainingOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	// Not all four combinations, because compiling takes long.
	for precision, input := range map[string]run.Input{recipe.Float32: run.InputHost, recipe.BFloat16: run.InputDevice} {
		r := small(t)
		r.Precision = precision
		want := train(t, start(t, "cpu"), r, run.InputHost)
		compare(t, fmt.Sprint(precision, ", input ", input), train(t, engine, r, input), want, rounding)
	}
}

// The parts of the recipe quick that no other test has: images that are smaller at first, which take a program for
// each size, and Muon.
func TestQuickOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	r := small(t)
	r.Sizes = dataset.Sizes{{Until: 0.3, Pixels: 16}, {Until: 0.6, Pixels: 24}} // of twelve steps, four and three are smaller
	r.Muon = 0.2
	want := train(t, start(t, "cpu"), r, run.InputHost)
	tolerance := 1e-4 // without Muon, the losses differ by 50 times as much
	if backend.Accelerated(engine) {
		tolerance = rounding
	}
	for _, input := range []run.Input{run.InputHost, run.InputDevice} {
		compare(t, fmt.Sprint("quick, input ", input), train(t, engine, r, input), want, tolerance)
	}
}

// The evaluation at the end of a run, whose program was compiled beside the training, on variables of its
// own, has the metrics of the weights that the run ends with.
func TestEvaluationOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	r := small(t)
	r.Epochs = 2 // the weights are lent twice
	for _, input := range []run.Input{run.InputHost, run.InputDevice} {
		test := shapes10.Test(100, 2)
		o := run.Options{Backend: engine, Training: shapes10.Train(4*r.BatchSize, 1), Test: test, Input: input}
		outcome, err := run.Train(context.Background(), t.TempDir(), r, o)
		if err != nil {
			t.Fatal(err)
		}
		network, err := infer.New(engine, outcome.Store, run.ModelPath, r.Model, r.Normalization)
		if err != nil {
			t.Fatal(err)
		}
		network.SetPrecision(r.DType())
		want, err := network.Evaluate(context.Background(), test, 100, nil)
		network.Finalize()
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome.Test; got.Loss != want.Loss || !slices.Equal(got.Guesses, want.Guesses) {
			t.Errorf("input %v: the run's loss is %g, that of its weights %g", input, got.Loss, want.Loss)
		}
	}
}

// A run that was interrupted while it evaluated begins, when it resumes, with an evaluation. Training then replaces
// the weights that were lent to it.
func TestResumingAnEvaluationOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	r, dir := small(t), t.TempDir()
	r.Epochs = 2
	o := run.Options{Backend: engine, Training: shapes10.Train(4*r.BatchSize, 1), Test: shapes10.Test(400, 2)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	interrupted := o
	interrupted.Report = evaluationInterrupter{interrupter{cancel}}
	if _, err := run.Train(ctx, dir, r, interrupted); !errors.Is(err, run.ErrInterrupted) {
		t.Fatalf("an interrupted run ends with %v", err)
	}
	if _, err := run.Resume(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
}

// An evaluationInterrupter is a Reporter that interrupts the run during its first evaluation.
type evaluationInterrupter struct{ interrupter }

func (evaluationInterrupter) Step(run.Metrics)      {}
func (e evaluationInterrupter) Evaluating(_, _ int) { e.cancel() }

// interrupt starts a run and interrupts it after the second step.
func interrupt(t *testing.T, dir string, r recipe.Recipe, o run.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Report = interrupter{cancel}
	if _, err := run.Train(ctx, dir, r, o); !errors.Is(err, run.ErrInterrupted) {
		t.Fatalf("an interrupted run ends with %v", err)
	}
}

// An interrupter is a Reporter that interrupts the run.
type interrupter struct{ cancel context.CancelFunc }

func (i interrupter) Step(m run.Metrics) {
	if m.Step == 2 {
		i.cancel()
	}
}
func (interrupter) Line(run.Metrics)    {}
func (interrupter) Evaluating(_, _ int) {}
func (interrupter) Epoch(run.Metrics)   {}
func (interrupter) Note(string)         {}

func TestResumingOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	r := small(t)
	o := run.Options{Backend: engine, Training: shapes10.Train(4*r.BatchSize, 1)}
	whole, parts := t.TempDir(), t.TempDir()
	if _, err := run.Train(context.Background(), whole, r, o); err != nil {
		t.Fatal(err)
	}
	interrupt(t, parts, r, o)
	if _, err := run.Resume(context.Background(), parts, o); err != nil {
		t.Fatal(err)
	}
	last := func(dir string) []run.Metrics {
		return slices.DeleteFunc(lines(t, dir), func(m run.Metrics) bool { return m.Kind != run.EpochLine })
	}
	compare(t, "a run that was resumed", last(parts), last(whole), rounding)
}

// Executions of several steps give the CPU's results, even if the last batch of an epoch is smaller, and
// the same bits after an interruption.
func TestStepsPerExecutionOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	r := small(t)
	r.BatchSize, r.Epochs, r.DropLast = 8, 2, false // XLA's convolutions for CPUs are slow in a loop
	o := run.Options{Backend: engine, Training: shapes10.Train(3*r.BatchSize+4, 1), Input: run.InputDevice, LogEvery: 3, ReadEvery: 5}
	train := func(o run.Options) []run.Metrics {
		t.Helper()
		dir := t.TempDir()
		if _, err := run.Train(context.Background(), dir, r, o); err != nil {
			t.Fatal(err)
		}
		return lines(t, dir)
	}
	onCPU := func() []run.Metrics {
		t.Helper()
		o := o
		o.Backend = start(t, "cpu")
		return train(o)
	}
	whole := train(o)
	compare(t, "several steps per execution", whole, onCPU(), rounding)

	dir := t.TempDir()
	interrupt(t, dir, r, o)
	o.ReadEvery = 2
	if _, err := run.Resume(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
	parts := lines(t, dir)
	if got, want := parts[len(parts)-1].Loss, whole[len(whole)-1].Loss; got != want {
		t.Errorf("the loss of the last epoch is %v after an interruption, %v without one", got, want)
	}

	if engine.NumDevices() > 1 {
		o.Training, r.Epochs = shapes10.Train(4*r.BatchSize, 1), 1
		want := onCPU()
		r.Devices = 2
		compare(t, "several steps per execution on two devices", train(o), want, rounding)
	}
}

func TestDevicesOnXLA(t *testing.T) {
	engine := backendtest.XLA(t)
	if n := engine.NumDevices(); n < 2 {
		t.Skipf("skipping: needs two devices, but %s has %d; builds of XLA's CPU plugin have four, or take XLA_FLAGS=--xla_force_host_platform_device_count=2", engine.Description(), n)
	}
	r := small(t)
	want := train(t, start(t, "cpu"), r, run.InputHost)
	r.Devices = 2
	for _, input := range []run.Input{run.InputHost, run.InputDevice} {
		compare(t, fmt.Sprint("two devices, input ", input), train(t, engine, r, input), want, rounding)
	}
	r.LocalNorms = true
	for _, line := range train(t, engine, r, run.InputDevice) {
		if math.IsNaN(line.Loss) {
			t.Fatalf("with norms of their own, two devices come to a loss of %g at step %d", line.Loss, line.Step)
		}
	}
}
