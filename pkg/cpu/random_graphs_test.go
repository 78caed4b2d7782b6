package cpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
)

// graphOf is a random graph compiled for a backend.
type graphOf struct {
	*generator
	outputs    []term
	executable compute.Executable
}

// construction builds a graph from choices.
type construction func(f compute.Function, choices []byte) (*generator, []term)

// build builds and compiles the graph of the choices. It returns an error if the backend rejects it.
func build(b compute.Backend, choices []byte, construct construction) (graph *graphOf, err error) {
	defer recovered(&err)
	builder := b.Builder("random")
	g, outputs := construct(builder.Main(), choices)
	values := make([]compute.Value, len(outputs))
	for i, output := range outputs {
		values[i] = output.value
	}
	if err := builder.Main().Return(values, nil); err != nil {
		return nil, err
	}
	executable, err := builder.Compile()
	return &graphOf{g, outputs, executable}, err
}

// run executes the graph and returns the flat data of its outputs.
func (g *graphOf) run(b compute.Backend) (flat []any, err error) {
	defer recovered(&err)
	return execute(b, g.executable, g.inputs, g.shapes, nil)
}

// differs describes the first element that differs by more than rounding explains, or returns "" if
// there is none.
func (t *term) differs(got, want any) string {
	switch want := want.(type) {
	case []float32:
		return t.floatsDiffer(got.([]float32), want)
	case []bool:
		return firstDifference(got.([]bool), want)
	case []uint8:
		return firstDifference(got.([]uint8), want)
	case []int32:
		return firstDifference(got.([]int32), want)
	default:
		return firstDifference(got.([]int64), want.([]int64))
	}
}

func (t *term) floatsDiffer(got, want []float32) string {
	for i, w := range want {
		g := got[i]
		if g == w || g != g && w != w {
			continue
		}
		if limit := t.err + 1e-5*math.Abs(float64(w)); t.exact || !(math.Abs(float64(g)-float64(w)) <= limit) {
			return fmt.Sprintf("element %d of %d is %v, want %v within %.3g (exact: %t)", i, len(want), g, w, limit, t.exact)
		}
	}
	return ""
}

// checkBuilt compares the graph of the choices on b and on the reference backend. It reports whether
// the choices make a graph that the reference backend accepts.
func checkBuilt(t *testing.T, b *Backend, what string, choices []byte, construct construction) bool {
	t.Helper()
	want, err := build(reference(), choices, construct)
	if err != nil {
		return false
	}
	defer want.executable.Finalize()
	expected, err := want.run(reference())
	if err != nil {
		return false
	}
	got, err := build(b, choices, construct)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return true
	}
	defer got.executable.Finalize()
	if _, ok := got.executable.(*executable); !ok {
		t.Errorf("%s: the graph was delegated as a whole", what)
	}
	for range 2 { // the second time, the memory is not cleared
		results, err := got.run(b)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return true
		}
		for i := range results {
			if difference := want.outputs[i].differs(results[i], expected[i]); difference != "" {
				t.Errorf("%s: output %d of %d, %s: %s", what, i, len(results), want.outputs[i].shape, difference)
				return true
			}
		}
	}
	return true
}

func TestRandomGraphsAreComputedAsByTheReference(t *testing.T) {
	graphs := uint64(fewer(400))
	onEachKernel(t, func(t *testing.T, b *Backend) {
		made := uint64(0)
		for seed := range graphs {
			if checkBuilt(t, b, fmt.Sprintf("seed %d", seed), choices(seed, 20+int(seed)%150), buildGraph) {
				made++
			}
		}
		t.Logf("%d of %d graphs", made, graphs)
		if made < graphs*3/4 {
			t.Errorf("only %d of %d graphs could be built", made, graphs)
		}
	})
}

func FuzzGraphs(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(choices(seed+1000, 120))
	}
	b := newBackend(f, "")
	f.Fuzz(func(t *testing.T, choices []byte) {
		checkBuilt(t, b, "graph", choices[:min(len(choices), 400)], buildGraph)
	})
}
