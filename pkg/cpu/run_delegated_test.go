package cpu

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// doubling returns an executable that calls a function, and so is delegated as a whole.
func doubling(t *testing.T, b *Backend) compute.Executable {
	t.Helper()
	vector := shapes.Make(dtypes.Float32, 2)
	builder := b.Builder("doubling")
	double := must(builder.NewFunction("double"))
	y := must(double.Parameter("y", vector, nil))
	if err := double.Return([]compute.Value{must(double.Add(y, y))}, nil); err != nil {
		t.Fatal(err)
	}
	main := builder.Main()
	if err := main.Return(must(main.Call(double, must(main.Parameter("x", vector, nil)))), nil); err != nil {
		t.Fatal(err)
	}
	e := must(builder.Compile())
	if _, ok := e.(*delegated); !ok {
		t.Fatalf("the executable is a %T", e)
	}
	t.Cleanup(e.Finalize)
	return e
}

func TestDelegatedGraphsReportTheSameErrors(t *testing.T) {
	b, other := newBackend(t, ""), newBackend(t, "")
	e := doubling(t, b)
	good := func() *Buffer { return buffer(t, b, []float32{1, 2}, 2) }
	gone := good()
	if err := gone.Finalize(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		inputs []compute.Buffer
		donate []bool
		want   string
	}{
		"too few inputs":         {nil, nil, "0 inputs, want 1"},
		"wrong shape":            {[]compute.Buffer{buffer(t, b, []float32{1}, 1)}, nil, "expected shape"},
		"finalized":              {[]compute.Buffer{gone}, nil, "has been finalized or donated"},
		"nil":                    {[]compute.Buffer{nil}, nil, "not a buffer of this backend"},
		"of another backend":     {[]compute.Buffer{buffer(t, other, []float32{1, 2}, 2)}, nil, "not a buffer of this backend"},
		"wrong length of donate": {[]compute.Buffer{good()}, []bool{true, true}, "donate has 2 values for 1 inputs"},
	} {
		checkFails(t, name, e, test.inputs, test.donate, test.want)
	}
	given := good()
	outputs, err := e.Execute([]compute.Buffer{given}, []bool{true}, 0)
	if err != nil || !slices.Equal(floats(t, outputs[0]), []float32{2, 4}) {
		t.Errorf("after these errors: %v, %v", outputs, err)
	}
	checkFails(t, "donated again", e, []compute.Buffer{given}, []bool{true}, "has been finalized or donated")
	last, late := good(), doubling(t, b)
	e.Finalize()
	e.Finalize()
	checkFails(t, "a finalized executable", e, []compute.Buffer{last}, nil, "the executable has been finalized")
	b.Finalize()
	checkFails(t, "a finalized backend", late, []compute.Buffer{last}, nil, "has been finalized")
}

// checkFails checks that an execution fails with an error that contains want.
func checkFails(t *testing.T, what string, e compute.Executable, inputs []compute.Buffer, donate []bool, want string) {
	t.Helper()
	if _, err := e.Execute(inputs, donate, 0); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want an error with %q", what, err, want)
	}
}

// A panic in the reference backend becomes an error.
func TestAPanicInTheReferenceIsAnError(t *testing.T) {
	b := newBackend(t, "")
	of := []shapes.Shape{shapes.Make(dtypes.Float32, 2)}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(f.Atan2(in[0], in[0]))}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	for i, s := range e.(*executable).plan.steps {
		if d, ok := s.(*delegateStep); ok {
			d.reference.Finalize() // so that it panics
			if _, err := execute(b, e, []any{[]float32{1, 2}}, of, nil); err == nil || !strings.Contains(err.Error(), "panic") {
				t.Errorf("step %d: %v, want an error", i, err)
			}
			return
		}
	}
	t.Error("nothing is delegated")
}
