package resnet

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// stateDictKeys returns torchvision's keys for a network of basic blocks, in its order,
// without num_batches_tracked.
func stateDictKeys(projected bool, blocks ...int) []string {
	norm := func(name string) []string {
		return []string{name + ".weight", name + ".bias", name + ".running_mean", name + ".running_var"}
	}
	keys := append([]string{"conv1.weight"}, norm("bn1")...)
	for stage, n := range blocks {
		for i := range n {
			block := fmt.Sprintf("layer%d.%d.", stage+1, i)
			for _, layer := range []string{"1", "2"} {
				keys = append(keys, block+"conv"+layer+".weight")
				keys = append(keys, norm(block+"bn"+layer)...)
			}
			if projected && stage > 0 && i == 0 {
				keys = append(keys, block+"downsample.0.weight")
				keys = append(keys, norm(block+"downsample.1")...)
			}
		}
	}
	return append(keys, "fc.weight", "fc.bias")
}

// declared returns the keys of config's variables under path, in order, and how many of them are
// trained. Variables that are not under path must have no key.
func declared(t *testing.T, config Config, path string) (keys []string, trained int) {
	t.Helper()
	store := model.NewStore()
	elsewhere := 0
	if path != "/" {
		store.VariableWithValue("/optimizers/learning_rate", float32(1))
		store.VariableWithValue(path+"led/weight", float32(1))
		elsewhere = 2
	}
	if err := config.Declare(store.Scope(path)); err != nil {
		t.Fatal(err)
	}
	for variable := range store.IterVariables() {
		key, ok := StateDictKey(store.Scope(path), variable)
		if !ok {
			elsewhere--
			continue
		}
		if variable.HasValue() {
			t.Errorf("Declare gave %s a value", key)
		}
		keys = append(keys, key)
		if variable.Trainable {
			trained++
		}
	}
	if elsewhere != 0 {
		t.Errorf("%d variables that are not under %s have a key", elsewhere, path)
	}
	return keys, trained
}

func TestVariablesHaveTorchvisionsKeys(t *testing.T) {
	for _, test := range []struct {
		name    string
		want    []string
		trained int
	}{
		{"resnet18", stateDictKeys(true, 2, 2, 2, 2), 62},
		{"resnet34", stateDictKeys(true, 3, 4, 6, 3), 110},
		{"resnet20", stateDictKeys(false, 3, 3, 3), 59},
		{"plain18", stateDictKeys(false, 2, 2, 2, 2), 53},
	} {
		for _, path := range []string{"/", "/model", "/a/b"} {
			got, trained := declared(t, named(t, test.name), path)
			if !slices.Equal(got, test.want) || trained != test.trained {
				t.Errorf("%s under %s has %d trained variables of %v, want %d of %v", test.name, path, trained, got, test.trained, test.want)
			}
		}
	}
	if n := len(stateDictKeys(true, 2, 2, 2, 2)); n != 102 {
		t.Errorf("resnet18 has %d keys, torchvision's 122 less its 20 num_batches_tracked are 102", n)
	}

	keys, trained := declared(t, named(t, "resnet50"), "/model")
	if len(keys) != 267 || trained != 161 {
		t.Errorf("resnet50 has %d keys, %d of them trained; want 267 and 161", len(keys), trained)
	}
	for _, key := range []string{"layer1.0.downsample.0.weight", "layer1.0.downsample.1.running_var", "layer3.5.conv3.weight", "layer4.2.bn3.bias"} {
		if !slices.Contains(keys, key) {
			t.Errorf("resnet50 has no %s", key)
		}
	}
	if slices.Contains(keys, "layer1.1.downsample.0.weight") {
		t.Error("resnet50 projects where the shape does not change")
	}
}

