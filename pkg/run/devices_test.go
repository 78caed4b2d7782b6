package run

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// manyDevices returns options with a backend of several devices.
func manyDevices(t *testing.T, config string) Options {
	t.Helper()
	o := testOptions()
	var err error
	if o.Backend, err = backend.New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Backend.Finalize)
	return o
}

// trained trains a run of the recipe and returns its last checkpoint and its metrics.
func trained(t *testing.T, r recipe.Recipe, o Options) (*checkpoint.State, []Metrics) {
	t.Helper()
	dir := t.TempDir()
	if _, err := Train(context.Background(), dir, r, o); err != nil {
		t.Fatal(err)
	}
	return finished(t, dir)
}

// finished returns the last checkpoint and the metrics, without speeds, of the run in dir.
func finished(t *testing.T, dir string) (*checkpoint.State, []Metrics) {
	t.Helper()
	checkpoint, _, err := Latest(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	lines, err := ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		lines[i].ImagesPerSecond, lines[i].Seconds = 0, 0
	}
	return checkpoint, lines
}

// difference returns the largest difference between two checkpoints' weights and momentum, as a
// share of the tensor's largest element.
func difference(t *testing.T, got, want *checkpoint.State) float64 {
	t.Helper()
	largest := 0.0
	for _, pair := range [][2]map[string]statedict.Tensor{{got.Weights, want.Weights}, {got.Momentum, want.Momentum}} {
		if !slices.Equal(slices.Sorted(maps.Keys(pair[0])), slices.Sorted(maps.Keys(pair[1]))) {
			t.Fatal("the checkpoints do not have the same tensors")
		}
		for name, b := range pair[1] {
			scale := 1e-9
			for _, x := range b.Data {
				scale = max(scale, math.Abs(float64(x)))
			}
			for i, x := range pair[0][name].Data {
				largest = max(largest, math.Abs(float64(x-b.Data[i]))/scale)
			}
		}
	}
	return largest
}

// closeLines compares metrics. The accuracy has to be the same: rounding does not change which
// images are classified correctly.
func closeLines(t *testing.T, name string, got, want []Metrics, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d lines of metrics, want %d", name, len(got), len(want))
	}
	for i := range want {
		if math.Abs(got[i].Loss-want[i].Loss) > tolerance || math.Abs(got[i].GradientNorm-want[i].GradientNorm) > 10*tolerance ||
			math.Abs(got[i].Accuracy-want[i].Accuracy) > 1e-6 || got[i].Step != want[i].Step || got[i].Kind != want[i].Kind {
			t.Errorf("%s: line %d is %+v, want %+v", name, i, got[i], want[i])
		}
	}
}

func TestImagesOnTheDeviceGiveTheSameRun(t *testing.T) {
	want, lines := trained(t, testRecipe(), testOptions())
	for _, readEvery := range []int{1, 5, 99} {
		o := testOptions()
		o.Input, o.ReadEvery = InputDevice, readEvery
		got, gotLines := trained(t, testRecipe(), o)
		if d := difference(t, got, want); d != 0 {
			t.Errorf("reading every %d: the weights differ by %g", readEvery, d)
		}
		closeLines(t, "resident", gotLines, lines, 0)
	}
}

// However many steps lie between two lines, all metrics are read before the device overwrites
// them.
func TestNoMetricsAreLost(t *testing.T) {
	r := testRecipe()
	o := testOptions()
	o.Training, o.Test = testImages(2*(MaxReadEvery+40), 1), nil
	r.BatchSize, r.Epochs = 2, 1 // more steps than the device keeps the metrics of
	o.LogEvery = 1
	_, want := trained(t, r, o)
	for _, readEvery := range []int{1, 5, MaxReadEvery, 999} {
		o.LogEvery, o.ReadEvery = 1000, readEvery
		_, got := trained(t, r, o)
		closeLines(t, "read every "+strconv.Itoa(readEvery), got, want[len(want)-1:], 0)
	}
}

// The store of a finished run has the network, but not the images.
func TestImagesLeaveTheDevice(t *testing.T) {
	o := testOptions()
	o.Input = InputDevice
	outcome, err := Train(context.Background(), t.TempDir(), testRecipe(), o)
	if err != nil {
		t.Fatal(err)
	}
	for variable := range outcome.Store.IterVariables() {
		if strings.HasPrefix(variable.Path(), dataPath) {
			t.Errorf("%s is still in the store", variable.Path())
		}
	}
}

func TestSeveralDevicesTrainLikeOne(t *testing.T) {
	one := testRecipe()
	want, lines := trained(t, one, testOptions())
	for _, input := range []Input{InputHost, InputDevice} {
		two := testRecipe()
		two.Devices = 2
		o := manyDevices(t, "cpu:devices=2")
		o.Input = input
		got, gotLines := trained(t, two, o)
		// After 21 steps, rounding amounts to 2e-6 with the kernels for AVX2 and to 3e-6 with the
		// portable ones, momentum and running statistics included.
		if d := difference(t, got, want); d > 1e-5 {
			t.Errorf("input %s: the weights differ by %g", input, d)
		}
		closeLines(t, "two devices", gotLines, lines, 1e-4)

		two.LocalNorms = true
		local, _ := trained(t, two, o)
		if d := difference(t, local, want); d < 1e-2 {
			t.Errorf("input %s: local norms change the weights only by %g", input, d)
		}
	}
}

