package cpu

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// term is a value of a random graph and what is known of its numbers, so that two backends
// can be compared however their sums are ordered: numbers that both must get to the bit,
// and how far the others may be apart.
//
// The inputs are small multiples of a quarter. As long as sums and products of them fit in
// float32's 24 bits they are exact in any order, and comparisons, floors and the like are
// only made of exact numbers.
type term struct {
	value compute.Value
	shape shapes.Shape
	exact bool
	bound float64 // of their size; infinite where that or NaN can be
	grain float64 // all are multiples of it; 0 where that is not known
	err   float64 // what they may differ by, besides the rounding of the number itself
}

// ulps is what a few roundings of float32 come to.
const ulps = 1.0 / (1 << 21)

// computed fills in what arithmetic makes of exact numbers, or else adds its rounding.
func (t term) computed(exact bool) term { return t.summed(exact, 1) }

// summed is computed for sums of so many terms. The reference's take one after the other.
func (t term) summed(exact bool, count int) term {
	t.exact = exact && t.grain > 0 && t.bound/t.grain <= 1<<24
	if !t.exact {
		t.grain, t.err = 0, t.err+2*ulps*math.Sqrt(float64(count))*t.bound
	}
	return t
}

func (t *term) is(d dtypes.DType) bool { return t.shape.DType == d }

// finite reports whether one can calculate with the numbers and still tell a difference.
func (t *term) finite() bool { return t.bound < 1<<16 && t.err < 1e-3 }

// generator makes a graph by choices that are read from bytes: the same ones in any backend,
// and something of any bytes.
type generator struct {
	f       compute.Function
	choices []byte
	data    *rand.Rand // the numbers of inputs and constants
	terms   []term
	inputs  []any // flat data of the parameters
	shapes  []shapes.Shape
}

func newGenerator(f compute.Function, choices []byte) *generator {
	h := fnv.New64a()
	h.Write(choices)
	return &generator{f: f, choices: choices, data: rand.New(rand.NewPCG(h.Sum64(), 1))}
}

// buildGraph builds a graph of native and other operations by the choices, and returns its
// outputs.
func buildGraph(f compute.Function, choices []byte) (*generator, []term) {
	g := newGenerator(f, choices)
	g.parameter(dtypes.Float32, g.dims())
	for len(g.choices) > 0 && len(g.terms) < 60 {
		operations[g.pick(len(operations))](g)
	}
	last := len(g.terms) - 1
	outputs := []term{g.terms[last]}
	for range g.data.IntN(6) { // inputs too, and some twice
		outputs = append(outputs, g.terms[g.data.IntN(last+1)])
	}
	return g, outputs
}

// pick chooses one of 0 … n-1.
func (g *generator) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	b := g.choices[0]
	g.choices = g.choices[1:]
	return int(b) % n
}

func (g *generator) chance(oneIn int) bool { return g.pick(oneIn) == 1%oneIn }

// dims chooses a shape: most often a small one, and now and then one that makes several
// tasks, or that has nothing in it.
func (g *generator) dims() []int {
	sizes := []int{1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 32, 64, 100, 257, 300, 1030}
	dims := make([]int, g.pick(5))
	size := 1
	for i := range dims {
		dims[i] = sizes[g.pick(len(sizes))]
		if size*dims[i] > 40000 {
			dims[i] = 1 + dims[i]%3
		}
		size *= dims[i]
	}
	if len(dims) > 0 && g.pick(32) == 31 {
		dims[g.pick(len(dims))] = 0
	}
	return dims
}

// add makes a term of a value, whose shape the backend knows.
func (g *generator) add(v compute.Value, err error, t term) *term {
	t.value = must(v, err)
	t.shape = must(g.f.Shape(t.value))
	g.terms = append(g.terms, t)
	return &g.terms[len(g.terms)-1]
}

// numbers of the type, of which those of float32 are multiples of grain.
func (g *generator) numbers(d dtypes.DType, n int) (flat any, t term) {
	t = term{exact: true, bound: 9, grain: 1}
	switch d {
	case dtypes.Float32:
		t.bound, t.grain = 2, 0.25
		return fill(n, func() float32 { return float32(g.data.IntN(17)-8) / 4 }), t
	case dtypes.Bool:
		return fill(n, func() bool { return g.data.IntN(2) == 1 }), t
	case dtypes.Uint8:
		t.bound = 255
		return fill(n, func() uint8 { return uint8(g.data.IntN(256)) }), t
	case dtypes.Int32:
		return fill(n, func() int32 { return int32(g.data.IntN(19) - 9) }), t
	default:
		return fill(n, func() int64 { return int64(g.data.IntN(19) - 9) }), t
	}
}