// Declare and Forward create the same variables in the same order, and the same seed gives them
// the same values, whichever comes first.
func TestDeclareEqualsForward(t *testing.T) {
	for name, config := range tiny() {
		images := normal(1, 2, 9, 11, 3)
		forward, declare := seeded(t, 5), seeded(t, 5)
		if err := config.Declare(declare.Scope("/net")); err != nil {
			t.Fatal(err)
		}
		at := func(scope *model.Scope, images *graph.Node) []*graph.Node {
			return config.logits(scope.At("net"), images)
		}
		a := mustRun(t, forward, false, images, at)[0]
		b := mustRun(t, declare, false, images, at)[0]
		var made [2][]string
		for i, store := range []*model.Store{forward, declare} {
			for variable := range store.Scope("/net").IterVariables() {
				made[i] = append(made[i], fmt.Sprint(variable.Path(), variable.Shape(), variable.Trainable, variable.MustValue()))
			}
		}
		if !slices.Equal(made[0], made[1]) {
			t.Errorf("%s: Declare and Forward create different variables", name)
		}
		if !a.Equal(b) {
			t.Errorf("%s: the logits differ", name)
		}
	}
}

func TestSeedsDetermineTheWeights(t *testing.T) {
	config := tiny()["basic A"]
	logits := func(seed int64) *tensors.Tensor {
		return mustRun(t, seeded(t, seed), false, normal(1, 1, 8, 8, 3), config.logits)[0]
	}
	if !logits(1).Equal(logits(1)) {
		t.Error("the same seed gave different logits")
	}
	if logits(1).Equal(logits(2)) {
		t.Error("seeds 1 and 2 gave the same logits")
	}
}

func TestForwardAgainReusesTheVariables(t *testing.T) {
	for name, config := range tiny() {
		store, images := seeded(t, 2), normal(3, 2, 8, 8, 3)
		first := mustRun(t, store, false, images, config.logits)[0]
		n := store.NumVariables()
		if !mustRun(t, store, false, images, config.logits)[0].Equal(first) || store.NumVariables() != n {
			t.Errorf("%s: the second forward pass differs from the first", name)
		}
	}
}

// The logits of an image do not depend on the others in the batch, except in training.
func TestInferenceDoesNotDependOnTheBatch(t *testing.T) {
	for name, config := range tiny() {
		store, images := seeded(t, 2), normal(3, 3, 8, 8, 3)
		all := tensors.MustCopyFlatData[float32](mustRun(t, store, false, images, config.logits)[0])
		for i := range 3 {
			one := tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[float32](images)[i*192:][:192], 1, 8, 8, 3)
			checkClose(t, fmt.Sprintf("%s: image %d alone", name, i),
				tensors.MustCopyFlatData[float32](mustRun(t, store, false, one, config.logits)[0]), all[i*3:][:3], 1e-5)
		}
	}
}

