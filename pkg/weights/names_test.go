package weights

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/internal/filetest"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/torchfile"
)

// distinct returns tensors of the network whose values all differ.
func distinct(t *testing.T, c resnet.Config) map[string]statedict.Tensor {
	t.Helper()
	tensors := valued(t, c, 1)
	next := float32(0)
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		for i := range tensors[name].Data {
			next++
			tensors[name].Data[i] = next / 1024
		}
	}
	return tensors
}

// made returns torchvision's names in the order in which its layers are made.
func made(tensors map[string]statedict.Tensor) []string {
	rank := func(name string) string {
		parts := strings.Split(name, ".")
		key := ""
		for _, part := range parts[:len(parts)-1] {
			switch {
			case part == "conv1" || part == "bn1":
				part = "1" + part
			case part == "fc":
				part = "z"
			}
			// conv2, bn2, conv3, bn3, …
			if m := regexp.MustCompile(`^1?(conv|bn)(\d)$`).FindStringSubmatch(part); m != nil {
				part = m[2] + map[string]string{"conv": "a", "bn": "b"}[m[1]]
			}
			if n, err := strconv.Atoi(part); err == nil {
				part = fmt.Sprintf("%03d", n)
			}
			key += part + "."
		}
		leaf := slices.Index([]string{"weight", "bias", "running_mean", "running_var"}, parts[len(parts)-1])
		return key + strconv.Itoa(leaf)
	}
	return slices.SortedFunc(maps.Keys(tensors), func(a, b string) int { return strings.Compare(rank(a), rank(b)) })
}

// replaced returns a function that applies regular expressions and their replacements, in pairs.
func replaced(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			name = regexp.MustCompile(pairs[i]).ReplaceAllString(name, pairs[i+1])
		}
		return name
	}
}

// flat numbers the blocks through: layer1.0 becomes layer1, layer1.1 layer2, ….
func flat(blocks []int, format string) func(string) string {
	return func(name string) string {
		var stage, block int
		if n, _ := fmt.Sscanf(name, "layer%d.%d.", &stage, &block); n < 2 {
			return name
		}
		index := block + 1
		for _, before := range blocks[:stage-1] {
			index += before
		}
		return fmt.Sprintf(format, index) + strings.SplitN(name, ".", 3)[2]
	}
}