// wild is numbers that are not there to be calculated with.
func (g *generator) wild(n int) (flat any, t term) {
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Copysign(0, -1)), 0,
		math.SmallestNonzeroFloat32, -1e-40, math.MaxFloat32, -math.MaxFloat32, 0.5, 1.5, 2.5, -0.5, -1.5, 1e9, 16777217, -3e9}
	return fill(n, func() float32 { return odd[g.data.IntN(len(odd))] }), term{exact: true, bound: math.Inf(1)}
}

// leaf makes a parameter or a constant of data.
func (g *generator) leaf(flat any, t term, d dtypes.DType, dims []int) *term {
	if g.chance(6) && !slices.Contains(dims, 0) {
		v, err := g.f.Constant(flat, dims...)
		return g.add(v, err, t)
	}
	shape := shapes.Make(d, dims...)
	v, err := g.f.Parameter(name(len(g.inputs)), shape, nil)
	g.inputs, g.shapes = append(g.inputs, flat), append(g.shapes, shape)
	return g.add(v, err, t)
}

func (g *generator) parameter(d dtypes.DType, dims []int) *term {
	flat, t := g.numbers(d, size(dims))
	return g.leaf(flat, t, d, dims)
}

// any chooses a term, or returns nil: one of those at the end more often than not, so that
// chains form.
func (g *generator) any(fits func(t *term) bool) *term {
	recent := g.chance(2)
	for i := range g.terms {
		if recent {
			i = len(g.terms) - 1 - i
		}
		if t := &g.terms[i]; fits(t) && !g.chance(4) {
			return t
		}
	}
	return nil
}

func (g *generator) float() *term {
	return g.any(func(t *term) bool { return t.is(dtypes.Float32) && t.finite() })
}

func (g *generator) exact() *term {
	return g.any(func(t *term) bool { return t.is(dtypes.Float32) && t.exact })
}

// partner chooses what stands beside t in an operation: a term of its shape, a scalar, or
// one that repeats along some axes.
func (g *generator) partner(t *term, fits func(t *term) bool) *term {
	dims := slices.Clone(t.shape.Dimensions)
	switch g.pick(5) {
	case 0, 1:
		same := g.any(func(u *term) bool { return u.shape.Equal(t.shape) && fits(u) })
		if same != nil {
			return same
		}
	case 2:
		dims = nil
	case 3, 4:
		if t.shape.Size() == 0 {
			break // of sizes 0 and 1 the reference makes 1
		}
		for i := range dims {
			if g.chance(2) {
				dims[i] = 1
			}
		}
	}
	return g.parameter(t.shape.DType, dims)
}

func sides2(g *generator, a, b *term) (*term, *term) {
	if g.chance(2) {
		return b, a
	}
	return a, b
}

func (g *generator) arithmetic() {
	a := g.float()
	if a == nil {
		return
	}
	a = copied(a)
	b := copied(g.partner(a, (*term).finite))
	a, b = sides2(g, a, b)
	exact := a.exact && b.exact
	sum := term{bound: a.bound + b.bound, grain: min(a.grain, b.grain), err: a.err + b.err}
	switch g.pick(5) {
	case 0, 1:
		v, err := g.f.Add(a.value, b.value)
		g.add(v, err, sum.computed(exact))
	case 2:
		v, err := g.f.Sub(a.value, b.value)
		g.add(v, err, sum.computed(exact))
	default:
		v, err := g.f.Mul(a.value, b.value)
		t := term{bound: a.bound * b.bound, grain: a.grain * b.grain, err: a.err*b.bound + b.err*a.bound}
		g.add(v, err, t.computed(exact))
	}
}

// copied is for terms that are used after others are made, which may move them.
func copied(t *term) *term { u := *t; return &u }