func TestTapsAreCalledInOrder(t *testing.T) {
	for _, test := range []struct {
		config Config
		input  []int
		want   string
	}{
		{Config{Stem: CIFARStem, Blocks: []int{1, 2}, Width: 2, Shortcut: ShortcutA, Classes: 5}, []int{2, 7, 6, 3}, `
conv1 [2 7 6 2]
bn1 [2 7 6 2]
relu [2 7 6 2]
layer1.0.conv1 [2 7 6 2]
layer1.0.bn1 [2 7 6 2]
layer1.0.relu1 [2 7 6 2]
layer1.0.conv2 [2 7 6 2]
layer1.0.bn2 [2 7 6 2]
layer1.0.relu2 [2 7 6 2]
layer1.0 [2 7 6 2]
layer1 [2 7 6 2]
layer2.0.conv1 [2 4 3 4]
layer2.0.bn1 [2 4 3 4]
layer2.0.relu1 [2 4 3 4]
layer2.0.conv2 [2 4 3 4]
layer2.0.bn2 [2 4 3 4]
layer2.0.downsample [2 4 3 4]
layer2.0.relu2 [2 4 3 4]
layer2.0 [2 4 3 4]
layer2.1.conv1 [2 4 3 4]
layer2.1.bn1 [2 4 3 4]
layer2.1.relu1 [2 4 3 4]
layer2.1.conv2 [2 4 3 4]
layer2.1.bn2 [2 4 3 4]
layer2.1.relu2 [2 4 3 4]
layer2.1 [2 4 3 4]
layer2 [2 4 3 4]
avgpool [2 4]
fc [2 5]`},
		// The ImageNet stem halves the size twice, rounding up. In a bottleneck, the 3×3
		// convolution has the stride.
		{Config{Stem: ImageNetStem, Block: Bottleneck, Blocks: []int{1, 1}, Width: 4, Groups: 2, WidthPerGroup: 32, Classes: 5}, []int{1, 19, 13, 3}, `
conv1 [1 10 7 4]
bn1 [1 10 7 4]
relu [1 10 7 4]
maxpool [1 5 4 4]
layer1.0.conv1 [1 5 4 4]
layer1.0.bn1 [1 5 4 4]
layer1.0.relu1 [1 5 4 4]
layer1.0.conv2 [1 5 4 4]
layer1.0.bn2 [1 5 4 4]
layer1.0.relu2 [1 5 4 4]
layer1.0.conv3 [1 5 4 16]
layer1.0.bn3 [1 5 4 16]
layer1.0.downsample.0 [1 5 4 16]
layer1.0.downsample.1 [1 5 4 16]
layer1.0.downsample [1 5 4 16]
layer1.0.relu3 [1 5 4 16]
layer1.0 [1 5 4 16]
layer1 [1 5 4 16]
layer2.0.conv1 [1 5 4 8]
layer2.0.bn1 [1 5 4 8]
layer2.0.relu1 [1 5 4 8]
layer2.0.conv2 [1 3 2 8]
layer2.0.bn2 [1 3 2 8]
layer2.0.relu2 [1 3 2 8]
layer2.0.conv3 [1 3 2 32]
layer2.0.bn3 [1 3 2 32]
layer2.0.downsample.0 [1 3 2 32]
layer2.0.downsample.1 [1 3 2 32]
layer2.0.downsample [1 3 2 32]
layer2.0.relu3 [1 3 2 32]
layer2.0 [1 3 2 32]
layer2 [1 3 2 32]
avgpool [1 32]
fc [1 5]`},
		{Config{Stem: ImageNetStem, Blocks: []int{1, 1}, Width: 2, PreActivation: true, Classes: 5}, []int{1, 9, 9, 3}, `
conv1 [1 5 5 2]
maxpool [1 3 3 2]
layer1.0.bn1 [1 3 3 2]
layer1.0.relu1 [1 3 3 2]
layer1.0.conv1 [1 3 3 2]
layer1.0.bn2 [1 3 3 2]
layer1.0.relu2 [1 3 3 2]
layer1.0.conv2 [1 3 3 2]
layer1.0 [1 3 3 2]
layer1 [1 3 3 2]
layer2.0.bn1 [1 3 3 2]
layer2.0.relu1 [1 3 3 2]
layer2.0.conv1 [1 2 2 4]
layer2.0.bn2 [1 2 2 4]
layer2.0.relu2 [1 2 2 4]
layer2.0.conv2 [1 2 2 4]
layer2.0.downsample.0 [1 2 2 4]
layer2.0.downsample [1 2 2 4]
layer2.0 [1 2 2 4]
layer2 [1 2 2 4]
norm [1 2 2 4]
relu [1 2 2 4]
avgpool [1 4]
fc [1 5]`},
	} {
		found := taps(t, test.config, seeded(t, 1), false, normal(1, test.input...))
		var got strings.Builder
		for _, name := range found.names {
			fmt.Fprintf(&got, "\n%s %v", name, found.dims[name])
		}
		if got.String() != test.want {
			t.Errorf("taps of %+v are %s\nwant %s", test.config, got.String(), test.want)
		}
	}
}

func TestEveryTapReceivesEveryLayer(t *testing.T) {
	config := tiny()["basic A"]
	var names [2][]string
	mustRun(t, seeded(t, 1), false, normal(1, 1, 8, 8, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
		return []*graph.Node{config.Forward(scope, images,
			func(name string, _ *graph.Node) { names[0] = append(names[0], name) },
			func(name string, _ *graph.Node) { names[1] = append(names[1], name) })}
	})
	if len(names[0]) == 0 || !slices.Equal(names[0], names[1]) {
		t.Errorf("two taps received %v and %v", names[0], names[1])
	}
}

