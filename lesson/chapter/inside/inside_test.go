package inside

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
)

// engine returns the backend that all tests share: tensors belong to one backend.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("cpu") })

// tiny returns a recipe for a network of depth 14 and width 4, modified by change.
func tiny(t *testing.T, change func(*resnet.Config)) recipe.Recipe {
	t.Helper()
	config, err := resnet.CIFAR(14, 4)
	if err != nil {
		t.Fatal(err)
	}
	config.Classes = 3
	change(&config)
	return recipe.Recipe{Model: config, Normalization: dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}}
}

// open returns a network with random weights, including those of the batch norms.
func open(t *testing.T, r recipe.Recipe) *Network {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	store := model.NewStore()
	defer store.Finalize()
	scope := store.Scope(run.ModelPath)
	if err := r.Model.Declare(scope); err != nil {
		t.Fatal(err)
	}
	if err := store.InitializeVariables(engine, nil); err != nil {
		t.Fatal(err)
	}
	weights, err := statedict.FromScope(scope)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, key := range slices.Sorted(maps.Keys(weights)) {
		for i := range weights[key].Data {
			weights[key].Data[i] += float32(0.2 * random.Float64())
		}
	}
	if err := statedict.ToScope(scope, weights); err != nil {
		t.Fatal(err)
	}
	n, err := Open(engine, store, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func noise(n int) *dataset.Images {
	m := &dataset.Images{Name: "noise", Classes: []string{"a", "b", "c"}, Height: 16, Width: 16}
	random := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		m.Labels = append(m.Labels, int32(i%3))
		for range m.ImageSize() {
			m.Pixels = append(m.Pixels, byte(random.IntN(256)))
		}
	}
	return m
}

// outputs returns the outputs of layers with the given weights in place of the network's.
func outputs(t *testing.T, n *Network, weights Weights, images *dataset.Images, layers ...string) []probe.Output {
	t.Helper()
	if err := n.set(weights); err != nil {
		t.Fatal(err)
	}
	found, err := n.Outputs(images, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// difference returns the largest difference between two slices.
func difference(a, b []float32) float64 {
	largest := 0.0
	for i := range a {
		largest = max(largest, math.Abs(float64(a[i]-b[i])))
	}
	return largest
}

func kinds() map[string]func(*resnet.Config) {
	return map[string]func(*resnet.Config){
		"residual":       func(*resnet.Config) {},
		"projecting":     func(c *resnet.Config) { c.Shortcut = resnet.ShortcutB },
		"plain":          func(c *resnet.Config) { c.Plain = true },
		"pre-activation": func(c *resnet.Config) { c.PreActivation = true },
		"bottleneck":     func(c *resnet.Config) { c.Block, c.Width, c.Shortcut = resnet.Bottleneck, 16, resnet.ShortcutB },
	}
}

// TestMeanOfAClassMapIsTheLogit checks that class activation maps are exact.
func TestMeanOfAClassMapIsTheLogit(t *testing.T) {
	images := noise(4)
	for name, change := range kinds() {
		m, err := open(t, tiny(t, change)).ClassMaps(images)
		if err != nil {
			t.Fatal(err)
		}
		if m.Height != 4 || m.Width != 4 || m.Classes != 3 {
			t.Fatalf("%s: maps of %d×%d for %d classes", name, m.Height, m.Width, m.Classes)
		}
		for image := range images.Len() {
			for class := range m.Classes {
				got, want := m.Mean(image, class)+float64(m.Bias[class]), m.Logit(image, class)
				if math.Abs(got-want) > 1e-4*max(1, math.Abs(want)) {
					t.Errorf("%s: image %d, class %d: the map gives the logit %g, the network %g", name, image, class, got, want)
				}
			}
		}
	}
}

func TestGuessIsThatOfAnEvaluation(t *testing.T) {
	n, images := open(t, tiny(t, func(*resnet.Config) {})), noise(20)
	m, err := n.ClassMaps(images)
	if err != nil {
		t.Fatal(err)
	}
	result, err := n.Evaluate(context.Background(), images)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range result.Guesses {
		if got := m.Guess(i); got != want {
			t.Errorf("image %d: class %d, want %d", i, got, want)
		}
	}
}

func TestPeak(t *testing.T) {
	m := &ClassMaps{Height: 2, Width: 3, Classes: 2, maps: []float64{
		0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, // image 0
		0, 0, 0, 0, 9, 0, -5, -3, -1, -2, -3, -9, // image 1
	}}
	for class, want := range [][2]int{{1, 1}, {0, 2}} {
		if y, x := m.Peak(1, class); y != want[0] || x != want[1] {
			t.Errorf("class %d: maximum at %d, %d, want %v", class, y, x, want)
		}
	}
}

func TestCollage(t *testing.T) {
	images := noise(5)
	collage, err := Collage(images, 3)
	if err != nil {
		t.Fatal(err)
	}
	if collage.Height != 32 || collage.Width != 48 || collage.Len() != 1 {
		t.Fatalf("%d images of %d×%d", collage.Len(), collage.Height, collage.Width)
	}
	if err := collage.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		for y := range 16 {
			for x := range 16 {
				got := collage.Pixels[((i/3*16+y)*48+i%3*16+x)*3:][:3]
				want := []byte{0, 0, 0} // no sixth image: black
				if i < 5 {
					want = images.Image(i)[(y*16+x)*3:][:3]
				}
				if !slices.Equal(got, want) {
					t.Fatalf("image %d at %d, %d: %v, want %v", i, y, x, got, want)
				}
			}
		}
	}
	// A network accepts a collage.
	m, err := open(t, tiny(t, func(*resnet.Config) {})).ClassMaps(collage)
	if err != nil || m.Height != 8 || m.Width != 12 {
		t.Errorf("maps of a collage: %v, error %v", m, err)
	}
	for _, columns := range []int{0, -1} {
		if _, err := Collage(images, columns); err == nil {
			t.Errorf("no error for %d columns", columns)
		}
	}
}

// TestRemovedPlainBlockIsTheIdentity: the output of a removed plain block is its input, bit
// for bit.
func TestRemovedPlainBlockIsTheIdentity(t *testing.T) {
	n := open(t, tiny(t, kinds()["plain"]))
	for block, before := range map[string]string{"layer1.0": "relu", "layer1.1": "layer1.0", "layer3.1": "layer3.0"} {
		weights, err := Without(n.recipe.Model, n.whole, block)
		if err != nil {
			t.Fatal(err)
		}
		found := outputs(t, n, weights, noise(3), before, block)
		if d := difference(found[0].Data, found[1].Data); d != 0 {
			t.Errorf("removed block %s changes its input by up to %g", block, d)
		}
		if whole := outputs(t, n, n.whole, noise(3), block)[0]; difference(whole.Data, found[1].Data) == 0 {
			t.Errorf("%s was the identity before its removal", block)
		}
	}
}

func TestRemovedResidualBlockIsItsShortcut(t *testing.T) {
	for _, kind := range []string{"residual", "projecting", "pre-activation"} {
		n := open(t, tiny(t, kinds()[kind]))
		weights, err := Without(n.recipe.Model, n.whole, "layer1.1", "layer2.0")
		if err != nil {
			t.Fatal(err)
		}
		found := outputs(t, n, weights, noise(3), "layer1.0", "layer1.1", "layer2.0.downsample", "layer2.0")
		if d := difference(found[0].Data, found[1].Data); d != 0 {
			t.Errorf("%s: layer1.1 changes its input by up to %g", kind, d)
		}
		shortcut := found[2].Data
		if kind != "pre-activation" {
			for i := range shortcut {
				shortcut[i] = max(0, shortcut[i])
			}
		}
		if d := difference(shortcut, found[3].Data); d != 0 {
			t.Errorf("%s: layer2.0 differs from its shortcut by up to %g", kind, d)
		}
	}
}

// TestEvaluateRestoresBlocks: removing blocks changes the loss, and only for that evaluation.
func TestEvaluateRestoresBlocks(t *testing.T) {
	n, images := open(t, tiny(t, kinds()["residual"])), noise(12)
	var losses []float64
	for _, without := range [][]string{nil, {"layer1.1", "layer3.1"}, nil} {
		result, err := n.Evaluate(context.Background(), images, without...)
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, result.Loss)
	}
	if losses[0] == losses[1] || losses[0] != losses[2] {
		t.Errorf("losses with all blocks, without two, and with all again: %v", losses)
	}
}

func TestBlocksThatCannotBeRemoved(t *testing.T) {
	for _, test := range []struct {
		kind, block, want string
	}{
		{"residual", "layer1.2", `resnet14-w4 has no block "layer1.2"`},
		{"residual", "layer1", `has no block "layer1"`},
		{"plain", "layer2.0", "block layer2.0 of resnet14-w4 cannot be removed: it changes the shape"},
	} {
		n := open(t, tiny(t, kinds()[test.kind]))
		if _, err := n.Evaluate(context.Background(), noise(3), test.block); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s without %s: error %v, want %s", test.kind, test.block, err, test.want)
		}
	}
	config := tiny(t, kinds()["plain"]).Model
	config.PreActivation = true
	if _, err := Without(config, nil, "layer1.1"); err == nil {
		t.Error("no error for a plain block with pre-activation")
	}
}