// Networks of torchvision's and CIFAR's shapes under the names that other programs give their
// layers, with and without the order in which these were made.
func TestOtherNames(t *testing.T) {
	basic := resnet.Config{Name: "basic", Stem: resnet.CIFARStem, Block: resnet.Basic, Blocks: []int{3, 3, 3}, Width: 4, Classes: 5}
	padded := basic
	padded.Shortcut = resnet.ShortcutA
	deep := basic
	deep.Blocks = []int{12, 2}
	bottleneck := resnet.Config{Name: "bottleneck", Stem: resnet.ImageNetStem, Block: resnet.Bottleneck, Blocks: []int{2, 3, 2}, Width: 4, Classes: 5}
	before := padded
	before.PreActivation = true
	both := func(f, g func(string) string) func(string) string { return func(s string) string { return g(f(s)) } }
	for name, test := range map[string]struct {
		c      resnet.Config
		rename func(string) string
		// unordered says whether the order of the file is needed.
		ordered bool
	}{
		"ehanw":             {basic, replaced(`^layer`, "stage_", `conv(\d)`, "conv_$1", `bn(\d)`, "bn_$1"), false},
		"ehanw, deep":       {deep, replaced(`^layer`, "stage_", `conv(\d)`, "conv_$1", `bn(\d)`, "bn_$1"), false},
		"yunjey":            {basic, replaced(`^conv1`, "conv", `^bn1`, "bn"), false},
		"conv and bn":       {padded, replaced(`^conv1`, "stem.conv", `^bn1`, "stem.bn"), false},
		"blocks":            {basic, replaced(`^(layer\d+)`, "$1.blocks"), false},
		"a-martyn":          {padded, replaced(`^conv1`, "convIn", `^bn1`, "bnIn", `^layer1`, "stack1", `^layer(\d).0`, "stack${1}a", `^layer(\d).1`, "stack${1}b.0", `^layer(\d).2`, "stack${1}b.1", `^fc`, "fcOut"), false},
		"flat":              {padded, flat(padded.Blocks, "layer%d."), false},
		"flat, two digits":  {deep, flat(deep.Blocks, "block_%d."), false},
		"flat in a list":    {basic, flat(basic.Blocks, "layers.%d."), false},
		"weiaicunzai":       {basic, replaced(`^conv1`, "conv1.0", `^bn1`, "conv1.1", `^layer1`, "conv2_x", `^layer2`, "conv3_x", `^layer3`, "conv4_x", `(x.\d+).conv1`, "$1.residual_function.0", `(x.\d+).bn1`, "$1.residual_function.1", `(x.\d+).conv2`, "$1.residual_function.3", `(x.\d+).bn2`, "$1.residual_function.4", `downsample`, "shortcut"), false},
		"weiaicunzai, deep": {bottleneck, replaced(`^conv1`, "conv1.0", `^bn1`, "conv1.1", `^layer1`, "conv2_x", `^layer2`, "conv3_x", `^layer3`, "conv4_x", `(x.\d+).conv1`, "$1.residual_function.0", `(x.\d+).bn1`, "$1.residual_function.1", `(x.\d+).conv2`, "$1.residual_function.3", `(x.\d+).bn2`, "$1.residual_function.4", `(x.\d+).conv3`, "$1.residual_function.6", `(x.\d+).bn3`, "$1.residual_function.7", `downsample`, "shortcut"), false},
		"a Sequential":      {bottleneck, replaced(`^conv1`, "0", `^bn1`, "1", `^layer1`, "4", `^layer2`, "5", `^layer3`, "6", `^fc`, "9"), false},
		"Sequential blocks": {basic, replaced(`^conv1`, "features.0", `^bn1`, "features.1", `^layer(\d)`, "features.1$1", `conv1`, "body.0", `bn1`, "body.1", `conv2`, "body.3", `bn2`, "body.4", `^fc`, "classifier.1"), false},
		"words":             {basic, replaced(`^layer1`, "first", `^layer2`, "second", `^layer3`, "third", `conv1`, "in_conv", `bn1`, "in_norm", `conv2`, "out_conv", `bn2`, "out_norm"), true},
		"norms by order":    {padded, replaced(`conv1`, "a", `bn1`, "b", `conv2`, "c", `bn2`, "d"), true},
		"shortcut layers":   {basic, replaced(`downsample.0`, "conv_skip", `downsample.1`, "bn_skip", `^layer`, "group"), false},
		"a deep shortcut":   {bottleneck, replaced(`downsample.0`, "skip_conv", `downsample.1`, "skip_bn", `^layer`, "group"), false},
		"pre-activation":    {before, replaced(`^layer`, "stage", `^norm`, "final_bn"), false},
		"in all, a prefix":  {basic, both(replaced(`^layer`, "stage"), func(s string) string { return "net.trunk." + s }), false},
	} {
		want := distinct(t, test.c)
		file := &File{Tensors: map[string]statedict.Tensor{}}
		for _, name := range made(want) {
			file.Names = append(file.Names, test.rename(name))
			file.Tensors[test.rename(name)] = want[name]
		}
		if len(file.Tensors) != len(want) {
			t.Fatalf("%s: the test gives two tensors one name", name)
		}
		got, err := rename(file)
		if err != nil || got.unclear != nil {
			t.Errorf("%s: %v, %v", name, err, got)
			continue
		}
		check := func(what string, got *names) {
			if !reflect.DeepEqual(got.tensors, want) {
				t.Errorf("%s, %s: the names are %q, want %q", name, what, slices.Sorted(maps.Keys(got.tensors)), slices.Sorted(maps.Keys(want)))
			}
			if notes := strings.Join(got.notes, "\n"); !strings.Contains(notes, "names") {
				t.Errorf("%s, %s: the notes are %q", name, what, notes)
			}
			for to, from := range got.from {
				if !reflect.DeepEqual(file.Tensors[from].Data, want[to].Data) {
					t.Errorf("%s, %s: %s is said to be %s", name, what, from, to)
				}
			}
		}
		check("in order", got)
		file.Names = nil
		got, err = rename(file)
		if err != nil {
			t.Errorf("%s, in no order: %v", name, err)
		} else if !test.ordered {
			if got.unclear != nil {
				t.Errorf("%s, in no order: %v", name, got.unclear)
				continue
			}
			check("in no order", got)
		} else if got.unclear == nil {
			t.Errorf("%s: the order of words was guessed: %q", name, got.from)
		}
	}
}