// constants are what simplifications look for.
func (g *generator) withConstant() {
	a := g.float()
	if a == nil {
		return
	}
	a = copied(a)
	number := []float32{0, 1, 2, -1, 0.5, -4, 3, float32(math.Copysign(0, -1))}[g.pick(8)]
	c := must(g.f.Constant([]float32{number}))
	size, grain := math.Abs(float64(number)), float64(1)
	if number == 0.5 {
		grain = 0.5
	}
	sum := term{bound: a.bound + size, grain: min(a.grain, grain), err: a.err}
	switch g.pick(5) {
	case 0:
		v, err := g.f.Add(c, a.value)
		g.add(v, err, sum.computed(a.exact))
	case 1:
		v, err := g.f.Sub(a.value, c)
		g.add(v, err, sum.computed(a.exact))
	case 2:
		v, err := g.f.Sub(c, a.value)
		g.add(v, err, sum.computed(a.exact))
	case 3:
		v, err := g.f.Mul(c, a.value)
		g.add(v, err, term{bound: a.bound * size, grain: a.grain * grain, err: a.err * size}.computed(a.exact))
	default:
		if size == 0 {
			return
		}
		v, err := g.f.Div(a.value, c)
		g.add(v, err, term{bound: a.bound / size, err: a.err / size}.computed(false))
	}
}

// fused are the sums of products that are rounded once, and those that are summed on the way.
func (g *generator) fused() {
	a := g.float()
	if a == nil {
		return
	}
	a = copied(a)
	b := copied(g.partner(a, (*term).finite))
	c := copied(g.partner(a, (*term).finite))
	exact := a.exact && b.exact
	t := term{bound: a.bound * b.bound, grain: a.grain * b.grain, err: a.err*b.bound + b.err*a.bound}.computed(exact)
	v := must(g.f.Mul(a.value, b.value))
	if g.chance(3) && a.shape.Rank() > 0 && (t.exact || a.shape.Size() <= 1000) {
		axis, count := g.pick(a.shape.Rank()), 0
		count = a.shape.Dimensions[axis]
		v, err := g.f.ReduceSum(v, axis)
		t.bound, t.err = t.bound*float64(count), t.err*float64(count)
		g.add(v, err, t.summed(t.exact, count))
		return
	}
	t = term{bound: t.bound + c.bound, grain: min(t.grain, c.grain), err: t.err + c.err}.computed(t.exact && c.exact)
	if g.chance(2) {
		v, err := g.f.Add(v, c.value)
		g.add(v, err, t)
		return
	}
	v, err := g.f.Add(c.value, v)
	g.add(v, err, t)
}

// masked are products with what comparisons say, among them what GoMLX makes of the gradient
// of Max(0, x).
func (g *generator) masked() {
	a := g.exact()
	if a == nil || !a.finite() {
		return
	}
	a = copied(a)
	b := copied(g.partner(a, (*term).finite))
	constant := func(x float32) compute.Value { return must(g.f.Constant([]float32{x})) }
	var v compute.Value
	switch g.pick(4) {
	case 0:
		v = must(g.f.ConvertDType(must(g.f.LessThan(a.value, constant(0.5))), dtypes.Float32))
	case 1:
		v = must(g.f.ConvertDType(must(g.f.GreaterOrEqual(a.value, constant(0.5))), dtypes.Float32))
		v = must(g.f.Sub(constant(1), v))
	case 2:
		must(g.f.Max(constant(0), a.value))
		fallthrough
	default:
		v = must(g.f.Sub(constant(0), a.value))
		v = must(g.f.Add(must(g.f.Sign(v)), constant(1)))
		v = must(g.f.Sub(constant(1), must(g.f.Sign(v))))
	}
	if g.chance(3) {
		g.add(v, nil, term{exact: true, bound: 1, grain: 1})
		return
	}
	v, err := g.f.Mul(b.value, v)
	g.add(v, err, *b)
}

