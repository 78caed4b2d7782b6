package transfer

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// testImages returns n noisy images of 8×8 pixels in 5 classes. The class decides which
// channel, or pair of channels, is bright.
func testImages(n int) *dataset.Images {
	m := &dataset.Images{Name: "test images", Classes: []string{"red", "green", "blue", "yellow", "cyan"}, Height: 8, Width: 8}
	bright := [][]int{{0}, {1}, {2}, {0, 1}, {1, 2}}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		label := i % 5
		m.Labels = append(m.Labels, int32(label))
		for range 8 * 8 {
			for c := range 3 {
				value := random.IntN(160)
				if slices.Contains(bright[label], c) {
					value += 90
				}
				m.Pixels = append(m.Pixels, byte(value))
			}
		}
	}
	return m
}

func testBackend(t *testing.T) compute.Backend {
	t.Helper()
	engine, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// newNetwork returns a small untrained network for three classes.
func newNetwork(t *testing.T) *Network {
	t.Helper()
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	config.Classes = 3
	n, err := New(testBackend(t), recipe.Recipe{Model: config, Normalization: dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// trained returns the network of newNetwork, trained on the first three classes.
func trained(t *testing.T) *Network {
	t.Helper()
	n := newNetwork(t)
	known, _ := Split(testImages(100), 3)
	train(t, n, known, Training{Steps: 40, BatchSize: 20, LearningRate: 0.05})
	return n
}

func newHead(t *testing.T, n *Network, classes int, seed uint64) *Network {
	t.Helper()
	changed, err := n.WithNewHead(classes, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(changed.Close)
	return changed
}

func train(t *testing.T, n *Network, images *dataset.Images, training Training) []float64 {
	t.Helper()
	losses, err := n.Train(context.Background(), images, training)
	if err != nil {
		t.Fatal(err)
	}
	return losses
}

func weightsOf(t *testing.T, n *Network) Weights {
	t.Helper()
	w, err := n.Weights()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func accuracy(t *testing.T, n *Network, images *dataset.Images) float64 {
	t.Helper()
	result, err := n.Evaluate(context.Background(), images)
	if err != nil {
		t.Fatal(err)
	}
	return result.Top1
}

// changed returns the names of the weights that are not equal, bit for bit.
func changed(a, b Weights) []string {
	var names []string
	for name := range a {
		if !slices.Equal(a[name].Data, b[name].Data) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestSplit(t *testing.T) {
	images := testImages(23)
	first, others := Split(images, 3)
	if first.Len() != 15 || others.Len() != 8 {
		t.Fatalf("%d and %d images, want 15 and 8", first.Len(), others.Len())
	}
	if want := []string{"yellow", "cyan"}; !slices.Equal(others.Classes, want) || len(first.Classes) != 3 {
		t.Errorf("classes %v and %v, want three and %v", first.Classes, others.Classes, want)
	}
	for _, side := range []*dataset.Images{first, others} {
		if err := side.Validate(); err != nil {
			t.Error(err)
		}
	}
	// Images 3, 4, 8, 9, … are in the classes 3 and 4.
	if want := []int32{0, 1, 0, 1, 0, 1, 0, 1}; !slices.Equal(others.Labels, want) {
		t.Errorf("labels %v, want %v", others.Labels, want)
	}
	if !slices.Equal(others.Image(2), images.Image(8)) {
		t.Error("the third image of the others is not the ninth of all")
	}
	if images.Labels[3] != 3 {
		t.Error("Split changed the labels of its argument")
	}
}

func TestLoad(t *testing.T) {
	n := newNetwork(t)
	r := n.recipe
	r.Epochs, r.BatchSize, r.LearningRate, r.Schedule.Kind = 1, 10, 0.1, optim.Constant
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	want := weightsOf(t, n)
	state := checkpoint.State{Recipe: r, Height: 8, Width: 8, Classes: []string{"red", "green", "blue"}, Weights: want}
	if err := state.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(testBackend(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	if got := changed(want, weightsOf(t, loaded)); got != nil {
		t.Errorf("these weights changed between saving and loading: %v", got)
	}
	if _, err := Load(testBackend(t), path+"x"); err == nil {
		t.Error("no error for a missing file")
	}
}

func TestChanges(t *testing.T) {
	before, after := weightsOf(t, newNetwork(t)), weightsOf(t, newNetwork(t))
	after["conv1.weight"].Data[3] -= 0.25
	after["bn1.running_var"].Data[0] += 0.5
	after["fc.bias"].Data[1] += 0.125
	body, statistics, head := Changes(before, after)
	for _, c := range []struct {
		what      string
		got, want float64
	}{{"body", body, 0.25}, {"running statistics", statistics, 0.5}, {"head", head, 0.125}} {
		if math.Abs(c.got-c.want) > 1e-6 {
			t.Errorf("the largest change of the %s is %g, want %g", c.what, c.got, c.want)
		}
	}
}

func TestWithNewHead(t *testing.T) {
	old := newNetwork(t)
	before := weightsOf(t, old)
	n := newHead(t, old, 2, 5)
	after := weightsOf(t, n)
	if shape := after["fc.weight"].Shape; !slices.Equal(shape, []int{2, before["fc.weight"].Shape[1]}) {
		t.Errorf("the new head's weight has shape %v", shape)
	}
	if shape := after["fc.bias"].Shape; !slices.Equal(shape, []int{2}) {
		t.Errorf("the new head's bias has shape %v", shape)
	}
	if got := changed(before, after); !slices.Equal(got, []string{"fc.bias", "fc.weight"}) {
		t.Errorf("changed: %v, want only the head", got)
	}
	if got := changed(before, weightsOf(t, old)); got != nil {
		t.Errorf("the old network changed: %v", got)
	}
	if changed(after, weightsOf(t, newHead(t, old, 2, 5))) != nil {
		t.Error("one seed gave two heads")
	}
	if changed(after, weightsOf(t, newHead(t, old, 2, 6))) == nil {
		t.Error("two seeds gave one head")
	}
}

func TestWithHeadOf(t *testing.T) {
	old := newNetwork(t)
	tuned := newHead(t, old, 2, 5)
	_, others := Split(testImages(50), 3)
	train(t, tuned, others, Training{Steps: 3, BatchSize: 10, LearningRate: 0.1})
	n, err := tuned.WithHeadOf(old)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	got := weightsOf(t, n)
	for name, tensor := range weightsOf(t, tuned) {
		if strings.HasPrefix(name, "fc.") {
			tensor = weightsOf(t, old)[name]
		}
		if !slices.Equal(got[name].Data, tensor.Data) {
			t.Errorf("%s is not as expected", name)
		}
	}
}

func TestFrozenBody(t *testing.T) {
	n := newHead(t, trained(t), 2, 1)
	n.FreezeBody()
	_, others := Split(testImages(100), 3)
	before := weightsOf(t, n)
	training := Training{Steps: 10, BatchSize: 20, LearningRate: 0.1, Evaluation: true}
	losses := train(t, n, others, training)
	if got := changed(before, weightsOf(t, n)); !slices.Equal(got, []string{"fc.bias", "fc.weight"}) {
		t.Errorf("changed in evaluation mode: %v, want only the head", got)
	}
	if losses[9] > 0.8*losses[0] {
		t.Errorf("the loss went from %.3f to %.3f: the head did not learn", losses[0], losses[9])
	}

	training.Evaluation = false
	before = weightsOf(t, n)
	train(t, n, others, training)
	running := 0
	for _, name := range changed(before, weightsOf(t, n)) {
		switch {
		case strings.Contains(name, "running_"):
			running++
		case !strings.HasPrefix(name, "fc."):
			t.Errorf("%s is frozen but changed", name)
		}
	}
	if running == 0 {
		t.Error("no running statistic changed in training mode")
	}
}

// TestTrainHeadEqualsTrainWithAFrozenBody: training the head on features gives the same result
// as training it on a frozen body.
func TestTrainHeadEqualsTrainWithAFrozenBody(t *testing.T) {
	old := trained(t)
	_, others := Split(testImages(75), 3)
	training := Training{Steps: 8, BatchSize: 12, LearningRate: 0.1, Seed: 3, Evaluation: true}
	frozen := newHead(t, old, 2, 1)
	frozen.FreezeBody()
	want := train(t, frozen, others, training)

	n := newHead(t, old, 2, 1)
	features, err := n.Features(others)
	if err != nil {
		t.Fatal(err)
	}
	before := weightsOf(t, n)
	got, err := n.TrainHead(context.Background(), features, training)
	if err != nil {
		t.Fatal(err)
	}
	for step := range got {
		if math.Abs(got[step]-want[step]) > 1e-4 {
			t.Errorf("step %d: loss %.6f on features, %.6f with the body", step+1, got[step], want[step])
		}
	}
	after := weightsOf(t, n)
	if names := changed(before, after); !slices.Equal(names, []string{"fc.bias", "fc.weight"}) {
		t.Errorf("changed: %v, want only the head", names)
	}
	for _, name := range []string{"fc.weight", "fc.bias"} {
		for i, w := range weightsOf(t, frozen)[name].Data {
			if math.Abs(float64(after[name].Data[i]-w)) > 1e-4 {
				t.Errorf("%s[%d] is %g on features, %g with the body", name, i, after[name].Data[i], w)
			}
		}
	}
}

func TestTrainLearnsAndIsReproducible(t *testing.T) {
	known, _ := Split(testImages(100), 3)
	a, b := trained(t), trained(t)
	if got := accuracy(t, a, known); got < 0.8 {
		t.Errorf("accuracy %.2f on images that differ by their colour, want at least 0.8", got)
	}
	if got := changed(weightsOf(t, a), weightsOf(t, b)); got != nil {
		t.Errorf("the same training gave other weights the second time: %v", got)
	}
	// A second training uses its own learning rate and starts without momentum.
	training := Training{Steps: 1, BatchSize: 20, LearningRate: 0}
	before := weightsOf(t, a)
	train(t, a, known, training)
	for _, name := range changed(before, weightsOf(t, a)) {
		if !strings.Contains(name, "running_") {
			t.Errorf("%s changed at a learning rate of 0", name)
		}
	}
	if left := a.store.Scope("/" + optimizer.Scope).NumVariables(); left != 0 {
		t.Errorf("%d variables of the optimiser remain, want none", left)
	}
}

func TestTrainErrors(t *testing.T) {
	n := newNetwork(t)
	known, others := Split(testImages(30), 3)
	if _, err := n.Train(context.Background(), others, Training{Steps: 1, BatchSize: 4}); err == nil || !strings.Contains(err.Error(), "replace its head") {
		t.Errorf("two classes for a head of three: error %v, want one that says to replace the head", err)
	}
	if _, err := n.Train(context.Background(), known, Training{Steps: 1, BatchSize: 19}); err == nil {
		t.Error("no error for a batch larger than the number of images")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.Train(ctx, known, Training{Steps: 1, BatchSize: 4}); err != context.Canceled {
		t.Errorf("cancelled: error %v, want %v", err, context.Canceled)
	}
}

func TestSample(t *testing.T) {
	images := testImages(100)
	a := Sample(images, 4, 1)
	counts := map[int32]int{}
	for _, label := range a.Labels {
		counts[label]++
	}
	if want := map[int32]int{0: 4, 1: 4, 2: 4, 3: 4, 4: 4}; !maps.Equal(counts, want) {
		t.Errorf("images by class: %v, want %v", counts, want)
	}
	if !slices.Equal(a.Pixels, Sample(images, 4, 1).Pixels) {
		t.Error("one seed gave two samples")
	}
	if slices.Equal(a.Pixels, Sample(images, 4, 2).Pixels) {
		t.Error("two seeds gave one sample")
	}
}

func TestHeadAccuracy(t *testing.T) {
	n := trained(t)
	known, _ := Split(testImages(100), 3)
	features, err := n.Features(known)
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.HeadAccuracy(features)
	if err != nil {
		t.Fatal(err)
	}
	if want := accuracy(t, n, known); math.Abs(got-want) > 1e-9 {
		t.Errorf("accuracy %v on features, %v with the body", got, want)
	}
	features.Channels++
	if _, err := n.HeadAccuracy(features); err == nil {
		t.Error("no error for features of another body")
	}
}

func TestAfter(t *testing.T) {
	n := newNetwork(t)
	known, _ := Split(testImages(30), 3)
	var steps []int
	stop := errors.New("enough")
	_, err := n.Train(t.Context(), known, Training{Steps: 5, BatchSize: 4, After: func(losses []float64) error {
		steps = append(steps, len(losses))
		if len(losses) == 3 {
			return stop
		}
		return nil
	}})
	if !errors.Is(err, stop) || !slices.Equal(steps, []int{1, 2, 3}) {
		t.Errorf("After was called for steps %v, and the error is %v; want steps 1 to 3 and %v", steps, err, stop)
	}
}

// recorder is a reporter that records its calls.
type recorder struct {
	run.Reporter
	steps, epochs []run.Metrics
}

func (r *recorder) Step(m run.Metrics)  { r.steps = append(r.steps, m) }
func (r *recorder) Epoch(m run.Metrics) { r.epochs = append(r.epochs, m) }

func TestTrialBest(t *testing.T) {
	if got := (Trial{Validation: []float64{0.2, 0.5, 0.5, 0.4}}).Best(); got != 1 {
		t.Errorf("Best is %d, want 1, the first of the highest", got)
	}
}

func TestExperiment(t *testing.T) {
	old := trained(t)
	before := weightsOf(t, old)
	_, others := Split(testImages(100), 3)
	fresh, test := others, others // the test images are the same: this is about the procedure
	_, validation, err := others.HoldOut(20, 1)
	if err != nil {
		t.Fatal(err)
	}
	// At a rate of 0 a training learns nothing, so the other is chosen wherever it learns.
	budget := Budget{LearningRates: []float64{0, 0.05}, Steps: []int{2, 6}}
	e := Experiment{PerClass: []int{3, 10}, Seeds: 2, BatchSize: 8, Budgets: [3]Budget{budget, budget, budget}}
	var reports [3]recorder
	result, err := e.Run(t.Context(), old, fresh, validation, test, func(way Way) run.Reporter { return &reports[way] })
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range Ways {
		if len(result.Accuracy[way]) != 2 || len(result.Accuracy[way][0]) != 2 || len(result.Accuracy[way][1]) != 2 {
			t.Errorf("%s: accuracies %v, want two by two values", way, result.Accuracy[way])
		}
		for i := range e.PerClass {
			for seed, trial := range result.Chosen[way][i] {
				if len(trial.Loss) != 2 || len(trial.Validation) != 2 || !slices.Equal(trial.Steps, budget.Steps) {
					t.Errorf("%s: trial %+v, want two measurements", way, trial)
				}
				if way == Frozen && trial.LearningRate == 0 {
					t.Errorf("%s, seed %d: a head that learns nothing was chosen: %+v", way, seed, trial)
				}
			}
		}
		r := reports[way]
		if len(r.steps) != 8*6 || len(r.epochs) != 8 {
			t.Fatalf("%s: %d steps and %d epochs were reported, want 48 and 8", way, len(r.steps), len(r.epochs))
		}
		for i, m := range r.steps {
			if m.Step != i+1 || m.Epoch != i/6+1 || m.Epochs != 8 {
				t.Errorf("%s: step %d was reported as step %d, epoch %d of %d", way, i+1, m.Step, m.Epoch, m.Epochs)
			}
		}
		trial := result.Chosen[way][1][0]
		best := max(*r.epochs[4].TestTop1, *r.epochs[5].TestTop1)
		if top := trial.Validation[trial.Best()]; top != best || r.epochs[4].TestSplit != dataset.Validation {
			t.Errorf("%s: chosen with %v, but the highest reported is %v on %v images", way, top, best, r.epochs[4].TestSplit)
		}
	}
	if mean := result.Mean(FineTuned, 1); mean != (result.Accuracy[FineTuned][1][0]+result.Accuracy[FineTuned][1][1])/2 {
		t.Errorf("Mean is %v, want the mean of %v", mean, result.Accuracy[FineTuned][1])
	}
	if got := changed(before, weightsOf(t, old)); got != nil {
		t.Errorf("the experiment changed the pretrained network: %v", got)
	}
	if _, err := result.Figure("test"); err != nil {
		t.Error(err)
	}
	if _, err := result.TrialFigure(1, "test"); err != nil {
		t.Error(err)
	}
	again, err := e.Run(t.Context(), old, fresh, validation, test, func(way Way) run.Reporter { return &recorder{} })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(result, again) {
		t.Errorf("the same experiment gave %+v and then %+v", result, again)
	}
	e.Budgets[Frozen].Steps = nil
	if _, err := e.Run(t.Context(), old, fresh, validation, test, func(way Way) run.Reporter { return &recorder{} }); err == nil || !strings.Contains(err.Error(), "frozen body") {
		t.Errorf("a budget without steps: error %v, want one that names the way", err)
	}
}

// TestLearned: a training ends early when its loss is small, and the display says that it is done.
func TestLearned(t *testing.T) {
	old := trained(t)
	_, others := Split(testImages(100), 3)
	rest, validation, err := others.HoldOut(20, 1)
	if err != nil {
		t.Fatal(err)
	}
	none := Budget{LearningRates: []float64{0}, Steps: []int{1}}
	e := Experiment{PerClass: []int{2}, Seeds: 1, BatchSize: 4, Budgets: [3]Budget{
		none, none, {LearningRates: []float64{0.05}, Steps: []int{100, 200, 1000}},
	}}
	var reports [3]recorder
	result, err := e.Run(t.Context(), old, rest, validation, validation, func(way Way) run.Reporter { return &reports[way] })
	if err != nil {
		t.Fatal(err)
	}
	trial, steps := result.Chosen[FineTuned][0][0], len(reports[FineTuned].steps)
	last := len(trial.Steps) - 1
	if steps == 1000 || trial.Steps[last] != steps || trial.Loss[last] >= Learned {
		t.Errorf("%d steps; want the training to end when its loss is below %v: %+v", steps, Learned, trial)
	}
	if got := reports[FineTuned].epochs[0].Step; got != 1000 {
		t.Errorf("the end was reported at step %d, want 1000, all of the display's bar", got)
	}
}

// TestChosenWeightsAreTested: what is tested are the weights that had the highest accuracy on the
// validation images, not those of the last step.
func TestChosenWeightsAreTested(t *testing.T) {
	old := trained(t)
	_, others := Split(testImages(200), 3)
	rest, validation, err := others.HoldOut(20, 1)
	if err != nil {
		t.Fatal(err)
	}
	// A learning rate of 5 ruins the network after its first steps.
	budget := Budget{LearningRates: []float64{0.05, 5}, Steps: []int{2, 10, 40}}
	e := Experiment{PerClass: []int{10}, Seeds: 1, BatchSize: 10, Budgets: [3]Budget{budget, budget, budget}}
	// Tested on the validation images, the accuracy must be the one that was chosen.
	result, err := e.Run(t.Context(), old, rest, validation, validation, func(Way) run.Reporter { return &recorder{} })
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range Ways {
		trial := result.Chosen[way][0][0]
		if got, want := result.Accuracy[way][0][0], trial.Validation[trial.Best()]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: the tested weights have accuracy %v, the chosen %v: %+v", way, got, want, trial)
		}
	}
}