// Layers that can be seen in two ways, or in none, keep their names, and the error has these.
func TestNamesThatSayTooLittle(t *testing.T) {
	basic := resnet.Config{Stem: resnet.CIFARStem, Block: resnet.Basic, Blocks: []int{2, 2}, Width: 4, Classes: 5}
	single := basic
	single.Blocks = []int{2}
	bottleneck := resnet.Config{Stem: resnet.ImageNetStem, Block: resnet.Bottleneck, Blocks: []int{2, 2}, Width: 4, Classes: 5}
	for name, test := range map[string]struct {
		c      resnet.Config
		rename func(string) string
		change func(map[string]statedict.Tensor)
		want   []string
	}{
		"before or after": {single, replaced(`^layer`, "stage", `^bn1`, "outer"), nil, []string{"may come before or after"}},
		"one level": {basic, replaced(`^layer(\d).(\d).(conv|bn)(\d)`, "${3}_$1$2$4", `^layer.*(\d)$`, "x$1", `^layer2.0.downsample.0`, "conv_skip", `^layer2.0.downsample.1`, "bn_skip"), nil,
			[]string{"is in no block"}},
		"a shortcut like any other": {bottleneck, replaced(`^layer`, "stage", `conv(\d)`, "c$1.f", `bn(\d)`, "c$1.g", `downsample.0`, "c4.f", `downsample.1`, "c4.g"), nil,
			[]string{"is the shortcut is not clear"}},
		"yunjey's shortcuts": {basic, replaced(`^conv1`, "conv", `^bn1`, "bn"), func(tensors map[string]statedict.Tensor) {
			tensors["layer2.0.downsample.0.weight"] = statedict.Tensor{Shape: []int{8, 4, 3, 3}, Data: make([]float32, 8*4*9)}
		}, []string{"not supported", "3×3", "layer2.0.downsample.0"}},
		"two stems": {basic, replaced(`^layer`, "stage"), func(tensors map[string]statedict.Tensor) {
			tensors["extra.weight"] = statedict.Tensor{Shape: []int{8, 3, 3, 3}, Data: make([]float32, 8*3*9)}
		}, []string{"2 convolutions take images of 3 channels"}},
		"a missing norm": {basic, replaced(`^layer`, "stage"), func(tensors map[string]statedict.Tensor) {
			for name := range tensors {
				if strings.HasPrefix(name, "stage2.1.bn2.") {
					delete(tensors, name)
				}
			}
		}, []string{"stage2.1 has 1 batch norms for 2 convolutions"}},
	} {
		file := &File{Tensors: map[string]statedict.Tensor{}}
		for name, tensor := range distinct(t, test.c) {
			file.Tensors[test.rename(name)] = tensor
		}
		if test.change != nil {
			test.change(file.Tensors)
		}
		_, err := file.Model(hub.Origin{}, "")
		filetest.CheckRefused(t, name, err, test.want...)
	}
}