// smooth are functions that do not make more of a difference than there is.
func (g *generator) smooth() {
	a := g.float()
	if a == nil {
		return
	}
	switch g.pick(12) {
	case 0:
		g.unary(g.f.Tanh, a, term{bound: 1, err: a.err})
	case 1:
		g.unary(g.f.Logistic, a, term{bound: 1, err: a.err})
	case 2:
		g.unary(g.f.Sin, a, term{bound: 1, err: a.err})
	case 3:
		g.unary(g.f.Cos, a, term{bound: 1, err: a.err})
	case 4:
		g.unary(g.f.Erf, a, term{bound: 1, err: 1.2 * a.err})
	case 5:
		if a.bound < 10 {
			g.unary(g.f.Exp, a, term{bound: math.Exp(a.bound), err: math.Exp(a.bound) * a.err})
		}
	case 6:
		if a.bound < 10 {
			g.unary(g.f.Expm1, a, term{bound: math.Exp(a.bound), err: math.Exp(a.bound) * a.err})
		}
	case 7:
		if a = g.aboveOne(a); a != nil {
			g.unary(g.f.Sqrt, a, term{bound: math.Sqrt(a.bound), err: a.err})
		}
	case 8:
		if a = g.aboveOne(a); a != nil {
			g.unary(g.f.Rsqrt, a, term{bound: 1, err: a.err})
		}
	case 9:
		if a = g.aboveOne(a); a != nil {
			g.unary(g.f.Log, a, term{bound: math.Log(a.bound + 1), err: a.err})
		}
	case 10:
		if a = g.aboveOne(a); a != nil {
			g.unary(g.f.Log1p, a, term{bound: math.Log(a.bound + 1), err: a.err})
		}
	default:
		b := g.any(func(b *term) bool { return b.is(dtypes.Float32) && b.finite() && b.shape.Equal(a.shape) })
		if b == nil {
			return
		}
		a := copied(a)
		b = g.aboveOne(b)
		v, err := g.f.Div(a.value, b.value)
		g.add(v, err, term{bound: a.bound, err: a.err + a.bound*b.err}.computed(false))
	}
}

func (g *generator) unary(op func(compute.Value) (compute.Value, error), a *term, t term) {
	v, err := op(a.value)
	g.add(v, err, t.computed(false))
}

// aboveOne returns |a| + 1.
func (g *generator) aboveOne(a *term) *term {
	t := term{bound: a.bound + 1, grain: min(a.grain, 1), err: a.err}.computed(a.exact)
	v := must(g.f.Abs(a.value))
	one := must(g.f.Constant([]float32{1}))
	v, err := g.f.Add(v, one)
	return copied(g.add(v, err, t))
}

// raw takes functions of exact numbers wherever those lie: the result may be infinite or
// not a number, and is not calculated with.
func (g *generator) raw() {
	a := g.exact()
	if a == nil {
		return
	}
	ends := term{bound: math.Inf(1)}
	switch g.pick(7) {
	case 0:
		v, err := g.f.Sqrt(a.value)
		g.add(v, err, ends)
	case 1:
		v, err := g.f.Log(a.value)
		g.add(v, err, ends)
	case 2:
		v, err := g.f.Rsqrt(a.value)
		g.add(v, err, ends)
	case 3:
		a := copied(a)
		b := g.partner(a, func(t *term) bool { return t.exact })
		v, err := g.f.Pow(a.value, b.value)
		g.add(v, err, ends)
	case 4:
		v, err := g.f.Exp(a.value)
		g.add(v, err, ends)
	case 5:
		v, err := g.f.Tanh(a.value)
		g.add(v, err, ends)
	default:
		a := copied(a)
		b := g.partner(a, func(t *term) bool { return t.exact })
		v, err := g.f.Div(a.value, b.value)
		g.add(v, err, ends)
	}
}

// wildly adds NaN and the like, for what compares, chooses and moves.
func (g *generator) wildly() {
	dims := g.dims()
	flat, t := g.wild(size(dims))
	g.leaf(flat, t, dtypes.Float32, dims)
}

// stepwise are functions that jump, of exact numbers.
func (g *generator) stepwise() {
	a := g.exact()
	if a == nil {
		return
	}
	t := *a
	t.bound++
	t.grain = 1
	op := []func(compute.Value) (compute.Value, error){g.f.Floor, g.f.Ceil, g.f.Round, g.f.Sign}[g.pick(4)]
	v, err := op(a.value)
	g.add(v, err, t)
}

// signs keep whatever a number is.
func (g *generator) signs() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	op := []func(compute.Value) (compute.Value, error){g.f.Neg, g.f.Abs, g.f.Identity}[g.pick(3)]
	v, err := op(a.value)
	g.add(v, err, *a)
}

// either is what is known of numbers that are one or the other's.
func either(a, b *term) term {
	return term{exact: a.exact && b.exact, bound: max(a.bound, b.bound), grain: min(a.grain, b.grain), err: max(a.err, b.err)}
}

func (g *generator) extremes() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	a = copied(a)
	b := copied(g.partner(a, func(*term) bool { return true }))
	a, b = sides2(g, a, b)
	op := g.f.Max
	if g.chance(2) {
		op = g.f.Min
	}
	v, err := op(a.value, b.value)
	g.add(v, err, either(a, b))
}

func (g *generator) relu() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	zero := must(g.f.Constant([]float32{0}))
	v, err := g.f.Max(zero, a.value)
	g.add(v, err, *a)
}