func relu(x []float32) []float32 {
	y := make([]float32, len(x))
	for i := range x {
		y[i] = max(0, x[i])
	}
	return y
}

func sum(a, b []float32) []float32 {
	y := make([]float32, len(a))
	for i := range a {
		y[i] = a[i] + b[i]
	}
	return y
}

// Every block is its branch plus its shortcut, with ReLUs in the places of its kind.
func TestBlocksAddTheirShortcut(t *testing.T) {
	for name, config := range tiny() {
		found := taps(t, config, seeded(t, 4), true, normal(2, 2, 9, 9, 3))
		values := found.values
		last := map[Block]string{Basic: "2", Bottleneck: "3"}[config.Block]
		input := "conv1"
		switch {
		case config.Stem == ImageNetStem:
			input = "maxpool"
		case !config.PreActivation:
			input = "relu"
		}
		for stage, blocks := range config.Blocks {
			for i := range blocks {
				block := fmt.Sprintf("layer%d.%d", stage+1, i)
				branch := values[block+".bn"+last]
				if config.PreActivation {
					branch = values[block+".conv"+last]
				}
				shortcut, projected := values[block+".downsample"]
				if !projected {
					shortcut = values[input]
				}
				want := branch
				if !config.Plain {
					want = sum(branch, shortcut)
				}
				if !config.PreActivation {
					want = relu(want)
					checkClose(t, name+": "+block+".relu1", values[block+".relu1"], relu(values[block+".bn1"]), 0)
				}
				checkClose(t, name+": "+block, values[block], want, 1e-6)
				if changes := found.dims[block][3] != found.dims[input][3] || found.dims[block][1] != found.dims[input][1]; !config.Plain &&
					projected != (changes || config.Shortcut == ShortcutC) {
					t.Errorf("%s: %s has a downsample: %v", name, block, projected)
				}
				if projected && config.Shortcut == ShortcutA {
					from := input
					if config.PreActivation {
						from = block + ".relu1"
					}
					checkClose(t, name+": "+block+".downsample", shortcut, shortcutA(found, from, block), 0)
				}
				input = block
			}
			checkClose(t, fmt.Sprintf("%s: layer%d", name, stage+1), values[fmt.Sprintf("layer%d", stage+1)], values[input], 0)
		}
	}
}

// shortcutA takes every pixel, or every other one, and puts its channels in the middle.
func shortcutA(found tapped, from, to string) []float32 {
	in, out := found.dims[from], found.dims[to]
	stride := 1
	if out[1] != in[1] {
		stride = 2
	}
	before := (out[3] - in[3]) / 2
	y := make([]float32, len(found.values[to]))
	for n := range out[0] {
		for row := range out[1] {
			for column := range out[2] {
				for channel := range in[3] {
					y[((n*out[1]+row)*out[2]+column)*out[3]+before+channel] =
						found.values[from][((n*in[1]+row*stride)*in[2]+column*stride)*in[3]+channel]
				}
			}
		}
	}
	return y
}

// Without a ReLU before the pool, its input is negative in places. There, the padding must not win.
func TestMaxPoolIgnoresItsPadding(t *testing.T) {
	config := Config{Stem: ImageNetStem, Blocks: []int{1}, Width: 4, PreActivation: true, Classes: 2}
	found := taps(t, config, seeded(t, 1), false, normal(2, 1, 9, 11, 3))
	const height, width = 5, 6 // one odd, one even; both are pooled to 3
	in, negative := found.values["conv1"], 0
	var want []float32
	for row := range 3 {
		for column := range 3 {
			for channel := range 4 {
				largest := float32(math.Inf(-1))
				for y := max(0, 2*row-1); y <= min(height-1, 2*row+1); y++ {
					for x := max(0, 2*column-1); x <= min(width-1, 2*column+1); x++ {
						largest = max(largest, in[(y*width+x)*4+channel])
					}
				}
				if largest < 0 && (row != 1 || column == 0) {
					negative++
				}
				want = append(want, largest)
			}
		}
	}
	if negative == 0 {
		t.Fatal("no window at the border has a negative maximum: this tests nothing")
	}
	checkClose(t, "maxpool", found.values["maxpool"], want, 0)
}

