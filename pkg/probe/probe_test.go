package probe

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

const path = "/model"

func tinyRecipe(t *testing.T) recipe.Recipe {
	t.Helper()
	config, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	config.Classes = 3
	return recipe.Recipe{Model: config, Normalization: dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}}
}

func noise(n int) *dataset.Images {
	m := &dataset.Images{Name: "noise", Classes: []string{"a", "b", "c"}, Height: 8, Width: 8}
	random := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		m.Labels = append(m.Labels, int32(i%3))
		for range m.ImageSize() {
			m.Pixels = append(m.Pixels, byte(random.IntN(256)))
		}
	}
	return m
}

func newStore(t *testing.T) *model.Store {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(3); err != nil {
		t.Fatal(err)
	}
	return store
}

func measure(t *testing.T, store *model.Store, r recipe.Recipe, images *dataset.Images) []Norm {
	t.Helper()
	norms, err := GradientNorms(gobackend.GetBackend(), store, path, r, images)
	if err != nil {
		t.Fatal(err)
	}
	return norms
}

func layers(norms []Norm) []string {
	var names []string
	for _, norm := range norms {
		names = append(names, norm.Layer)
	}
	return names
}

func TestGradientNormsOfTheMainPath(t *testing.T) {
	want := strings.Fields("conv1 layer1.0.conv1 layer1.0.conv2 layer2.0.conv1 layer2.0.conv2 layer3.0.conv1 layer3.0.conv2 fc")
	r := tinyRecipe(t)
	for _, test := range []struct {
		name   string
		change func(*resnet.Config)
	}{
		{"without projections", func(*resnet.Config) {}},
		{"with projections, which are not on the path", func(c *resnet.Config) { c.Shortcut = resnet.ShortcutB }},
		{"plain", func(c *resnet.Config) { c.Plain = true }},
	} {
		r := r
		test.change(&r.Model)
		norms := measure(t, newStore(t), r, noise(6))
		if got := layers(norms); !slices.Equal(got, want) {
			t.Errorf("%s: layers %q, want %q", test.name, got, want)
		}
		for _, norm := range norms {
			if !(norm.Value > 0) || math.IsInf(norm.Value, 0) {
				t.Errorf("%s: %s has norm %g, want a number above 0", test.name, norm.Layer, norm.Value)
			}
		}
	}
}