func (g *generator) clamp() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	low, high := must(g.f.Constant([]float32{-0.75})), must(g.f.Constant([]float32{1.5}))
	t := *a
	t.grain = min(t.grain, 0.25)
	if t.finite() { // else it may be NaN, and stay so
		t.bound = min(t.bound, 1.5)
	}
	v, err := g.f.Clamp(low, a.value, high)
	g.add(v, err, t)
}

func (g *generator) compare() {
	a := g.any(func(t *term) bool {
		return t.exact && (t.is(dtypes.Float32) || t.is(dtypes.Int32) || t.is(dtypes.Int64))
	})
	if a == nil {
		return
	}
	if a.is(dtypes.Float32) && g.chance(6) {
		op := []func(compute.Value) (compute.Value, error){g.f.IsNaN, g.f.IsFinite}[g.pick(2)]
		v, err := op(a.value)
		g.add(v, err, term{exact: true, bound: 1, grain: 1})
		return
	}
	a = copied(a)
	b := copied(g.partner(a, func(t *term) bool { return t.exact }))
	a, b = sides2(g, a, b)
	op := []func(a, b compute.Value) (compute.Value, error){
		g.f.Equal, g.f.NotEqual, g.f.LessThan, g.f.LessOrEqual, g.f.GreaterThan, g.f.GreaterOrEqual,
	}[g.pick(6)]
	v, err := op(a.value, b.value)
	g.add(v, err, term{exact: true, bound: 1, grain: 1})
}

func (g *generator) logical() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Bool) })
	if a == nil {
		return
	}
	if g.chance(4) {
		v, err := g.f.LogicalNot(a.value)
		g.add(v, err, *a)
		return
	}
	a = copied(a)
	b := copied(g.partner(a, func(*term) bool { return true }))
	a, b = sides2(g, a, b)
	op := []func(a, b compute.Value) (compute.Value, error){g.f.LogicalAnd, g.f.LogicalOr, g.f.LogicalXor}[g.pick(3)]
	v, err := op(a.value, b.value)
	g.add(v, err, *a)
}

func (g *generator) where() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) || t.is(dtypes.Int32) })
	if a == nil {
		return
	}
	a = copied(a)
	b := g.any(func(t *term) bool { return t.shape.Equal(a.shape) })
	if b == nil || g.chance(3) {
		b = g.parameter(a.shape.DType, nil)
	}
	b = copied(b)
	condition := g.any(func(t *term) bool {
		return t.is(dtypes.Bool) && slices.Equal(t.shape.Dimensions, a.shape.Dimensions)
	})
	switch {
	case g.chance(6):
		condition = g.parameter(dtypes.Bool, nil)
	case condition == nil:
		condition = g.parameter(dtypes.Bool, a.shape.Dimensions)
	}
	a, b = sides2(g, a, b)
	v, err := g.f.Where(condition.value, a.value, b.value)
	g.add(v, err, either(a, b))
}

func (g *generator) convert() {
	from := types[g.pick(len(types))]
	a := g.any(func(t *term) bool { return t.is(from) && t.exact && t.bound < 1<<20 })
	if a == nil {
		return
	}
	to := []dtypes.DType{dtypes.Float32, dtypes.Float32, dtypes.Float32, dtypes.Bool, dtypes.Int32, dtypes.Int64}[g.pick(6)]
	t := *a
	if to != dtypes.Float32 {
		t.grain = 1
	}
	if a.is(dtypes.Bool) || to == dtypes.Bool {
		t.bound = 1
	}
	v, err := g.f.ConvertDType(a.value, to)
	g.add(v, err, t)
}

var types = []dtypes.DType{dtypes.Bool, dtypes.Uint8, dtypes.Int32, dtypes.Int64, dtypes.Float32}

// other makes a tensor of any type to start from.
func (g *generator) other() {
	d := types[g.pick(len(types))]
	g.parameter(d, g.dims())
}