func TestZeroInitResidualStartsAsIdentity(t *testing.T) {
	for name, config := range tiny() {
		if config.Plain {
			continue
		}
		config.ZeroInitResidual = true
		for _, training := range []bool{false, true} {
			found := taps(t, config, seeded(t, 4), training, normal(2, 2, 9, 9, 3))
			input := "conv1"
			switch {
			case config.Stem == ImageNetStem:
				input = "maxpool"
			case !config.PreActivation:
				input = "relu"
			}
			for stage, blocks := range config.Blocks {
				for i := range blocks {
					block := fmt.Sprintf("layer%d.%d", stage+1, i)
					want, projected := found.values[block+".downsample"]
					if !projected {
						want = found.values[input]
					} else if !config.PreActivation {
						want = relu(want)
					}
					checkClose(t, name+": "+block, found.values[block], want, 0)
					input = block
				}
			}
		}
	}
}

// Blocks that start as the identity can change: the weights that are 0 have a gradient.
func TestZeroInitResidualCanLearn(t *testing.T) {
	for name, config := range tiny() {
		if config.Plain {
			continue
		}
		config.ZeroInitResidual = true
		what := map[bool]string{false: "bn", true: "conv"}[config.PreActivation]
		what += map[Block]string{Basic: "2", Bottleneck: "3"}[config.Block]
		outputs := mustRun(t, seeded(t, 4), true, normal(2, 2, 9, 9, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
			loss := graph.ReduceAllSum(graph.Square(config.Forward(scope, images)))
			return graph.Gradient(loss, scope.At("layer2").At("0").At("%s", what).GetVariable("weight").NodeValue(images))
		})
		gradient := tensors.MustCopyFlatData[float32](outputs[0])
		if !slices.ContainsFunc(gradient, func(x float32) bool { return x != 0 }) {
			t.Errorf("%s: the gradient to layer2.0.%s.weight is 0", name, what)
		}
	}
}

// As in PyTorch, ReLU has no gradient at 0. A block that starts as the identity is 0 where its
// input is 0; the gradient of the sum to its last β counts the other places.
func TestReLUHasNoGradientAtZero(t *testing.T) {
	config := tiny()["basic A"]
	config.ZeroInitResidual = true
	var block *graph.Node
	outputs := mustRun(t, seeded(t, 4), true, normal(2, 2, 6, 6, 3), func(scope *model.Scope, images *graph.Node) []*graph.Node {
		config.Forward(scope, images, func(name string, x *graph.Node) {
			if name == "layer1.0" {
				block = x
			}
		})
		beta := scope.At("layer1").At("0").At("bn2").GetVariable("bias").NodeValue(images)
		return append(graph.Gradient(graph.ReduceAllSum(block), beta), block)
	})
	positive := []float32{0, 0}
	zeros := 0
	for i, x := range tensors.MustCopyFlatData[float32](outputs[1]) {
		if x > 0 {
			positive[i%2]++
		} else {
			zeros++
		}
	}
	if zeros == 0 {
		t.Fatal("the block has no zeros: this tests nothing")
	}
	checkClose(t, "the gradient of the sum to β", tensors.MustCopyFlatData[float32](outputs[0]), positive, 1e-4)
}

func meanAndStd(x []float32) (mean, std, largest float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
		largest = max(largest, math.Abs(float64(v)))
	}
	for _, v := range x {
		std += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, math.Sqrt(std), largest
}