func TestSeveralDevicesResume(t *testing.T) {
	r := testRecipe()
	r.Devices, r.LocalNorms = 2, true
	o := manyDevices(t, "cpu:devices=2")
	o.Input, o.ReadEvery = InputDevice, 4
	want, lines := trained(t, r, o)

	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Report = &cancelAt{step: 10, cancel: cancel}
	if _, err := Train(ctx, dir, r, o); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("Train: %v, want an interruption", err)
	}
	o.Report = nil
	if _, err := Resume(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
	got, gotLines := finished(t, dir)
	if d := difference(t, got, want); d != 0 {
		t.Errorf("the weights differ by %g from those of an uninterrupted run", d)
	}
	closeLines(t, "resumed", gotLines[len(gotLines)-1:], lines[len(lines)-1:], 1e-6)
}

// cancelAt cancels a run at a step.
type cancelAt struct {
	silent
	step   int
	cancel func()
}

func (c *cancelAt) Step(m Metrics) {
	if m.Step == c.step {
		c.cancel()
	}
}

func TestTooManyDevicesLeaveNothingBehind(t *testing.T) {
	r := testRecipe()
	r.Devices = 2
	dir := filepath.Join(t.TempDir(), "run")
	_, err := Train(context.Background(), dir, r, testOptions())
	if want := "2 devices requested, but backend cpu has 1"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Train: %v, want an error with %q", err, want)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the run's folder was created")
	}

	if _, err := Train(context.Background(), dir, r, manyDevices(t, "cpu:devices=2")); err != nil {
		t.Fatal(err)
	}
	_, err = Resume(context.Background(), dir, testOptions())
	other, _ := errors.AsType[*OtherBackendError](err)
	if want := "trained on the backend cpu with 2 devices, not on cpu with 1 device"; other == nil || !other.TooFew || !strings.Contains(err.Error(), want) {
		t.Errorf("Resume: %v, want an error with %q", err, want)
	}
	anyBackend := testOptions()
	anyBackend.AnyBackend = true
	if _, err := Resume(context.Background(), dir, anyBackend); err == nil || !strings.Contains(err.Error(), "not on cpu with 1 device") {
		t.Errorf("Resume on any backend: %v, want the same error", err)
	}

	r.Devices = 5
	r.BatchSize = 15 // 64 images leave 4
	_, err = Train(context.Background(), filepath.Join(t.TempDir(), "run"), r, manyDevices(t, "cpu:devices=5"))
	if want := "64 images in batches of 15 leave a last batch of 4, which cannot be shared out to 5 devices"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Train: %v, want an error with %q", err, want)
	}
}

// If feature maps shrink to one pixel, local norms on a device with one image would have only one
// value to normalise. Train says so before the first step, not at the epoch's last.
func TestLocalNormsNeedMoreThanOneImage(t *testing.T) {
	r := testRecipe()
	r.Model.Stem = resnet.ImageNetStem
	r.Devices, r.LocalNorms = 2, true
	o := manyDevices(t, "cpu:devices=2")
	o.Training = testImages(62, 1)
	dir := filepath.Join(t.TempDir(), "run")
	_, err := Train(context.Background(), dir, r, o)
	if want := "62 images in batches of 10 leave a last batch of one for each of 2 devices"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Train: %v, want an error with %q", err, want)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the run's folder was created")
	}

	r.LocalNorms, r.Epochs = false, 1 // norms over both images
	if _, err := Train(context.Background(), dir, r, o); err != nil {
		t.Error(err)
	}
}

// To local norms, a share of one image is a batch of one.
func TestLocalNormsNeedTwoImages(t *testing.T) {
	r := testRecipe()
	r.Devices, r.BatchSize, r.LocalNorms, r.Epochs = 2, 62, true, 1 // 64 images leave 2
	o := manyDevices(t, "cpu:devices=2")
	_, err := Train(context.Background(), filepath.Join(t.TempDir(), "run"), r, o)
	if want := "a last batch of one for each of 2 devices"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Train: %v, want an error with %q", err, want)
	}
	r.LocalNorms = false
	if _, err := Train(context.Background(), filepath.Join(t.TempDir(), "run"), r, o); err != nil {
		t.Errorf("norms over both devices: %v", err)
	}
}

func TestDivergenceIsFoundWithImagesOnTheDevice(t *testing.T) {
	r := testRecipe()
	r.LearningRate = 1e30
	o := testOptions()
	o.Input, o.ReadEvery = InputDevice, 16
	_, err := Train(context.Background(), t.TempDir(), r, o)
	if err == nil || !strings.Contains(err.Error(), "training has diverged") {
		t.Errorf("Train: %v, want an error that says it has diverged", err)
	}
}