func (g *generator) reduce() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) || t.is(dtypes.Int32) })
	if a == nil || a.shape.Rank() == 0 {
		return
	}
	var axes []int
	count := 1
	for axis, d := range a.shape.Dimensions {
		if g.chance(2) {
			axes, count = append(axes, axis), count*d
		}
	}
	if len(axes) == 0 {
		count = a.shape.Size()
	}
	t := *a
	if a.shape.Size() == 0 {
		t.bound = math.Inf(1) // the extremes of nothing
	}
	switch g.pick(3) {
	case 0:
		if !a.finite() || !a.exact && count > 1000 {
			return // the reference's own error
		}
		t.bound, t.err = t.bound*float64(count), t.err*float64(count)
		v, err := g.f.ReduceSum(a.value, axes...)
		g.add(v, err, t.summed(a.exact, count))
	case 1:
		v, err := g.f.ReduceMax(a.value, axes...)
		g.add(v, err, t)
	default:
		v, err := g.f.ReduceMin(a.value, axes...)
		g.add(v, err, t)
	}
}

// reshape splits axes and takes them together, by their common factors.
func (g *generator) reshape() {
	a := g.any(func(*term) bool { return true })
	if a == nil {
		return
	}
	var dims []int
	for i, d := range a.shape.Dimensions {
		switch {
		case i > 0 && len(dims) > 0 && g.chance(3):
			dims[len(dims)-1] *= d
		case d%2 == 0 && g.chance(3):
			dims = append(dims, 2, d/2)
		case g.chance(4):
			dims = append(dims, 1, d)
		default:
			dims = append(dims, d)
		}
	}
	if len(dims) > 6 {
		dims = []int{a.shape.Size()}
	}
	v, err := g.f.Reshape(a.value, dims...)
	g.add(v, err, *a)
}