func TestWeightsStartAsInPyTorch(t *testing.T) {
	config := Config{Stem: CIFARStem, Block: Bottleneck, Blocks: []int{1, 1}, Width: 32, Groups: 4, WidthPerGroup: 16, Classes: 100}
	store := seeded(t, 3)
	mustRun(t, store, false, normal(1, 1, 4, 4, 3), config.logits)
	for path, want := range map[string]struct {
		dims   string
		fanOut float64 // as in PyTorch, it is not divided by the number of groups
	}{
		"/conv1/weight":                 {"[3 3 3 32]", 9 * 32},
		"/layer1/0/conv3/weight":        {"[1 1 32 128]", 128},
		"/layer2/0/conv2/weight":        {"[3 3 16 64]", 9 * 64},
		"/layer2/0/downsample/0/weight": {"[1 1 128 256]", 256},
	} {
		variable := store.GetVariable(path)
		x := tensors.MustCopyFlatData[float32](variable.MustValue())
		mean, got, _ := meanAndStd(x)
		wanted := math.Sqrt(2 / want.fanOut)
		n := math.Sqrt(float64(len(x)))
		if fmt.Sprint(variable.Shape().Dimensions) != want.dims || math.Abs(mean) > 4*wanted/n || math.Abs(got/wanted-1) > 4/n {
			t.Errorf("%s: shape %v, mean %g and std %g of %d values, want %s, 0 and %g",
				path, variable.Shape().Dimensions, mean, got, len(x), want.dims, wanted)
		}
	}
	bound := 1 / math.Sqrt(256)
	for path, tolerance := range map[string]float64{"/fc/weight": 0.02, "/fc/bias": 0.2} {
		mean, got, largest := meanAndStd(tensors.MustCopyFlatData[float32](store.GetVariable(path).MustValue()))
		if largest > bound || math.Abs(mean) > tolerance*bound || math.Abs(got/(bound/math.Sqrt(3))-1) > tolerance {
			t.Errorf("%s: mean %g, std %g, largest %g; want uniform in ±%g", path, mean, got, largest, bound)
		}
	}
}

// The gradients, in float64, to some weights.
func TestGradientsEqualFiniteDifferences(t *testing.T) {
	configs := tiny()
	images32 := tensors.MustCopyFlatData[float32](normal(7, 2, 5, 5, 3))
	pixels := make([]float64, len(images32))
	for i, x := range images32 {
		pixels[i] = float64(x)
	}
	images := tensors.FromFlatDataAndDimensions(pixels, 2, 5, 5, 3)
	for _, name := range []string{"grouped B", "bottleneck, pre", "basic A"} {
		config, store := configs[name], seeded(t, 7)
		loss := func(scope *model.Scope, images *graph.Node) *graph.Node {
			return graph.ReduceAllSum(graph.Square(config.Forward(scope, images)))
		}
		for _, path := range []string{"/layer2/0/conv2/weight", "/conv1/weight", "/layer1/0/bn1/weight"} {
			gradient := tensors.MustCopyFlatData[float64](mustRun(t, store, true, images, func(scope *model.Scope, images *graph.Node) []*graph.Node {
				return graph.Gradient(loss(scope, images), store.GetVariable(path).NodeValue(images))
			})[0])
			variable := store.GetVariable(path)
			values := tensors.MustCopyFlatData[float64](variable.MustValue())
			dims := variable.Shape().Dimensions
			at := func(x float64, i int) float64 {
				changed := slices.Clone(values)
				changed[i] = x
				if err := variable.SetValue(tensors.FromFlatDataAndDimensions(changed, dims...)); err != nil {
					t.Fatal(err)
				}
				return tensors.ToScalar[float64](mustRun(t, store, true, images, func(scope *model.Scope, images *graph.Node) []*graph.Node {
					return []*graph.Node{loss(scope, images)}
				})[0])
			}
			const h = 1e-6
			for _, i := range []int{0, len(values) / 2, len(values) - 1} {
				want := (at(values[i]+h, i) - at(values[i]-h, i)) / (2 * h)
				if math.Abs(gradient[i]-want) > 1e-5*max(1, math.Abs(want)) || want == 0 {
					t.Errorf("%s: the gradient to element %d of %s is %.9g, want %.9g and not 0", name, i, path, gradient[i], want)
				}
			}
			at(values[0], 0) // restore the variable
		}
	}
}