func TestPrefixes(t *testing.T) {
	c := small(3)
	want := distinct(t, c)
	for name, test := range map[string]struct {
		rename func(string) string
		notes  []string
	}{
		"net":            {replaced(`^`, "net."), []string{"prefix net. removed, 62 names"}},
		"backbone.0":     {replaced(`^`, "backbone.0."), []string{"prefix backbone.0. removed"}},
		"a number":       {replaced(`^`, "1."), []string{"prefix 1. removed"}},
		"its own":        {replaced(`^`, "my.cnn_v2."), []string{"prefix my.cnn_v2. removed"}},
		"body and head":  {replaced(`^(conv|bn|layer)`, "encoder.$1", `^fc`, "classifier"), []string{"prefix encoder. removed, 60 names", "names without a prefix, 2: classifier.bias, classifier.weight", "classifier renamed to fc, 2 names"}},
		"a head outside": {replaced(`^(conv|bn|layer)`, "0.$1", `^fc`, "1"), []string{"prefix 0. removed", "1 renamed to fc"}},
		"some names":     {replaced(`^layer2`, "module.layer2"), []string{"prefix module. removed", ": bn1.bias, bn1.running_mean, bn1.running_var, …"}},
	} {
		tensors := map[string]statedict.Tensor{}
		for name, tensor := range want {
			tensors[test.rename(name)] = tensor
		}
		got, notes, err := Canonical(tensors)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %q", name, err, slices.Sorted(maps.Keys(got)))
			continue
		}
		for _, note := range test.notes {
			if !strings.Contains(strings.Join(notes, "\n"), note) {
				t.Errorf("%s: the notes are %q, want %q", name, notes, note)
			}
		}
		// Errors have the file's names.
		delete(tensors, test.rename("layer2.1.conv2.weight"))
		tensors[test.rename("layer1.0.odd.weight")] = statedict.Tensor{Shape: []int{1, 1}, Data: []float32{1}}
		_, err = (&File{Tensors: tensors}).Model(hub.Origin{}, "")
		filetest.CheckRefused(t, name, err, "unexpected "+test.rename("layer1.0.odd.weight"))
	}
}

// Several networks in one state dict are told apart by their prefixes.
func TestSeveralNetworks(t *testing.T) {
	first, second := distinct(t, small(3)), distinct(t, small(4))
	join := func(one, other string) *File {
		f := &File{Key: "state_dict", Tensors: map[string]statedict.Tensor{}}
		for name, tensor := range first {
			f.Tensors[one+name] = tensor
		}
		for name, tensor := range second {
			f.Tensors[other+name] = tensor
		}
		return f
	}
	_, err := join("module.encoder_q.", "module.encoder_k.").Model(hub.Origin{}, "")
	several, ok := errors.AsType[*torchfile.AmbiguousError](err)
	if !ok || !slices.Equal(several.Keys, []string{"state_dict.module.encoder_k", "state_dict.module.encoder_q"}) {
		t.Errorf("two encoders: %v", err)
	}
	for _, prefixes := range [][2]string{{"model.", "ema_model."}, {"model.", "model_ema.module."}, {"net.", "ema."}} {
		m, err := join(prefixes[0], prefixes[1]).Model(hub.Origin{}, "")
		if err != nil {
			t.Errorf("%q: %v", prefixes, err)
			continue
		}
		other := "state_dict." + strings.TrimSuffix(prefixes[0], ".")
		if !reflect.DeepEqual(m.Tensors, second) || !slices.Equal(m.Others, []string{other}) || !strings.Contains(strings.Join(m.Notes, "\n"), "averaged weights (EMA)") {
			t.Errorf("%q: %d classes, others %q, notes %q", prefixes, m.Config.Classes, m.Others, m.Notes)
		}
	}
}