// permutation chooses an order of n axes.
func (g *generator) permutation(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := range order {
		j := i + g.pick(n-i)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

func (g *generator) transpose() {
	a := g.any(func(t *term) bool { return t.shape.Rank() > 0 })
	if a == nil {
		return
	}
	v, err := g.f.Transpose(a.value, g.permutation(a.shape.Rank())...)
	g.add(v, err, *a)
}

// broadcast puts the axes of a term among others.
func (g *generator) broadcast() {
	a := g.any(func(t *term) bool { return t.shape.Size() < 2000 && t.shape.Rank() < 4 })
	if a == nil {
		return
	}
	rank := a.shape.Rank() + g.pick(3)
	axes := g.permutation(rank)[:a.shape.Rank()]
	slices.Sort(axes)
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = 1 + g.pick(6)
	}
	for i, axis := range axes {
		if d := a.shape.Dimensions[i]; d != 1 {
			dims[axis] = d
		}
	}
	v, err := g.f.BroadcastInDim(a.value, shapes.Make(a.shape.DType, dims...), axes)
	g.add(v, err, *a)
}

func (g *generator) pad() {
	a := g.any(func(t *term) bool { return t.shape.Size() < 20000 })
	if a == nil {
		return
	}
	a = copied(a)
	pads := make([]compute.PadAxis, a.shape.Rank())
	for i := range pads {
		if g.chance(2) {
			pads[i] = compute.PadAxis{Start: g.pick(5) - 2, End: g.pick(5) - 2, Interior: max(0, g.pick(5)-2)}
			if pads[i].End < 0 || pads[i].Start < 0 { // the reference gets this wrong
				pads[i].End, pads[i].Start = max(0, pads[i].End), max(0, pads[i].Start)
			}
		}
	}
	with := copied(g.parameter(a.shape.DType, nil))
	v, err := g.f.Pad(a.value, with.value, pads...)
	g.add(v, err, either(a, with))
}

func (g *generator) slice() {
	a := g.any(func(*term) bool { return true })
	if a == nil {
		return
	}
	var starts, limits, strides []int
	for _, d := range a.shape.Dimensions {
		start := g.pick(min(max(d, 1), 3))
		starts, strides = append(starts, start), append(strides, 1+g.pick(3))
		limits = append(limits, d-g.pick(max(1, min(d-start, 3))))
	}
	v, err := g.f.Slice(a.value, starts, limits, strides)
	g.add(v, err, *a)
}

func (g *generator) concatenate() {
	a := g.any(func(t *term) bool { return t.shape.Rank() > 0 && t.shape.Size() < 20000 })
	if a == nil {
		return
	}
	a = copied(a)
	axis := g.pick(a.shape.Rank())
	parts := []compute.Value{a.value}
	t := *a
	for range g.pick(3) {
		dims := slices.Clone(a.shape.Dimensions)
		dims[axis] = 1 + g.pick(4)
		next := g.parameter(a.shape.DType, dims)
		t = either(&t, next)
		parts = append(parts, next.value)
	}
	if g.chance(3) {
		parts = append(parts, a.value)
	}
	v, err := g.f.Concatenate(axis, parts...)
	g.add(v, err, t)
}

func (g *generator) reverse() {
	a := g.any(func(t *term) bool { return t.shape.Rank() > 0 })
	if a == nil {
		return
	}
	var axes []int
	for axis := range a.shape.Rank() {
		if g.chance(2) {
			axes = append(axes, axis)
		}
	}
	v, err := g.f.Reverse(a.value, axes...)
	g.add(v, err, *a)
}

func (g *generator) iota() {
	dims := g.dims()
	if size(dims) == 0 || len(dims) == 0 {
		return
	}
	d := []dtypes.DType{dtypes.Float32, dtypes.Int32, dtypes.Int64, dtypes.Uint8}[g.pick(4)]
	axis := g.pick(len(dims))
	if d == dtypes.Uint8 {
		dims[axis] = min(dims[axis], 200)
	}
	v, err := g.f.Iota(shapes.Make(d, dims...), axis)
	g.add(v, err, term{exact: true, bound: float64(dims[axis]), grain: 1})
}

// oneHot is what GoMLX's OneHot is made of.
func (g *generator) oneHot() {
	a := g.any(func(t *term) bool {
		return (t.is(dtypes.Int32) || t.is(dtypes.Int64)) && t.shape.Size() < 3000 && t.shape.Size() > 0
	})
	if a == nil {
		return
	}
	a = copied(a)
	classes := 1 + g.pick(12)
	dims := append(slices.Clone(a.shape.Dimensions), classes)
	column := append(slices.Clone(a.shape.Dimensions), 1)
	v := must(g.f.Reshape(a.value, column...))
	numbers := must(g.f.Iota(shapes.Make(a.shape.DType, dims...), len(dims)-1))
	v = must(g.f.Equal(v, numbers))
	v, err := g.f.ConvertDType(v, dtypes.Float32)
	g.add(v, err, term{exact: true, bound: 1, grain: 1})
}

// product multiplies matrices: some of a's axes are a batch, some are summed over.
func (g *generator) product() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) && t.finite() && t.shape.Size() < 9000 })
	if a == nil {
		return
	}
	a = copied(a)
	var batch, contracted, dims []int
	depth := 1
	for axis, d := range a.shape.Dimensions {
		switch g.pick(3) {
		case 0:
			batch = append(batch, axis)
			dims = append(dims, d)
		case 1:
			contracted = append(contracted, axis)
			dims = append(dims, d)
			depth *= d
		}
	}
	free := g.pick(3)
	for range free {
		dims = append(dims, 1+g.pick(19))
	}
	if !a.exact && depth > 1000 {
		return
	}
	// order[i] is where what is listed in dims i-th stands in b.
	order := g.permutation(len(dims))
	place := func(axis int) int {
		at := 0
		for other := range axis {
			if slices.Contains(batch, other) || slices.Contains(contracted, other) {
				at++
			}
		}
		return order[at]
	}
	permuted := make([]int, len(dims))
	for i, d := range dims {
		permuted[order[i]] = d
	}
	if size(permuted)*a.shape.Size() > 4<<20 {
		return
	}
	shuffled := func(list []int) []int {
		out := make([]int, len(list))
		for i, j := range g.permutation(len(list)) {
			out[i] = list[j]
		}
		return out
	}
	batch, contracted = shuffled(batch), shuffled(contracted)
	var batchB, contractedB []int
	for _, axis := range batch {
		batchB = append(batchB, place(axis))
	}
	for _, axis := range contracted {
		contractedB = append(contractedB, place(axis))
	}
	b := g.parameter(dtypes.Float32, permuted)
	t := term{bound: a.bound * b.bound * float64(depth), grain: a.grain * b.grain, err: (a.err*b.bound + b.err*a.bound) * float64(depth)}
	t = t.summed(a.exact && b.exact, depth)
	if g.chance(2) {
		v, err := g.f.DotGeneral(a.value, contracted, batch, b.value, contractedB, batchB, compute.DotGeneralConfig{})
		g.add(v, err, t)
		return
	}
	v, err := g.f.DotGeneral(b.value, contractedB, batchB, a.value, contracted, batch, compute.DotGeneralConfig{})
	g.add(v, err, t)
}