func TestForwardPanicsOnImpossibleInput(t *testing.T) {
	whole := tiny()["basic A"]
	broken := whole
	broken.Classes = 0
	for want, test := range map[string]struct {
		config Config
		images *tensors.Tensor
	}{
		"0 classes": {broken, normal(1, 1, 8, 8, 3)},
		"want floats [batch, height, width, channels]": {whole, normal(1, 8, 8, 3)},
		"images have shape (Uint8)":                    {whole, tensors.FromScalarAndDimensions(uint8(1), 1, 8, 8, 3)},
	} {
		_, err := run(t, model.NewStore(), false, test.images, test.config.logits)
		checkError(t, want, err, want)
	}
	// One image of one pixel has one value per channel.
	_, err := run(t, model.NewStore(), true, normal(1, 1, 1, 1, 3), whole.logits)
	checkError(t, "training on one value per channel", err, "want at least 2")
}

// The images can have any number of channels.
func TestGreyImages(t *testing.T) {
	store := seeded(t, 1)
	logits := mustRun(t, store, false, normal(1, 2, 8, 8, 1), tiny()["basic A"].logits)[0]
	if got := fmt.Sprint(store.GetVariable("/conv1/weight").Shape().Dimensions, logits.Shape().Dimensions); got != "[3 3 1 2] [2 3]" {
		t.Errorf("conv1.weight and logits have shapes %s, want [3 3 1 2] [2 3]", got)
	}
}

// Training changes the running statistics of all batch norms, and inference changes none.
func TestTrainingMovesRunningStatistics(t *testing.T) {
	for name, config := range tiny() {
		store := seeded(t, 1)
		images := normal(1, 4, 8, 8, 3)
		statistics := func() map[string]string {
			all := map[string]string{}
			for variable := range store.IterVariables() {
				if strings.HasPrefix(variable.Name(), "running_") {
					all[variable.Path()] = fmt.Sprint(tensors.MustCopyFlatData[float32](variable.MustValue()))
				}
			}
			return all
		}
		mustRun(t, store, false, images, config.logits)
		before := statistics()
		mustRun(t, store, false, images, config.logits)
		if !maps.Equal(statistics(), before) {
			t.Errorf("%s: inference changed running statistics", name)
		}
		mustRun(t, store, true, images, config.logits)
		for path, after := range statistics() {
			if after == before[path] {
				t.Errorf("%s: training did not change %s", name, path)
			}
		}
	}
}

// In mixed precision, weights, their gradients and logits are float32, and the other activations
// are bfloat16.
func TestMixedPrecision(t *testing.T) {
	for _, name := range []string{"resnet20", "resnet18", "resnet50"} {
		config, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		store := model.NewStore()
		types := map[dtypes.DType][]string{}
		exec, err := model.NewExec(gobackend.GetBackend(), store, func(scope *model.Scope, images *graph.Node) []*graph.Node {
			store.SetTraining(images.Graph(), true)
			logits := config.Forward(scope, graph.ConvertDType(images, dtypes.BFloat16), func(name string, x *graph.Node) {
				types[x.DType()] = append(types[x.DType()], name)
			})
			return scope.BuildTrainableVariablesGradientsGraph(graph.ReduceAllSum(logits))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := exec.PreCompile(tensors.FromScalarAndDimensions(float32(0), 2, 32, 32, 3)); err != nil {
			t.Fatal(err)
		}
		if got := types[dtypes.Float32]; !slices.Equal(got, []string{"avgpool", "fc"}) {
			t.Errorf("%s: the float32 activations are %v, want avgpool and fc", name, got)
		}
		for variable := range store.IterVariables() {
			if dtype := variable.Shape().DType; dtype.IsFloat() && dtype != dtypes.Float32 {
				t.Errorf("%s: %s is %s", name, variable.Path(), dtype)
			}
		}
	}
}
