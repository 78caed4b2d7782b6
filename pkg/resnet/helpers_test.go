package resnet

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
)

// engine is the backend of all these tests. They share one, since a tensor belongs to a backend.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("cpu") })

// run builds and runs fn on images, with the variables of store, in training or inference mode.
func run(t *testing.T, store *model.Store, training bool, images *tensors.Tensor, fn func(scope *model.Scope, images *graph.Node) []*graph.Node) ([]*tensors.Tensor, error) {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	exec, err := model.NewExec(engine, store, func(scope *model.Scope, images *graph.Node) []*graph.Node {
		store.SetTraining(images.Graph(), training)
		return fn(scope, images)
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	return exec.Exec(images)
}

func mustRun(t *testing.T, store *model.Store, training bool, images *tensors.Tensor, fn func(scope *model.Scope, images *graph.Node) []*graph.Node) []*tensors.Tensor {
	t.Helper()
	outputs, err := run(t, store, training, images, fn)
	if err != nil {
		t.Fatal(err)
	}
	return outputs
}

// logits is Forward in the form that run needs.
func (c Config) logits(scope *model.Scope, images *graph.Node) []*graph.Node {
	return []*graph.Node{c.Forward(scope, images)}
}

// tapped has the values of a forward pass by the names that a Tap received, and the names in order.
type tapped struct {
	names  []string
	values map[string][]float32
	dims   map[string][]int
}

func taps(t *testing.T, c Config, store *model.Store, training bool, images *tensors.Tensor) tapped {
	t.Helper()
	found := tapped{values: map[string][]float32{}, dims: map[string][]int{}}
	outputs := mustRun(t, store, training, images, func(scope *model.Scope, images *graph.Node) []*graph.Node {
		var all []*graph.Node
		logits := c.Forward(scope, images, func(name string, x *graph.Node) {
			found.names = append(found.names, name)
			all = append(all, x)
		})
		return append(all, logits)
	})
	for i, name := range found.names {
		if _, ok := found.values[name]; ok {
			t.Errorf("two taps are named %s", name)
		}
		found.values[name] = tensors.MustCopyFlatData[float32](outputs[i])
		found.dims[name] = outputs[i].Shape().Dimensions
	}
	return found
}

func seeded(t *testing.T, seed int64) *model.Store {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(seed); err != nil {
		t.Fatal(err)
	}
	return store
}

func normal(seed uint64, dims ...int) *tensors.Tensor {
	size := 1
	for _, dim := range dims {
		size *= dim
	}
	numbers := rand.New(rand.NewPCG(seed, 1))
	data := make([]float32, size)
	for i := range data {
		data[i] = float32(numbers.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(data, dims...)
}

func named(t *testing.T, name string) Config {
	t.Helper()
	config, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func checkClose(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if !(math.Abs(float64(got[i])-float64(want[i])) <= tolerance) {
			t.Errorf("%s: value %d is %g, want %g", what, i, got[i], want[i])
			return
		}
	}
}

func checkError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want one with %q", what, err, want)
	}
}

// tiny returns small networks that together have every block, stem and shortcut.
func tiny() map[string]Config {
	return map[string]Config{
		"basic A":         {Name: "t", Stem: CIFARStem, Blocks: []int{2, 2}, Width: 2, Shortcut: ShortcutA, Classes: 3},
		"basic B":         {Name: "t", Stem: ImageNetStem, Blocks: []int{2, 2}, Width: 2, Classes: 3},
		"basic C, pre":    {Name: "t", Stem: CIFARStem, Blocks: []int{2, 1}, Width: 2, Shortcut: ShortcutC, PreActivation: true, Classes: 3},
		"basic A, pre":    {Name: "t", Stem: ImageNetStem, Blocks: []int{1, 2}, Width: 3, Shortcut: ShortcutA, PreActivation: true, Classes: 3},
		"bottleneck A":    {Name: "t", Stem: CIFARStem, Block: Bottleneck, Blocks: []int{2, 1}, Width: 2, Shortcut: ShortcutA, Classes: 3},
		"grouped B":       {Name: "t", Stem: CIFARStem, Block: Bottleneck, Blocks: []int{1, 2}, Width: 2, Groups: 2, WidthPerGroup: 64, Classes: 3},
		"bottleneck, pre": {Name: "t", Stem: CIFARStem, Block: Bottleneck, Blocks: []int{1, 2}, Width: 2, PreActivation: true, Classes: 3},
		"plain":           {Name: "t", Stem: CIFARStem, Blocks: []int{2, 1}, Width: 2, Plain: true, Classes: 3},
		"plain, pre":      {Name: "t", Stem: CIFARStem, Block: Bottleneck, Blocks: []int{1, 1}, Width: 2, Plain: true, PreActivation: true, Classes: 3},
	}
}