// windows chooses a window over the axes of a shape.
func (g *generator) windows(dims []int) (sizes, strides []int, paddings [][2]int, count int) {
	count = 1
	for _, d := range dims {
		n, stride, padding := 1, 1, [2]int{}
		if g.chance(2) {
			padding = [2]int{g.pick(3), g.pick(3)}
			n = 1 + g.pick(min(4, d+padding[0]+padding[1]))
			stride = 1 + g.pick(3)
		}
		count *= n
		sizes, strides, paddings = append(sizes, n), append(strides, stride), append(paddings, padding)
	}
	if g.chance(3) {
		strides = nil
	}
	if g.chance(3) {
		paddings = nil
		for i, d := range dims {
			sizes[i] = min(sizes[i], max(1, d))
		}
	}
	return sizes, strides, paddings, count
}

func (g *generator) pool() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) && t.shape.Rank() > 0 && t.shape.Size() < 20000 })
	if a == nil {
		return
	}
	sizes, strides, paddings, count := g.windows(a.shape.Dimensions)
	if slices.Contains(a.shape.Dimensions, 0) {
		return
	}
	t := *a
	kind := []compute.ReduceOpType{compute.ReduceOpMax, compute.ReduceOpMin, compute.ReduceOpSum}[g.pick(3)]
	if kind == compute.ReduceOpSum {
		if !a.finite() {
			return
		}
		t.bound, t.err = t.bound*float64(count), t.err*float64(count)
		t = t.summed(a.exact, count)
	} else if paddings != nil {
		t.bound = math.Inf(1) // of what sees nothing but padding
	}
	v, err := g.f.ReduceWindow(a.value, kind, sizes, strides, nil, nil, paddings)
	g.add(v, err, t)
}

func (g *generator) unpool() {
	a := g.any(func(t *term) bool {
		return t.is(dtypes.Float32) && t.exact && t.shape.Rank() > 0 && t.shape.Size() < 20000 && t.shape.Size() > 0
	})
	if a == nil {
		return
	}
	a = copied(a)
	sizes, strides, paddings, count := g.windows(a.shape.Dimensions)
	pooled := must(g.f.ReduceWindow(a.value, compute.ReduceOpMax, sizes, strides, nil, nil, paddings))
	source := copied(g.parameter(dtypes.Float32, must(g.f.Shape(pooled)).Dimensions))
	t := *source
	t.bound *= float64(count)
	op := g.f.SelectAndScatterMax
	if g.chance(2) {
		op = g.f.SelectAndScatterMin
	}
	v, err := op(a.value, source.value, sizes, strides, paddings)
	g.add(v, err, t.computed(true))
}

// delegated are operations that have no native step.
func (g *generator) delegated() {
	a := g.any(func(t *term) bool { return t.exact && t.bound < 1<<20 })
	if a == nil {
		return
	}
	switch {
	case a.is(dtypes.Int32) || a.is(dtypes.Int64):
		a := copied(a)
		b := copied(g.partner(a, func(t *term) bool { return t.exact && t.bound < 1<<20 }))
		v, err := g.f.Add(a.value, b.value)
		g.add(v, err, term{bound: a.bound + b.bound, grain: 1}.computed(true))
	case a.is(dtypes.Float32) && a.shape.Rank() > 0 && a.shape.Size() > 0:
		v, err := g.f.ArgMinMax(a.value, g.pick(a.shape.Rank()), dtypes.Int32, g.chance(2))
		g.add(v, err, term{exact: true, bound: 2000, grain: 1})
	case a.is(dtypes.Bool):
		v, err := g.f.ReduceLogicalOr(a.value)
		g.add(v, err, *a)
	}
}

var operations []func(*generator)

func init() {
	operations = []func(*generator){
		(*generator).arithmetic, (*generator).arithmetic, (*generator).arithmetic, (*generator).withConstant, (*generator).fused,
		(*generator).fused, (*generator).masked, (*generator).smooth,
		(*generator).smooth, (*generator).raw, (*generator).wildly, (*generator).stepwise, (*generator).signs, (*generator).extremes,
		(*generator).relu, (*generator).clamp, (*generator).compare, (*generator).logical, (*generator).where, (*generator).convert,
		(*generator).other, (*generator).reduce, (*generator).reduce, (*generator).reshape, (*generator).transpose,
		(*generator).broadcast, (*generator).pad, (*generator).slice, (*generator).concatenate, (*generator).reverse,
		(*generator).iota, (*generator).oneHot, (*generator).product, (*generator).pool, (*generator).unpool, (*generator).delegated,
	}
}

// choices returns the bytes of a seed's graph.
func choices(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}