// TestBlocks compares Blocks with a summary's layers and their shapes.
func TestBlocks(t *testing.T) {
	for _, kind := range []string{"residual", "bottleneck"} {
		r := tiny(t, kinds()[kind])
		summary, err := r.Model.Summary(16, 16)
		if err != nil {
			t.Fatal(err)
		}
		shapes := map[string][]int{}
		for _, layer := range summary.Layers {
			shapes[layer.Name] = layer.Output
		}
		before := shapes["relu"]
		for _, block := range Blocks(r.Model) {
			after, ok := shapes[block.Name]
			if !ok {
				t.Fatalf("%s: no block %s in the summary", kind, block.Name)
			}
			if changes := !slices.Equal(before, after); changes != block.Changes {
				t.Errorf("%s: %s goes from %v to %v and has Changes %v", kind, block.Name, before, after, block.Changes)
			}
			before = after
		}
	}
}

// TestFilters: a filter's largest weight is drawn at full intensity, and the colour channels of
// a pixel are the three weights at its position.
func TestFilters(t *testing.T) {
	n := open(t, tiny(t, func(*resnet.Config) {}))
	weight := n.whole["conv1.weight"]
	clear(weight.Data)
	set := func(filter, colour, y, x int, value float32) {
		weight.Data[((filter*3+colour)*3+y)*3+x] = value
	}
	set(0, 0, 0, 0, 2)  // red, top left
	set(0, 2, 1, 2, -1) // blue and negative, middle right
	set(1, 1, 2, 1, -0.5)
	tiles := n.Filters()
	if len(tiles) != 4 {
		t.Fatalf("%d filters, want 4", len(tiles))
	}
	for _, test := range []struct {
		filter, y, x int
		want         [3]byte
	}{
		{0, 0, 0, [3]byte{255, 128, 128}},
		{0, 1, 2, [3]byte{128, 128, 64}},
		{0, 2, 2, [3]byte{128, 128, 128}},
		{1, 2, 1, [3]byte{128, 0, 128}},
		{2, 1, 1, [3]byte{128, 128, 128}}, // all zeros
	} {
		if got := tiles[test.filter].Pixels[(test.y*3+test.x)*3:][:3]; !slices.Equal(got, test.want[:]) {
			t.Errorf("filter %d at %d, %d: %v, want %v", test.filter, test.y, test.x, got, test.want)
		}
	}
}

func TestStrongestChannels(t *testing.T) {
	output := probe.Output{Layer: "layer1", Shape: []int{2, 1, 2, 4}, Data: []float32{
		0, 0, 0, 9, 0, 0, 0, 9, // image 0
		1, 5, 2, 1, 1, 5, 4, 1, // image 1
	}}
	if got, want := Strongest(output, 1, 3), []int{1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("channels %v, want %v", got, want)
	}
	if got := Strongest(output, 0, 9); len(got) != 4 || got[0] != 3 {
		t.Errorf("channels %v, want 3 first, then the other three", got)
	}
}

func TestOpenRejectsOtherWeights(t *testing.T) {
	n := open(t, tiny(t, func(*resnet.Config) {}))
	r := tiny(t, func(c *resnet.Config) { c.Classes = 7 })
	if _, err := Open(n.backend, n.store, r); err == nil || !strings.Contains(err.Error(), fmt.Sprint("open ", r.Model.Name)) {
		t.Errorf("error %v for weights of another network", err)
	}
}
