package torchfile

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/internal/filetest"
)

// convolution returns a state dict of a convolution of one value, which is its offset.
func convolution(offset int64) string {
	return dictionary(text("conv.weight"), rebuilt(stored("FloatStorage", "0", 6), offset, []int64{1, 1, 1, 1}, []int64{1, 1, 1, 1}))
}

func TestFind(t *testing.T) {
	object := name("my.program", "Thing") + ")\x81}b"
	const bias = 5
	for what, test := range map[string]struct {
		body, key string
		want      float32
		at        string
		others    []string
	}{
		"at the root":             {convolution(1), "", 1, "", nil},
		"under any key":           {dictionary(text("something"), convolution(1)), "", 1, "something", nil},
		"in a dict in a dict":     {dictionary(text("a"), dictionary(text("b"), dictionary(text("c"), convolution(1)))), "", 1, "a.b.c", nil},
		"in a tuple":              {tuple(integer(3), convolution(1)), "", 1, "1", nil},
		"in a derived dict":       {name("my.program", "Dict") + ")\x81(" + text("conv.weight") + rebuilt(stored("FloatStorage", "0", 6), 1, []int64{1, 1, 1, 1}, []int64{1, 1, 1, 1}) + "u", "", 1, "", nil},
		"timm's order":            {dictionary(text("model"), convolution(1), text("state_dict"), convolution(2), text("model_ema"), convolution(3), text("state_dict_ema"), convolution(4)), "", 4, "state_dict_ema", []string{"model", "state_dict", "model_ema"}},
		"without averages":        {dictionary(text("model"), convolution(1), text("state_dict"), convolution(2)), "", 2, "state_dict", []string{"model"}},
		"another average":         {dictionary(text("net"), convolution(1), text("net-ema"), convolution(2)), "", 2, "net-ema", []string{"net"}},
		"an average of its own":   {dictionary(text("ema"), dictionary(text("module"), convolution(1))), "", 1, "ema.module", nil},
		"averages further in":     {dictionary(text("checkpoint"), dictionary(text("model"), convolution(1), text("model_ema"), dictionary(text("state_dict"), convolution(2)))), "", 2, "checkpoint.model_ema.state_dict", []string{"checkpoint.model"}},
		"chosen":                  {dictionary(text("model"), convolution(1), text("model_ema"), convolution(2)), "model", 1, "model", nil},
		"chosen from above":       {dictionary(text("a"), dictionary(text("model"), convolution(1)), text("b"), convolution(2)), "a", 1, "a.model", nil},
		"chosen by names":         {dictionary(text("a"), dictionary(text("k.conv.weight"), rebuilt(stored("FloatStorage", "0", 6), 3, []int64{1, 1, 1, 1}, []int64{1, 1, 1, 1}))), "a.k", 3, "a.k", nil},
		"the mask is not it":      {dictionary(text("mask"), convolution(1), text("net"), convolution(2)), "", 2, "net", nil},
		"nor is the momentum":     {dictionary(text("optimizer"), dictionary(text("momentum"), convolution(1)), text("net"), convolution(2)), "", 2, "net", nil},
		"nor is a vector":         {dictionary(text("centre"), dictionary(text("a"), rebuilt(stored("FloatStorage", "0", 6), bias, []int64{1}, []int64{1})), text("net"), convolution(2)), "", 2, "net", nil},
		"the same thing twice":    {dictionary(text("a"), convolution(1)+"q\x01", text("b"), "h\x01"), "", 1, "a", nil},
		"the same values twice":   {dictionary(text("a"), convolution(1), text("b"), convolution(1)), "", 1, "a", nil},
		"beside objects":          {dictionary(text("x"), object, text("net"), convolution(1), text("class"), name("torch.optim.sgd", "SGD")), "", 1, "net", nil},
		"beside a method":         {dictionary(text("f"), name("builtins", "getattr")+tuple(name("my", "Thing"), text("run"))+"R", text("net"), convolution(1)), "", 1, "net", nil},
		"beside a called object":  {dictionary(text("f"), object+")R", text("net"), convolution(1)), "", 1, "net", nil},
		"beside a changed object": {dictionary(text("f"), object+"K\x01a", text("g"), object+"(K\x01K\x02e", text("net"), convolution(1)), "", 1, "net", nil},
	} {
		for format, file := range map[string][]byte{"zip": archived(t, pickled(test.body), six), "legacy": legacy(pickled(test.body), 6, six)} {
			got, err := Read(bytes.NewReader(file), int64(len(file)), test.key)
			if err != nil {
				t.Errorf("%s, %s: %v", what, format, err)
				continue
			}
			if data := got.Tensors["conv.weight"].Data; !slices.Equal(data, []float32{test.want}) || got.Key != test.at || !slices.Equal(got.Others, test.others) {
				t.Errorf("%s, %s: %v at %q, others %q; want %g at %q, others %q", what, format, data, got.Key, got.Others, test.want, test.at, test.others)
			}
			if !slices.Equal(got.Names, []string{"conv.weight"}) {
				t.Errorf("%s, %s: the names are %q", what, format, got.Names)
			}
		}
	}
}

