package infer_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/resnet"
)

// engine is the backend of all these tests, because a tensor belongs to one backend.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("cpu") })

var normalization = dataset.Normalization{Mean: [3]float32{0.5, 0.4, 0.3}, Std: [3]float32{0.25, 0.2, 0.5}}

const path = "/model"

func config(t *testing.T, classes int) resnet.Config {
	t.Helper()
	c, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	c.Classes = classes
	return c
}

// network returns a network with random weights.
func network(t *testing.T, classes int) (*infer.Network, *model.Store) {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(3); err != nil {
		t.Fatal(err)
	}
	c := config(t, classes)
	if err := c.Declare(store.Scope(path)); err != nil {
		t.Fatal(err)
	}
	n, err := infer.New(engine, store, path, c, normalization)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Finalize)
	return n, store
}

// constant returns a network with the same logits for every image.
func constant(t *testing.T, logits ...float32) *infer.Network {
	t.Helper()
	n, store := network(t, len(logits))
	for name, value := range map[string]*tensors.Tensor{
		"weight": tensors.FromScalarAndDimensions(float32(0), 8, len(logits)),
		"bias":   tensors.FromFlatDataAndDimensions(logits, len(logits)),
	} {
		if err := store.GetVariable(path + "/fc/" + name).SetValue(value); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func images(n, classes int) *dataset.Images {
	m := &dataset.Images{Name: "noise", Height: 4, Width: 5}
	for i := range classes {
		m.Classes = append(m.Classes, fmt.Sprint("class ", i))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		m.Labels = append(m.Labels, int32(random.IntN(classes)))
		for range m.ImageSize() {
			m.Pixels = append(m.Pixels, byte(random.IntN(256)))
		}
	}
	return m
}

func evaluate(t *testing.T, n *infer.Network, m *dataset.Images, batch int) *infer.Result {
	t.Helper()
	r, err := n.Evaluate(context.Background(), m, batch, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func logits(t *testing.T, n *infer.Network, m *dataset.Images) []float32 {
	t.Helper()
	all, err := n.Logits(m.Pixels, m.Height, m.Width)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Logits are those of the network's forward pass on normalised pixels, outside training.
func TestLogitsAreTheNetworks(t *testing.T) {
	n, store := network(t, 7)
	m := images(3, 7)
	got := logits(t, n, m)
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	output, err := model.CallOnce(engine, store, func(scope *model.Scope, pixels *graph.Node) *graph.Node {
		return config(t, 7).Forward(scope.At("model"), pixels)
	}, normalised(m))
	if err != nil {
		t.Fatal(err)
	}
	want := tensors.MustCopyFlatData[float32](output)
	if len(got) != 3*7 {
		t.Fatalf("%d logits for 3 images of 7 classes", len(got))
	}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-5 {
			t.Errorf("logit %d is %g, want %g", i, got[i], want[i])
		}
	}
}

func normalised(m *dataset.Images) *tensors.Tensor {
	x := make([]float32, len(m.Pixels))
	for i, pixel := range m.Pixels {
		x[i] = (float32(pixel)/255 - normalization.Mean[i%3]) / normalization.Std[i%3]
	}
	return tensors.FromFlatDataAndDimensions(x, m.Len(), m.Height, m.Width, 3)
}

func TestLogitsRefusePartsOfImages(t *testing.T) {
	n, _ := network(t, 3)
	for _, test := range []struct{ bytes, height, width int }{{0, 4, 5}, {59, 4, 5}, {61, 4, 5}, {60, 0, 5}, {60, 4, 0}} {
		_, err := n.Logits(make([]byte, test.bytes), test.height, test.width)
		if want := fmt.Sprintf("%d bytes are not images of %d×%d pixels", test.bytes, test.height, test.width); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// The expected metrics are computed from the logits of all images at once, and by sorting.
func TestEvaluateEqualsADirectComputation(t *testing.T) {
	const classes = 8
	n, _ := network(t, classes)
	m := images(23, classes)
	m.Classes = slices.Clone(m.Classes)
	for i := range m.Labels { // no image of class 6
		if m.Labels[i] == 6 {
			m.Labels[i] = 2
		}
	}
	all := logits(t, n, m)
	want := infer.Result{Data: "noise", Split: dataset.Test, Total: 23, Classes: m.Classes, PerClass: make([]float64, classes), Confusion: make([][]int, classes)}
	for i := range want.Confusion {
		want.Confusion[i] = make([]int, classes)
	}
	perLabel, inTop5 := make([]int, classes), 0
	for i, label := range m.Labels {
		row := all[i*classes:][:classes]
		order := []int{0, 1, 2, 3, 4, 5, 6, 7}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(row[b], row[a]) })
		total := 0.0
		for _, x := range row {
			total += math.Exp(float64(x))
		}
		loss := -math.Log(math.Exp(float64(row[label])) / total)
		want.Loss += loss / 23
		want.Losses = append(want.Losses, loss)
		want.Guesses = append(want.Guesses, order[0])
		want.Confusion[label][order[0]]++
		perLabel[label]++
		if order[0] == int(label) {
			want.Correct++
			want.PerClass[label]++
		}
		if slices.Contains(order[:5], int(label)) {
			inTop5++
		}
	}
	for class, n := range perLabel {
		if n > 0 {
			want.PerClass[class] /= float64(n)
		}
	}
	want.Top1, want.Top5 = float64(want.Correct)/23, float64(inTop5)/23
	if want.Correct == 0 || inTop5 == want.Correct || inTop5 == 23 {
		t.Fatalf("%d correct and %d among the first five are a weak test", want.Correct, inTop5)
	}
	for _, batch := range []int{1, 4, 23, 100} {
		got := evaluate(t, n, m, batch)
		if math.Abs(got.Loss-want.Loss) > 1e-5 {
			t.Errorf("batch size %d: loss %g, want %g", batch, got.Loss, want.Loss)
		}
		for i, loss := range want.Losses {
			if math.Abs(got.Losses[i]-loss) > 1e-5 {
				t.Errorf("batch size %d: image %d has loss %g, want %g", batch, i, got.Losses[i], loss)
			}
		}
		got.Loss, got.Losses = want.Loss, want.Losses
		if a, b := fmt.Sprintf("%+v", *got), fmt.Sprintf("%+v", want); a != b {
			t.Errorf("batch size %d: result %s, want %s", batch, a, b)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("the result has no JSON: %v", err)
		}
	}
}

// Of equal logits the first class is the guess and ranks before the others.
func TestEvaluateWithTies(t *testing.T) {
	m := images(6, 7)
	for name, test := range map[string]struct {
		logits           []float32
		labels           []int32
		guess            int
		correct, in5     int
		lossOfEachOfSame float64
	}{
		"all equal":      {[]float32{2, 2, 2, 2, 2, 2, 2}, []int32{0, 1, 4, 5, 6, 0}, 0, 2, 4, math.Log(7)},
		"two at the top": {[]float32{0, 9, 9, 0, 0, 0, 0}, []int32{1, 2, 2, 2, 1, 1}, 1, 3, 6, math.Log(2 + 5*math.Exp(-9))},
		"two at the end": {[]float32{5, 4, 3, 2, 0, 0, 0}, []int32{4, 5, 6, 4, 5, 6}, 0, 0, 2,
			math.Log(math.Exp(5) + math.Exp(4) + math.Exp(3) + math.Exp(2) + 3)},
	} {
		m.Labels = test.labels
		got := evaluate(t, constant(t, test.logits...), m, 4)
		if got.Correct != test.correct || got.Top1 != float64(test.correct)/6 || got.Top5 != float64(test.in5)/6 {
			t.Errorf("%s: %d correct, top-1 %g and top-5 %g, want %d of 6 and %d of 6", name, got.Correct, got.Top1, got.Top5, test.correct, test.in5)
		}
		if want := slices.Repeat([]int{test.guess}, 6); !slices.Equal(got.Guesses, want) {
			t.Errorf("%s: guesses %v, want %v", name, got.Guesses, want)
		}
		if math.Abs(got.Loss-test.lossOfEachOfSame) > 1e-5 {
			t.Errorf("%s: loss %g, want %g", name, got.Loss, test.lossOfEachOfSame)
		}
	}
}

func TestFewerThanFiveClassesAreAllInTheTopFive(t *testing.T) {
	if got := evaluate(t, constant(t, 3, 2, 1), images(6, 3), 6); got.Top5 != 1 {
		t.Errorf("top-5 of three classes is %g, want 1", got.Top5)
	}
}

func TestALossFromLargeLogitsIsFinite(t *testing.T) {
	m := images(2, 3)
	m.Labels = []int32{0, 2}
	if got := evaluate(t, constant(t, 3e4, 0, 3e4), m, 2); math.Abs(got.Loss-math.Log(2)) > 1e-6 {
		t.Errorf("loss %g, want %g", got.Loss, math.Log(2))
	}
}

func TestEvaluateReportsProgress(t *testing.T) {
	n, _ := network(t, 3)
	var seen []int
	if _, err := n.Evaluate(context.Background(), images(10, 3), 4, func(images int) { seen = append(seen, images) }); err != nil {
		t.Fatal(err)
	}
	if want := []int{4, 8, 10}; !slices.Equal(seen, want) {
		t.Errorf("it reported %v, want %v", seen, want)
	}
}

func TestEvaluateLeavesTheImagesAlone(t *testing.T) {
	n, _ := network(t, 3)
	m := images(5, 3)
	pixels, labels := slices.Clone(m.Pixels), slices.Clone(m.Labels)
	evaluate(t, n, m.First(3), 2) // its last batch is padded, but not over the fourth image
	if !slices.Equal(m.Pixels, pixels) || !slices.Equal(m.Labels, labels) {
		t.Error("the images were changed")
	}
}

func TestEvaluateRefuses(t *testing.T) {
	n, _ := network(t, 3)
	for _, test := range []struct {
		images *dataset.Images
		batch  int
		want   string
	}{
		{images(0, 3), 4, "noise: no images to evaluate on"},
		{images(5, 4), 4, "noise has 4 classes and resnet8-w2 distinguishes 3"},
		{images(5, 3), 0, "batch size 0, want at least 1"},
		{images(5, 3), -1, "batch size -1, want at least 1"},
	} {
		_, err := n.Evaluate(context.Background(), test.images, test.batch, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}

func TestEvaluateStopsWithItsContext(t *testing.T) {
	n, _ := network(t, 3)
	ctx, cancel := context.WithCancel(context.Background())
	batches := 0
	r, err := n.Evaluate(ctx, images(20, 3), 2, func(int) {
		if batches++; batches == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || r != nil || batches != 3 {
		t.Errorf("after %d batches it returned %v, %v; want context.Canceled after 3", batches, r, err)
	}
}

func TestLogitsThatAreNotFiniteAreAnError(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		_, err := constant(t, 1, bad, 2).Evaluate(context.Background(), images(3, 3), 2, nil)
		if err == nil || !strings.Contains(err.Error(), "diverged") {
			t.Errorf("logits with %v: error %v, want one that says the weights have diverged", bad, err)
		}
	}
}

func TestNewRefusesAPathWithoutWeights(t *testing.T) {
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	_, store := network(t, 3)
	if _, err := infer.New(engine, store, "/modle", config(t, 3), normalization); err == nil || !strings.Contains(err.Error(), "/modle") {
		t.Errorf("error %v, want one that names the path without weights", err)
	}
}

func TestNewRefusesAnInvalidNetwork(t *testing.T) {
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	_, err = infer.New(engine, model.NewStore(), path, resnet.Config{}, normalization)
	if err == nil || !strings.Contains(err.Error(), "no stages") {
		t.Errorf("error %v, want one with %q", err, "no stages")
	}
}

// Weights of another network are an error. With those that are missing made at random, the answers
// would only look like answers.
func TestNewRefusesWeightsOfAnotherNetwork(t *testing.T) {
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := resnet.CIFAR(14, 2)
	if err != nil {
		t.Fatal(err)
	}
	preActivated := config(t, 10)
	preActivated.PreActivation = true
	for _, test := range []struct {
		weights, network resnet.Config
		want             string
	}{
		{config(t, 3), config(t, 4), "fc.weight is (Float32)[8, 3], want (Float32)[8, 4]"},
		{config(t, 10), deeper, "they have no layer1.1."},
		{deeper, config(t, 10), "they have layer1.1."},
		{config(t, 10), preActivated, "want (Float32)"}, // its norms are before the convolutions
	} {
		store := model.NewStore()
		if err := test.weights.Declare(store.Scope(path)); err != nil {
			t.Fatal(err)
		}
		_, err := infer.New(engine, store, path, test.network, normalization)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "another network") {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}

// Variables beside the network's do no harm: at the root of a store there are a trainer's.
func TestNewAtTheRootOfAStore(t *testing.T) {
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(3); err != nil {
		t.Fatal(err)
	}
	if err := config(t, 3).Declare(store.RootScope()); err != nil {
		t.Fatal(err)
	}
	store.VariableWithValue("/optimizers/global_step", int64(7))
	n, err := infer.New(engine, store, "/", config(t, 3), normalization)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Finalize)
	if got := logits(t, n, images(2, 3)); len(got) != 2*3 {
		t.Errorf("%d logits for 2 images of 3 classes", len(got))
	}
}

// A network without a name goes by that of its architecture.
func TestErrorsNameANetworkWithoutAName(t *testing.T) {
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	c := config(t, 3)
	c.Name = ""
	_, err = infer.New(engine, model.NewStore(), path, c, normalization)
	if want := "prepare " + resnet.NameOf(c) + ": "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want one that begins with %q", err, want)
	}
}

func TestNewRefusesAnInvalidNormalization(t *testing.T) {
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	_, store := network(t, 3)
	if _, err := infer.New(engine, store, path, config(t, 3), dataset.Normalization{}); err == nil || !strings.Contains(err.Error(), "standard deviations") {
		t.Errorf("error %v, want one about the standard deviations", err)
	}
}

func TestLogSumExp(t *testing.T) {
	for _, test := range []struct {
		xs   []float32
		want float64
	}{
		{[]float32{0}, 0},
		{[]float32{-7}, -7},
		{[]float32{0, 0, 0, 0}, math.Log(4)},
		{[]float32{1, 2, 3}, math.Log(math.E + math.E*math.E + math.E*math.E*math.E)},
		{[]float32{1000, 1000}, 1000 + math.Log(2)},
		{[]float32{-1000, -1000}, -1000 + math.Log(2)},
		{[]float32{math.MaxFloat32, -math.MaxFloat32}, math.MaxFloat32},
		{[]float32{3, float32(math.Inf(-1))}, 3},
	} {
		if got := infer.LogSumExp(test.xs); !(math.Abs(got-test.want) <= 1e-12*max(1, math.Abs(test.want))) {
			t.Errorf("LogSumExp(%v) is %g, want %g", test.xs, got, test.want)
		}
	}
}

func TestTop(t *testing.T) {
	// The probabilities are 1/10, 4/10, 4/10 and 1/10.
	row := []float32{0, float32(math.Log(4)), float32(math.Log(4)), 0}
	for k, classes := range map[int][]int{0: nil, 1: {1}, 2: {1, 2}, 3: {1, 2, 0}, 4: {1, 2, 0, 3}, 9: {1, 2, 0, 3}} {
		got := infer.Top(row, k)
		if len(got) != len(classes) {
			t.Errorf("the top %d of 4 classes are %v, want classes %v", k, got, classes)
			continue
		}
		for i, class := range classes {
			want := map[int]float64{0: 0.1, 1: 0.4, 2: 0.4, 3: 0.1}[class]
			if got[i].Class != class || math.Abs(got[i].Probability-want) > 1e-7 {
				t.Errorf("of the top %d, number %d is %+v, want class %d with %g", k, i, got[i], class, want)
			}
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		row := make([]float32, 1+random.IntN(20))
		for i := range row {
			row[i] = float32(40 * random.NormFloat64())
		}
		before, total := math.Inf(1), 0.0
		for _, guess := range infer.Top(row, len(row)) {
			if guess.Probability > before || guess.Probability < 0 {
				t.Errorf("probability %g comes after %g", guess.Probability, before)
			}
			before = guess.Probability
			total += guess.Probability
		}
		if math.Abs(total-1) > 1e-12 {
			t.Errorf("the probabilities of all classes add up to %g, want 1", total)
		}
	}
}

func ExampleTop() {
	for _, guess := range infer.Top([]float32{1, 3, -2, 2}, 2) {
		fmt.Printf("class %d: %.2f\n", guess.Class, guess.Probability)
	}
	// Output:
	// class 1: 0.66
	// class 3: 0.24
}

func TestKeptImagesGiveTheSameResult(t *testing.T) {
	n, _ := network(t, 3)
	first, second := images(23, 3), images(9, 3)
	for _, m := range []*dataset.Images{first, second} {
		for _, batch := range []int{1, 5, 23, 100} {
			want := evaluate(t, n, m, batch)
			if err := n.Keep(m); err != nil {
				t.Fatal(err)
			}
			if got := evaluate(t, n, m, batch); !reflect.DeepEqual(got, want) {
				t.Errorf("%d kept images in batch size %d: %+v, want %+v", m.Len(), batch, got, want)
			}
			if err := n.Keep(images(2, 3)); err != nil { // so that the next images are not the kept ones
				t.Fatal(err)
			}
		}
	}
	broken := images(4, 3)
	broken.Labels[0] = 7
	if err := n.Keep(broken); err == nil {
		t.Error("Keep accepts images with an invalid label")
	}
}

func TestMixedPrecisionIsCloseToFull(t *testing.T) {
	n, store := network(t, 3)
	m := images(16, 3)
	want := logits(t, n, m)
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	half, err := infer.New(engine, store, path, config(t, 3), normalization)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Finalize()
	half.SetPrecision(dtypes.BFloat16)
	got := logits(t, half, m)
	largest, apart := 0.0, 0.0
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		apart = max(apart, math.Abs(float64(got[i]-want[i])))
	}
	// bfloat16 has 8 bits of precision.
	if apart == 0 || apart > 0.03*largest {
		t.Errorf("logits in bfloat16 are up to %g off, of %g", apart, largest)
	}
}