// Biases before batch norms change nothing but the running means.
func TestBiasesAreFolded(t *testing.T) {
	c := small(3)
	want := distinct(t, c)
	tensors := maps.Clone(want)
	folded := 0
	for name, tensor := range want {
		path, ok := strings.CutSuffix(name, ".weight")
		if !ok || len(tensor.Shape) != 4 {
			continue
		}
		norm := strings.Replace(path, "conv", "bn", 1)
		if strings.HasSuffix(path, "downsample.0") {
			norm = strings.TrimSuffix(path, "0") + "1"
		}
		mean := want[norm+".running_mean"]
		bias := statedict.Tensor{Shape: mean.Shape, Data: make([]float32, len(mean.Data))}
		shifted := statedict.Tensor{Shape: mean.Shape, Data: slices.Clone(mean.Data)}
		for i := range bias.Data {
			bias.Data[i] = float32(i) + 0.5
			shifted.Data[i] += bias.Data[i]
		}
		tensors[path+".bias"], tensors[norm+".running_mean"] = bias, shifted
		folded++
	}
	got, notes, err := Canonical(tensors)
	if err != nil || len(got) != len(want) || !slices.Contains(notes, fmt.Sprintf("the biases of %d convolutions were folded into the batch norms behind them", folded)) {
		t.Fatalf("%d tensors, %v, %q", len(got), err, notes)
	}
	for name := range want {
		for i, x := range want[name].Data {
			if difference := got[name].Data[i] - x; difference > 1e-5 || difference < -1e-5 {
				t.Errorf("element %d of %s is %g, want %g", i, name, got[name].Data[i], x)
			}
		}
	}
	// With pre-activation, a stem's output goes into the shortcuts too.
	before := c
	before.PreActivation = true
	tensors = distinct(t, before)
	tensors["layer1.0.conv1.bias"] = statedict.Tensor{Shape: []int{4}, Data: make([]float32, 4)}
	if got, _, err := Canonical(tensors); err != nil || got["layer1.0.conv1.bias"].Shape != nil {
		t.Errorf("a bias before the second batch norm was not folded, %v", err)
	}
	tensors["conv1.bias"] = statedict.Tensor{Shape: []int{4}, Data: make([]float32, 4)}
	_, err = (&File{Tensors: tensors}).Model(hub.Origin{}, "")
	filetest.CheckRefused(t, "a bias before a shortcut", err, "biases", "conv1.bias")
}