// The slope of the loss along every weight of the first and of the last layer gives their norms.
func TestNormsAgainstFiniteDifferences(t *testing.T) {
	r, store, images := tinyRecipe(t), newStore(t), noise(12)
	r.LabelSmoothing = 0.1
	norms := measure(t, store, r, images)

	exec, err := model.NewExec(gobackend.GetBackend(), store, func(_ *model.Scope, pixels, labels *graph.Node) *graph.Node {
		store.SetTraining(pixels.Graph(), true)
		logits := r.Model.Forward(store.Scope(path), r.Normalization.Apply(pixels))
		return nn.CrossEntropy(r.LabelSmoothing)([]*graph.Node{labels}, []*graph.Node{logits})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	loss := func() float64 {
		t.Helper()
		outputs, err := exec.Exec(tensors.FromFlatDataAndDimensions(images.Pixels, images.Len(), 8, 8, 3),
			tensors.FromFlatDataAndDimensions(images.Labels, images.Len(), 1))
		if err != nil {
			t.Fatal(err)
		}
		return float64(tensors.ToScalar[float32](outputs[0]))
	}
	scope := store.Scope(path)
	for variable := range scope.IterVariables() {
		key, _ := resnet.StateDictKey(scope, variable)
		layer := strings.TrimSuffix(key, ".weight")
		if key != "conv1.weight" && key != "fc.weight" {
			continue
		}
		value, err := variable.Value()
		if err != nil {
			t.Fatal(err)
		}
		weights, shape := tensors.MustCopyFlatData[float32](value), variable.Shape().Dimensions
		at := func(i int, step float32) float64 {
			moved := slices.Clone(weights)
			moved[i] += step
			if err := variable.SetValue(tensors.FromFlatDataAndDimensions(moved, shape...)); err != nil {
				t.Fatal(err)
			}
			return loss()
		}
		const step = 1e-2
		sum := 0.0
		for i := range weights {
			slope := (at(i, step) - at(i, -step)) / (2 * step)
			sum += slope * slope
		}
		at(0, 0)
		got := norms[slices.Index(layers(norms), layer)].Value
		if want := math.Sqrt(sum); math.Abs(got-want) > 0.03*want {
			t.Errorf("%s: norm %.5f, want %.5f by finite differences", layer, got, want)
		}
	}
}

// A look inside changes neither weights nor running statistics, and gives the same result twice.
func TestNothingIsChanged(t *testing.T) {
	r, store, images := tinyRecipe(t), newStore(t), noise(6)
	first := measure(t, store, r, images)
	before, err := statedict.FromScope(store.Scope(path))
	if err != nil {
		t.Fatal(err)
	}
	if second := measure(t, store, r, images); !slices.Equal(first, second) {
		t.Errorf("the second time the norms are %v, want %v", second, first)
	}
	after, err := statedict.FromScope(store.Scope(path))
	if err != nil {
		t.Fatal(err)
	}
	same := maps.EqualFunc(before, after, func(a, b statedict.Tensor) bool { return slices.Equal(a.Data, b.Data) })
	if !same {
		t.Error("measuring changed the network")
	}
	for key, tensor := range after {
		if strings.HasSuffix(key, "running_mean") && slices.ContainsFunc(tensor.Data, func(x float32) bool { return x != 0 }) {
			t.Errorf("%s is %v, want the initial zeros", key, tensor.Data)
		}
	}
}

// The norms are those of the network in the store.
func TestNormsDependOnTheWeights(t *testing.T) {
	r, images := tinyRecipe(t), noise(6)
	store, other := newStore(t), model.NewStore()
	if err := other.SetRNGStateFromSeed(4); err != nil {
		t.Fatal(err)
	}
	first := measure(t, store, r, images)
	if slices.Equal(first, measure(t, other, r, images)) {
		t.Error("two seeds have the same norms")
	}
	weights, err := statedict.FromScope(store.Scope(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := statedict.ToScope(other.Scope(path), weights); err != nil {
		t.Fatal(err)
	}
	if got := measure(t, other, r, images); !slices.Equal(got, first) {
		t.Errorf("with the first store's weights the norms are %v, want %v", got, first)
	}
}

func TestWrongNetworkIsAnError(t *testing.T) {
	r := tinyRecipe(t)
	r.Model.Blocks = nil
	if _, err := GradientNorms(gobackend.GetBackend(), newStore(t), path, r, noise(6)); err == nil {
		t.Error("no error for a network without stages")
	}
}

// With FreezeNorms the batch norms use their running statistics, which are 0 and 1 before training:
// the gradient is then that of a network without batch norms.
func TestGradientNormsWithFrozenNorms(t *testing.T) {
	r, images := tinyRecipe(t), noise(6)
	normal := measure(t, newStore(t), r, images)
	r.FreezeNorms = true
	frozen := measure(t, newStore(t), r, images)
	if slices.Equal(frozen, normal) {
		t.Error("the norms are the same with and without FreezeNorms")
	}
	// Twice the weights in the first layer give the second one twice the input, and so about twice the
	// gradient, unless a batch norm stands between them.
	grown := newStore(t)
	measure(t, grown, r, images) // initialises the weights
	weight := grown.GetVariable(path + "/conv1/weight")
	flat, err := tensors.CopyFlatData[float32](weight.MustValue())
	if err != nil {
		t.Fatal(err)
	}
	for i := range flat {
		flat[i] *= 2
	}
	if err := weight.SetValue(tensors.FromFlatDataAndDimensions(flat, weight.Shape().Dimensions...)); err != nil {
		t.Fatal(err)
	}
	first := func(norms []Norm) float64 { return norms[1].Value } // of layer1.0.conv1
	if again := measure(t, grown, r, images); first(again) < 1.5*first(frozen) {
		t.Errorf("with weights twice as large before it, the norm of %s went from %g to %g, want about twice as large",
			again[1].Layer, first(frozen), first(again))
	}
	r.FreezeNorms = false
	if again := measure(t, grown, r, images); math.Abs(first(again)/first(normal)-1) > 0.01 {
		t.Errorf("with batch norms, the norm of %s went from %g to %g, want about the same", again[1].Layer, first(normal), first(again))
	}
}
