package cpu

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// compileApart compiles the graph of the choices twice: as usual, and without any sharing of memory
// by tensors or by inputs and outputs.
func compileApart(b *Backend, choices []byte, construct construction) (g *generator, e, apart *executable, err error) {
	defer recovered(&err)
	builder := newBuilder(b, "apart")
	g, outputs := construct(builder.Main(), choices)
	var values []compute.Value
	for _, output := range outputs {
		values = append(values, output.value)
	}
	if err := builder.Main().Return(values, nil); err != nil {
		return nil, nil, nil, err
	}
	p, _, err := newPlan(builder)
	if err != nil {
		return nil, nil, nil, err
	}
	p.layOut()
	made, err := compile(builder)
	if err != nil {
		return nil, nil, nil, err
	}
	return g, made.(*executable), newExecutable(builder, p), nil
}

// buildSquares builds a graph of matrices of one size, in which loops alternate with other steps.
// Many of its tensors may share memory, and many may not.
func buildSquares(f compute.Function, choices []byte) (*generator, []term) {
	g := newGenerator(f, choices)
	for range 3 {
		g.parameter(dtypes.Float32, []int{30, 30})
	}
	recent := func() *term { return &g.terms[len(g.terms)-1-g.pick(min(5, len(g.terms)))] }
	for len(g.choices) > 0 && len(g.terms) < 60 {
		a, b := recent().value, recent().value
		var v compute.Value
		var err error
		switch g.pick(8) {
		case 0:
			v, err = f.Reverse(a, g.pick(2))
		case 1:
			v, err = f.Transpose(a, 1, 0)
		case 2:
			v, err = f.Add(a, must(f.Reshape(must(f.ReduceMax(b, 1)), 30, 1)))
		case 3:
			v, err = f.Sub(a, must(f.Reshape(must(f.ReduceMin(b, 0)), 1, 30)))
		case 4:
			v, err = f.Max(a, b)
		case 5:
			v, err = f.Tanh(must(f.Mul(a, b)))
		case 6:
			v, err = f.Where(must(f.LessThan(a, b)), a, must(f.Neg(b)))
		default:
			v, err = f.Sub(a, b)
		}
		g.add(v, err, term{})
	}
	return g, g.terms[len(g.terms)-2:]
}

// Results do not change if loops overwrite their operands and outputs take over donated inputs.
func TestSharedMemoryChangesNothing(t *testing.T) {
	b := newBackend(t, "")
	shared, donors := 0, 0
	for seed := range uint64(fewer(600)) {
		construct := []construction{buildGraph, buildSquares}[seed%2]
		g, e, apart, err := compileApart(b, choices(seed, 20+int(seed)%200), construct)
		if err != nil {
			continue // the choices make no valid graph
		}
		want, err := execute(b, apart, g.inputs, g.shapes, nil)
		if err != nil {
			continue // the reference backend cannot execute a delegated operation
		}
		for _, donate := range [][]bool{nil, slices.Repeat([]bool{true}, len(g.inputs))} {
			got, err := execute(b, e, g.inputs, g.shapes, donate)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			checkSameBits(t, fmt.Sprintf("seed %d, donated: %t", seed, donate != nil), got, want)
		}
		for _, s := range e.plan.slots {
			if s.shares >= 0 {
				shared++
			}
		}
		for _, r := range e.plan.results {
			if r.donor >= 0 {
				donors++
			}
		}
		e.Finalize()
		apart.Finalize()
	}
	if least := fewer(100); shared < least || donors < least {
		t.Errorf("%d tensors and %d outputs took over memory, want at least %d of each", shared, donors, least)
	}
	t.Logf("%d tensors took over memory from others, %d outputs from inputs", shared, donors)
}

// The gradient of a ReLU reads the ReLU, which the next layer needs anyway, and not the values before
// it.
func TestGradientOfReLUKeepsNothingElse(t *testing.T) {
	b := newBackend(t, "")
	of := []shapes.Shape{shapes.Make(dtypes.Float32, 100, 100), shapes.Make(dtypes.Float32, 100, 100)}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		number := func(x float32) compute.Value { return must(f.Constant([]float32{x})) }
		product := func(a, b compute.Value) compute.Value {
			return must(f.DotGeneral(a, []int{1}, nil, b, []int{0}, nil, compute.DotGeneralConfig{}))
		}
		x := product(in[0], in[1])
		relu := must(f.Max(number(0), x))
		v := product(relu, in[1])
		sign := must(f.Sign(must(f.Sub(number(0), x))))
		indicator := must(f.Sub(number(1), must(f.Sign(must(f.Add(sign, number(1)))))))
		return []compute.Value{product(must(f.Mul(v, indicator)), relu)}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	p := e.(*executable).plan
	if got, want := strings.Join(p.describe(), " "), "rowsStep loop rowsStep loop rowsStep"; got != want {
		t.Fatalf("steps %s, want %s", got, want)
	}
	first := p.steps[0].(*rowsStep)
	if s := p.slots[first.out]; s.last != 1 {
		t.Errorf("the product is kept until step %d, want 1, where its ReLU is made", s.last)
	}
}

// describe returns the type of each step.
func (p *plan) describe() []string {
	var lines []string
	for _, s := range p.steps {
		lines = append(lines, reflect.TypeOf(s).Elem().Name())
	}
	return lines
}