func TestHeads(t *testing.T) {
	c := small(3)
	whole := distinct(t, c)
	channels := whole["fc.weight"].Shape[1]
	linear := func(out, in int) statedict.Tensor {
		return statedict.Tensor{Shape: []int{out, in}, Data: make([]float32, out*in)}
	}
	vector := func(n int) statedict.Tensor {
		return statedict.Tensor{Shape: []int{n}, Data: make([]float32, n)}
	}
	body := maps.Clone(whole)
	delete(body, "fc.weight")
	delete(body, "fc.bias")
	// One linear layer is the head, whatever it is called.
	for _, name := range []string{"fc.1", "fc.0", "classifier", "classifier.1", "head", "head.fc", "last_linear", "module.fc", "fcOut", "heads.classifier.2", "output"} {
		tensors := maps.Clone(body)
		tensors[name+".weight"], tensors[name+".bias"] = whole["fc.weight"], whole["fc.bias"]
		m, err := (&File{Tensors: tensors}).Model(hub.Origin{}, "")
		if err != nil || !reflect.DeepEqual(m.Tensors, whole) || m.Head != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Others can only be replaced.
	for name, test := range map[string]struct {
		more       map[string]statedict.Tensor
		unreadable map[string]string
		classes    int
		want       []string
	}{
		"two layers": {map[string]statedict.Tensor{"fc.0.weight": linear(7, channels), "fc.0.bias": vector(7), "fc.3.weight": linear(5, 7), "fc.3.bias": vector(5)}, nil, 5,
			[]string{fmt.Sprintf("fc.0 (%d → 7)", channels), "fc.3 (7 → 5)"}},
		"with a batch norm": {map[string]statedict.Tensor{"head.0.weight": vector(channels), "head.0.bias": vector(channels), "head.0.running_mean": vector(channels), "head.0.running_var": vector(channels),
			"head.2.weight": linear(5, channels), "head.2.bias": vector(5)}, nil, 5, []string{"batch norm head.0", "head.2"}},
		"two heads": {map[string]statedict.Tensor{"fc.weight": linear(5, channels), "fc.bias": vector(5), "fc2.weight": linear(6, channels), "fc2.bias": vector(6)}, nil, 6, []string{"fc ", "fc2"}},
		"quantized": {map[string]statedict.Tensor{"fc.scale": {Shape: []int{}, Data: []float32{1}}},
			map[string]string{"fc._packed_params._packed_params": "is quantized: quantized tensors are not supported"}, 1, []string{"fc, which is quantized"}},
	} {
		tensors := maps.Clone(body)
		maps.Copy(tensors, test.more)
		file := &File{Tensors: tensors, Unreadable: test.unreadable}
		_, err := file.Model(hub.Origin{}, "")
		filetest.CheckRefused(t, name, err, append(test.want, "not a single linear layer")...)
		if _, ok := errors.AsType[*HeadError](err); !ok {
			t.Errorf("%s: error %v, want a HeadError", name, err)
		}
		m, err := file.WithNewHead().Model(hub.Origin{}, "")
		if err != nil || m.Config.Classes != test.classes || !slices.Equal(m.Tensors["fc.weight"].Shape, []int{test.classes, channels}) || len(m.Tensors) != len(whole) {
			t.Errorf("%s, to be replaced: %v", name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(m.Head, want) {
				t.Errorf("%s: the head is %q, want %q", name, m.Head, want)
			}
		}
	}
	// A body that cannot be read is an error all the same.
	file := &File{Tensors: whole, Unreadable: map[string]string{"layer1.0.conv9.weight": "is quantized"}}
	_, err := file.WithNewHead().Model(hub.Origin{}, "")
	filetest.CheckRefused(t, "a quantized body", err, "layer1.0.conv9.weight is quantized")
}

// Tensors that are no part of the network are passed over, and statistics of images are used.
func TestExtraTensors(t *testing.T) {
	want := distinct(t, small(3))
	tensors := maps.Clone(want)
	number := statedict.Tensor{Shape: []int{1}, Data: []float32{7}}
	for _, name := range []string{"total_ops", "layer1.0.conv1.total_ops", "bn1.total_params", "criterion.weight", "loss_fn.weight", "val_acc.total"} {
		tensors[name] = number
	}
	three := func(x float32) statedict.Tensor {
		return statedict.Tensor{Shape: []int{1, 3, 1, 1}, Data: []float32{x, x, x}}
	}
	tensors["normalize.mean"], tensors["normalize.std"] = three(0.5), three(0.25)
	m, err := (&File{Tensors: tensors}).Model(hub.Origin{}, "")
	if err != nil || !reflect.DeepEqual(m.Tensors, want) {
		t.Fatalf("%v", err)
	}
	if m.Normalization.Mean != [3]float32{0.5, 0.5, 0.5} || m.Normalization.Std != [3]float32{0.25, 0.25, 0.25} || m.Assumed.Images {
		t.Errorf("the normalization is %v, assumed: %v", m.Normalization, m.Assumed.Images)
	}
	if notes := strings.Join(m.Notes, "\n"); !strings.Contains(notes, "passed over: bn1.total_params, criterion.weight,") || !strings.Contains(notes, "normalize.mean is how") {
		t.Errorf("the notes are %q", m.Notes)
	}
	tensors["odd.weight"] = number
	_, err = (&File{Tensors: tensors}).Model(hub.Origin{}, "")
	filetest.CheckRefused(t, "another tensor", err, "odd")
}
