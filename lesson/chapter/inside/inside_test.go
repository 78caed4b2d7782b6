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

	"github.com/residual-go/residual/lesson/chapter/internal/noise"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/probe"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
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
	images := noise.Images(4, 16)
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
	n, images := open(t, tiny(t, func(*resnet.Config) {})), noise.Images(20, 16)
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
	images := noise.Images(5, 16)
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
		found := outputs(t, n, weights, noise.Images(3, 16), before, block)
		if d := difference(found[0].Data, found[1].Data); d != 0 {
			t.Errorf("removed block %s changes its input by up to %g", block, d)
		}
		if whole := outputs(t, n, n.whole, noise.Images(3, 16), block)[0]; difference(whole.Data, found[1].Data) == 0 {
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
		found := outputs(t, n, weights, noise.Images(3, 16), "layer1.0", "layer1.1", "layer2.0.downsample", "layer2.0")
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
	n, images := open(t, tiny(t, kinds()["residual"])), noise.Images(12, 16)
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
		if _, err := n.Evaluate(context.Background(), noise.Images(3, 16), test.block); err == nil || !strings.Contains(err.Error(), test.want) {
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

func TestFromModel(t *testing.T) {
	n, images := open(t, tiny(t, func(*resnet.Config) {})), noise.Images(5, 16)
	m := &weights.Model{Config: n.recipe.Model, Tensors: n.whole}
	m.Normalization = n.recipe.Normalization
	same, err := FromModel(n.backend, m)
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	got, want := outputs(t, same, same.whole, images, "fc")[0], outputs(t, n, n.whole, images, "fc")[0]
	if d := difference(got.Data, want.Data); d != 0 {
		t.Errorf("logits differ by up to %g", d)
	}
	m.Config.Classes = 7
	if _, err := FromModel(n.backend, m); err == nil || !strings.Contains(err.Error(), "open "+m.Config.Name) {
		t.Errorf("error %v for weights of another network", err)
	}
}

func TestParts(t *testing.T) {
	n := open(t, tiny(t, func(*resnet.Config) {}))
	weight := n.whole["conv1.weight"] // 4 filters of 3×3×3
	clear(weight.Data)
	for place := range 9 {
		for colour := range 3 {
			weight.Data[colour*9+place] = 2                      // 0: grey and flat
			weight.Data[27+colour*9+place] = float32(colour - 1) // 1: cyan against yellow, flat
			weight.Data[54+colour*9+place] = float32(place - 4)  // 2: grey, from dark to light
		}
	}
	weight.Data[81] = 1 // 3: red in one corner
	for i, want := range []Parts{{1, 1}, {0, 1}, {1, 0}, {1. / 3, 1. / 9}} {
		if got := n.Parts()[i]; math.Abs(got.Grey-want.Grey) > 1e-9 || math.Abs(got.Flat-want.Flat) > 1e-9 {
			t.Errorf("filter %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestSort(t *testing.T) {
	n, images := open(t, tiny(t, func(*resnet.Config) {})), noise.Images(20, 16)
	result, err := n.Evaluate(context.Background(), images)
	if err != nil {
		t.Fatal(err)
	}
	images.Labels[0] = int32(result.Guesses[0]) // at least one right and one wrong
	images.Labels[1] = int32((result.Guesses[1] + 1) % 3)
	outcome, err := n.Sort(context.Background(), images)
	if err != nil {
		t.Fatal(err)
	}
	if len(outcome.Right)+len(outcome.Wrong) != 20 || outcome.Right[0] != 0 || !slices.Contains(outcome.Wrong, 1) {
		t.Errorf("sorted as %+v", outcome)
	}
	for _, i := range outcome.Right {
		if result.Guesses[i] != int(images.Labels[i]) {
			t.Errorf("image %d is among those that are right", i)
		}
	}
}

func TestShares(t *testing.T) {
	if got, want := Shares([]float64{1, 4, 0, -2}), []float64{0.25, 1, 0, -0.5}; !slices.Equal(got, want) {
		t.Errorf("shares %v, want %v", got, want)
	}
	if got := Shares([]float64{0, 0}); !slices.Equal(got, []float64{0, 0}) {
		t.Errorf("shares of an empty map %v, want zeros", got)
	}
}

func TestCover(t *testing.T) {
	images := noise.Images(3, 16)
	m := &ClassMaps{Height: 4, Width: 4, Classes: 1, maps: make([]float64, 3*16)}
	m.maps[5], m.maps[16+15], m.maps[32+0] = -1, -1, -1
	if y, x := m.Lowest(0, 0); y != 1 || x != 1 {
		t.Errorf("minimum at %d, %d, want 1, 1", y, x)
	}
	before := slices.Clone(images.Pixels)
	covered := m.Cover(images, 6, func(i int) (y, x int) { return m.Lowest(i, 0) })
	if !slices.Equal(images.Pixels, before) {
		t.Error("Cover changed the images it was given")
	}
	// A position is 4 pixels wide: the centre of position 1 is at pixel 6. The other two are at the edges.
	for i, start := range []int{3, 10, 0} {
		for y := range 16 {
			for x := range 16 {
				at := (y*16 + x) * 3
				want := images.Image(i)[at:][:3]
				if y >= start && y < start+6 && x >= start && x < start+6 {
					want = []byte{128, 128, 128}
				}
				if got := covered.Image(i)[at:][:3]; !slices.Equal(got, want) {
					t.Fatalf("image %d at %d, %d: %v, want %v", i, y, x, got, want)
				}
			}
		}
	}
}

func TestGroups(t *testing.T) {
	images := noise.Images(12, 16) // of three classes in turn
	groups := Groups(images, []int{0, 1, 2, 3, 4, 6, 7, 8, 10, 11}, 3, 2)
	if len(groups) != 3 {
		t.Fatalf("%d groups, want 3", len(groups))
	}
	for i, want := range [][]int{{0, 1}, {4, 8}, {6, 11}} {
		if got := groups[i]; !slices.Equal(got.Pixels, images.Pick(want).Pixels) {
			t.Errorf("group %d has labels %v, want images %v", i, got.Labels, want)
		}
	}
	// Class 2 has too few images for four groups.
	for i, group := range Groups(images, []int{0, 1, 2, 3, 4, 6, 7, 8, 9, 10}, 4, 3) {
		if !slices.Equal(group.Labels, []int32{0, 1}) {
			t.Errorf("group %d has labels %v, want 0 and 1", i, group.Labels)
		}
	}
}

// TestLocate: the place is the index of the image that has the highest value of the map.
func TestLocate(t *testing.T) {
	n, images := open(t, tiny(t, func(*resnet.Config) {})), noise.Images(3, 16)
	l, err := n.Locate(images, 2)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, label := range images.Labels {
		values := l.Maps.Map(0, int(label)) // of 8×8 positions, 4×4 for each image
		highest := slices.Index(values, slices.Max(values))
		want := highest/8/4*2 + highest%8/4
		if l.Place[i] != want {
			t.Errorf("image %d is found in %d, want %d", i, l.Place[i], want)
		}
		if want == i {
			found++
		}
	}
	if l.Found != found {
		t.Errorf("%d found, want %d", l.Found, found)
	}
	if _, err := n.Locate(images, 0); err == nil {
		t.Error("no error for no columns")
	}
}

func TestWithoutEach(t *testing.T) {
	ctx, images := context.Background(), noise.Images(20, 16)
	for _, kind := range []string{"residual", "plain"} {
		n := open(t, tiny(t, kinds()[kind]))
		accuracies, err := n.WithoutEach(ctx, images)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range Blocks(n.recipe.Model) {
			result, err := n.Evaluate(ctx, images, block.Name)
			switch {
			case err != nil && !math.IsNaN(accuracies[i]):
				t.Errorf("%s without %s: %g, want NaN", kind, block.Name, accuracies[i])
			case err == nil && accuracies[i] != result.Top1:
				t.Errorf("%s without %s: %g, want %g", kind, block.Name, accuracies[i], result.Top1)
			}
		}
		if got, want := Removable(n.recipe.Model), []string{"layer1.0", "layer1.1", "layer2.1", "layer3.1"}; !slices.Equal(got, want) {
			t.Errorf("%s: removable are %v, want %v", kind, got, want)
		}
	}
}

func TestWithoutSome(t *testing.T) {
	ctx, images := context.Background(), noise.Images(20, 16)
	n := open(t, tiny(t, kinds()["plain"]))
	means, err := n.WithoutSome(ctx, images, []int{0, 2, 4}, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Without any and without all, the order does not matter.
	for at, without := range map[int][]string{0: nil, 2: Removable(n.recipe.Model)} {
		result, err := n.Evaluate(ctx, images, without...)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(means[at]-result.Top1) > 1e-12 {
			t.Errorf("without %v: %g, want %g", without, means[at], result.Top1)
		}
	}
	if again, err := n.WithoutSome(ctx, images, []int{0, 2, 4}, 3, 1); err != nil || !slices.Equal(again, means) {
		t.Errorf("%v and %v with one seed, error %v", means, again, err)
	}
	if _, err := n.WithoutSome(ctx, images, []int{5}, 1, 1); err == nil || !strings.Contains(err.Error(), "want 0 to 4") {
		t.Errorf("error %v for more blocks than there are", err)
	}
}

func TestLosses(t *testing.T) {
	if got, want := Losses(0.75, []float64{0.5, math.NaN(), 0.75, 0.25}), []float64{0, 25, 50}; !slices.Equal(got, want) {
		t.Errorf("losses %v, want %v", got, want)
	}
}
