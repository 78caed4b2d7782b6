package weights

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// small is a network with all kinds of tensors.
func small(classes int) resnet.Config {
	return resnet.Config{Name: "small", Stem: resnet.CIFARStem, Block: resnet.Bottleneck, Blocks: []int{1, 2},
		Width: 4, Classes: classes}
}

// valued returns tensors of the network with numbers that count up, times scale.
func valued(t testing.TB, c resnet.Config, scale float32) map[string]statedict.Tensor {
	t.Helper()
	found := declared(t, c)
	for name, tensor := range found {
		size := 1
		for _, dim := range tensor.Shape {
			size *= dim
		}
		tensor.Data = make([]float32, size)
		for i := range tensor.Data {
			tensor.Data[i] = scale * float32(i%17+1)
		}
		found[name] = tensor
	}
	return found
}

// filled returns a scope with the network's variables, whose values are all from valued.
func filled(t testing.TB, c resnet.Config, scale float32) *model.Scope {
	t.Helper()
	scope := model.NewStore().Scope("/model")
	if err := c.Declare(scope); err != nil {
		t.Fatal(err)
	}
	if err := statedict.ToScope(scope, valued(t, c, scale)); err != nil {
		t.Fatal(err)
	}
	return scope
}

func values(t testing.TB, scope *model.Scope) map[string]statedict.Tensor {
	t.Helper()
	found, err := statedict.FromScope(scope)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLoad(t *testing.T) {
	scope := filled(t, small(10), 1)
	want := valued(t, small(10), 2)
	report, err := Load(scope, want, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := values(t, scope); !reflect.DeepEqual(got, want) {
		t.Error("the variables are not what was loaded")
	}
	if len(report.Loaded) != len(want) || !slices.IsSorted(report.Loaded) || len(report.Left) != 0 || len(report.Unfit) != 0 {
		t.Errorf("the report is %+v", report)
	}
	// A kernel's layout is another in the model: [height, width, in, out].
	kernel := scope.Store().GetVariable("/model/layer2/0/conv2/weight").MustValue()
	if got := kernel.Shape().Dimensions; !slices.Equal(got, []int{3, 3, 8, 8}) {
		t.Errorf("the kernel has shape %v", got)
	}
	flat := tensors.MustCopyFlatData[float32](kernel)
	// Element [out 5, in 3, y 1, x 2] of PyTorch's is number ((5·8+3)·3+1)·3+2 = 392.
	if got, want := flat[((1*3+2)*8+3)*8+5], float32(2*(392%17+1)); got != want {
		t.Errorf("kernel[1, 2, 3, 5] is %g, want %g", got, want)
	}
}

func TestLoadForNewClasses(t *testing.T) {
	for name, change := range map[string]func(map[string]statedict.Tensor){
		"a head for others": func(map[string]statedict.Tensor) {},
		"no head": func(from map[string]statedict.Tensor) {
			delete(from, "fc.weight")
			delete(from, "fc.bias")
		},
		"half a head": func(from map[string]statedict.Tensor) {
			from["fc.bias"] = statedict.Tensor{Shape: []int{10}, Data: make([]float32, 10)}
		},
	} {
		scope := filled(t, small(10), 1)
		before := values(t, scope)
		from := valued(t, small(1000), 2)
		change(from)
		report, err := Load(scope, from, LoadOptions{})
		checkRefused(t, name, err, "fc.weight")
		if report == nil || !reflect.DeepEqual(values(t, scope), before) {
			t.Fatalf("%s: a failed load changed something or has no report", name)
		}
		if report, err = Load(scope, from, LoadOptions{NewHead: true}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(report.Left, []string{"fc.bias", "fc.weight"}) || len(report.Loaded) != len(before)-2 {
			t.Errorf("%s: the report is %+v", name, report)
		}
		got := values(t, scope)
		for key, tensor := range before {
			if !isHead(key) {
				tensor = from[key]
			}
			if !reflect.DeepEqual(got[key], tensor) {
				t.Errorf("%s: %s is not what it should be", name, key)
			}
		}
	}
	// A head that fits is taken.
	scope := filled(t, small(10), 1)
	if report, err := Load(scope, valued(t, small(10), 2), LoadOptions{NewHead: true}); err != nil || len(report.Left) > 0 {
		t.Errorf("the report is %+v, %v", report, err)
	}
}

func TestLoadIsStrict(t *testing.T) {
	for name, test := range map[string]struct {
		change func(map[string]statedict.Tensor)
		want   string
	}{
		"missing":   {func(m map[string]statedict.Tensor) { delete(m, "bn1.weight") }, "bn1.weight: there are no weights for it"},
		"extra":     {func(m map[string]statedict.Tensor) { m["bn9.weight"] = m["bn1.weight"] }, "bn9.weight: the network has nothing of that name"},
		"misshaped": {func(m map[string]statedict.Tensor) { m["bn1.bias"] = m["fc.bias"] }, "bn1.bias: it has shape [10], the network wants [4]"},
		"many": {func(m map[string]statedict.Tensor) {
			for key := range m {
				if strings.HasPrefix(key, "layer1.0.bn1") || strings.HasPrefix(key, "layer1.0.bn2") {
					delete(m, key)
				}
			}
		}, "and 4 more"},
	} {
		for _, options := range []LoadOptions{{}, {NewHead: true}} {
			scope := filled(t, small(10), 1)
			before := values(t, scope)
			from := valued(t, small(10), 2)
			test.change(from)
			_, err := Load(scope, from, options)
			checkRefused(t, name, err, "load weights: ", test.want)
			if !reflect.DeepEqual(values(t, scope), before) {
				t.Errorf("%s: a failed load changed a variable", name)
			}
			report, err := Load(scope, from, LoadOptions{Partial: true})
			if err != nil || len(report.Loaded) >= len(from)+1 || len(report.Left)+len(report.Unfit) == 0 {
				t.Errorf("%s: in part: %+v, %v", name, report, err)
			}
			if got := values(t, scope); !reflect.DeepEqual(got["conv1.weight"], from["conv1.weight"]) {
				t.Errorf("%s: what fits was not loaded", name)
			}
		}
	}
}

func TestReport(t *testing.T) {
	report, err := Load(filled(t, small(10), 1), valued(t, small(3), 2), LoadOptions{NewHead: true})
	if err != nil {
		t.Fatal(err)
	}
	const want = `60 tensors loaded
2 left at their initial values: fc.bias; fc.weight
2 that did not fit: fc.bias (it has shape [3], the network wants [10]); fc.weight (it has shape [3 32], the network wants [10 32])`
	if report.String() != want {
		t.Errorf("the report says\n%s\nwant\n%s", report, want)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(&again, report) {
		t.Errorf("as JSON and back it is %+v, %v", again, err)
	}
	if text, _ := json.Marshal(&Report{Loaded: []string{}, Left: []string{}, Unfit: []Unfit{}}); string(text) != `{"loaded":[],"left":[],"unfit":[]}` {
		t.Errorf("an empty report is %s", text)
	}
}