func TestFindRefuses(t *testing.T) {
	system := name("os", "system") + text("touch owned") + "\x85R"
	sparse := name("torch._utils", "_rebuild_sparse_tensor") + ")R"
	object := name("my.program", "Thing") + ")\x81"
	for what, test := range map[string]struct{ body, key, want string }{
		"several":                  {dictionary(text("a"), convolution(1), text("b"), convolution(2)), "", "several sets of weights, and none is the obvious one: a, b"},
		"a key of nothing":         {dictionary(text("a"), convolution(1)), "b", "no weights under b; it has some under a"},
		"several below the key":    {dictionary(text("x"), dictionary(text("a"), convolution(1), text("b"), convolution(2))), "x", "several sets of weights, and none is the obvious one: x.a, x.b"},
		"an attack beside weights": {dictionary(text("net"), convolution(1), text("x"), system), "", "asks for os.system, which"},
		"an attack through torch":  {dictionary(text("net"), convolution(1), text("x"), name("torch.serialization", "os")), "", "asks for torch.serialization.os, which"},
		"sparse weights":           {dictionary(text("conv.weight"), sparse), "", "conv.weight is sparse: sparse tensors are not supported"},
		"an object for a weight":   {dictionary(text("conv.weight"), object), "", "conv.weight is no tensor but an object of my.program.Thing"},
		"a network":                {name("my.program", "Net") + ")\x81" + dictionary(text("_modules"), "}", text("_parameters"), "}") + "b", "", "an object of the class my.program.Net: a whole network"},
		"a network inside":         {dictionary(text("net"), name("my.program", "Net")+")\x81"+dictionary(text("_modules"), "}", text("_parameters"), "}")+"b"), "", "net in it is an object of the class my.program.Net: a whole network"},
		"an object":                {object, "", "a value of type my.program.Thing instead of a state dict"},
		"an object for a storage":  {name("torch._utils", "_rebuild_tensor_v2") + tuple(object, integer(0), tuple(), tuple()) + "R", "", "_rebuild_tensor_v2 with the wrong arguments"},
	} {
		for format, file := range map[string][]byte{"zip": archived(t, pickled(test.body), six), "legacy": legacy(pickled(test.body), 6, six)} {
			_, err := Read(bytes.NewReader(file), int64(len(file)), test.key)
			filetest.CheckRefused(t, what+", "+format, err, test.want)
		}
	}
	several := dictionary(text("a"), convolution(1), text("b"), convolution(2))
	_, err := read.Bytes(archived(t, pickled(several), six))
	if ambiguous, ok := errors.AsType[*AmbiguousError](err); !ok || !slices.Equal(ambiguous.Keys, []string{"a", "b"}) {
		t.Errorf("error %v, want an AmbiguousError of a and b", err)
	}
}

// A weight that cannot be read is reported beside those that can.
func TestUnreadable(t *testing.T) {
	quantized := name("torch._utils", "_rebuild_qtensor") + ")R"
	body := dictionary(text("conv.weight"), rebuilt(stored("FloatStorage", "0", 6), 0, []int64{1, 1, 1, 1}, []int64{1, 1, 1, 1}),
		text("fc._packed_params._packed_params"), tuple(quantized, "N"), text("fc2.weight"), quantized)
	got, err := read.Bytes(archived(t, pickled(body), six))
	if err != nil || len(got.Tensors) != 1 || len(got.Unreadable) != 2 || !strings.Contains(got.Unreadable["fc2.weight"], "quantized") {
		t.Errorf("%v, %v", got, err)
	}
}

// A tensor with attributes, or of a class derived from Tensor, is that tensor.
func TestDerivedTensors(t *testing.T) {
	args := strings.TrimSuffix(strings.TrimPrefix(rebuilt(stored("FloatStorage", "0", 6), 2, []int64{1}, []int64{1}), name("torch._utils", "_rebuild_tensor_v2")), "R")
	tensor := name("torch._tensor", "_rebuild_from_type_v2") + tuple(name("torch._utils", "_rebuild_tensor_v2"), name("my", "Tensor"), args, "}") + "R"
	got, err := read.Bytes(archived(t, pickled(dictionary(text("a"), tensor)), six))
	if err != nil || !slices.Equal(got.Tensors["a"].Data, []float32{2}) {
		t.Errorf("%v, %v", got, err)
	}
}

// Objects take no more memory than other values, and values in one another are not searched
// without end.
func TestObjectsWithoutAnEnd(t *testing.T) {
	laughs := "N" + strings.Repeat("q\x00(h\x00h\x00h\x00h\x00t", 60)
	for what, test := range map[string]struct{ body, want string }{
		"objects":          {"](" + strings.Repeat("cmy\nThing\n)\x81", 300_000) + "e", "a value of type list"},
		"names":            {"](" + strings.Repeat(name("my", "Thing"), 300_000) + "e", "a value of type list"},
		"tuples of tuples": {laughs, "a value of type tuple"},
		"state dicts":      {"](" + strings.Repeat(dictionary("U\x01a", "h\x07"), 100_000) + "e", ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		body := test.body
		if what == "state dicts" {
			body = rebuilt(stored("FloatStorage", "0", 6), 0, []int64{1}, []int64{1}) + "q\x070" + body
		}
		_, err := read.Bytes(archived(t, pickled(body), six))
		runtime.ReadMemStats(&after)
		if what != "state dicts" {
			filetest.CheckRefused(t, what, err, test.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20 {
			t.Errorf("%s: %d MiB were allocated", what, used>>20)
		}
	}
}
