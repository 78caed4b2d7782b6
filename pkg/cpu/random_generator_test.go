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

// term is a value of a random graph with what is known about its elements. This allows comparing two
// backends whose sums have different orders: elements are either exact, so that both backends must
// agree to the bit, or have a known largest error.
//
// Inputs are small multiples of a quarter. Sums and products of such numbers are exact in any order
// as long as they fit in the 24 bits of a float32. Comparisons, floors and other functions with
// jumps are applied to exact terms only.
type term struct {
	value compute.Value
	shape shapes.Shape
	exact bool
	bound float64 // largest absolute value; infinite if elements may be infinite or NaN
	grain float64 // all elements are multiples of it; 0 if unknown
	err   float64 // largest difference between backends, besides the rounding of the result itself
}

// ulps is the relative error of a few roundings to float32.
const ulps = 1.0 / (1 << 21)

// computed returns t as the result of arithmetic: exact if the operands are and the result fits,
// otherwise with its rounding error added.
func (t term) computed(exact bool) term { return t.summed(exact, 1) }

// summed is computed for sums of count terms, which the reference backend adds one after another.
func (t term) summed(exact bool, count int) term {
	t.exact = exact && t.grain > 0 && t.bound/t.grain <= 1<<24
	if !t.exact {
		t.grain, t.err = 0, t.err+2*ulps*math.Sqrt(float64(count))*t.bound
	}
	return t
}

// is reports whether the term has type d.
func (t *term) is(d dtypes.DType) bool { return t.shape.DType == d }

// finite reports whether arithmetic on the elements still has a small enough error.
func (t *term) finite() bool { return t.bound < 1<<16 && t.err < 1e-3 }

// generator builds a graph from choices that it reads from bytes. The same bytes make the same graph
// on every backend, and any bytes make some graph.
type generator struct {
	f       compute.Function
	choices []byte
	data    *rand.Rand // for the values of inputs and constants
	terms   []term
	inputs  []any // flat data of the parameters
	shapes  []shapes.Shape
}

func newGenerator(f compute.Function, choices []byte) *generator {
	h := fnv.New64a()
	h.Write(choices)
	return &generator{f: f, choices: choices, data: rand.New(rand.NewPCG(h.Sum64(), 1))}
}

// buildGraph builds a graph of native and delegated operations from choices, and returns its outputs.
func buildGraph(f compute.Function, choices []byte) (*generator, []term) {
	g := newGenerator(f, choices)
	g.parameter(dtypes.Float32, g.dims())
	for len(g.choices) > 0 && len(g.terms) < 60 {
		operations[g.pick(len(operations))](g)
	}
	last := len(g.terms) - 1
	outputs := []term{g.terms[last]}
	for range g.data.IntN(6) { // these may be inputs, or the same twice
		outputs = append(outputs, g.terms[g.data.IntN(last+1)])
	}
	return g, outputs
}

// pick chooses a number from 0 to n-1.
func (g *generator) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	b := g.choices[0]
	g.choices = g.choices[1:]
	return int(b) % n
}

// chance is true once in oneIn times.
func (g *generator) chance(oneIn int) bool { return g.pick(oneIn) == 1%oneIn }

// dims chooses the dimensions of a tensor: usually a small one, sometimes one that makes several
// tasks or is empty.
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

// add adds a value to the terms and fills in its shape.
func (g *generator) add(v compute.Value, err error, t term) *term {
	t.value = must(v, err)
	t.shape = must(g.f.Shape(t.value))
	g.terms = append(g.terms, t)
	return &g.terms[len(g.terms)-1]
}

// numbers returns n random values of a type, and what is known about them.
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

// wild returns special float32 values, which are not for arithmetic.
func (g *generator) wild(n int) (flat any, t term) {
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Copysign(0, -1)), 0,
		math.SmallestNonzeroFloat32, -1e-40, math.MaxFloat32, -math.MaxFloat32, 0.5, 1.5, 2.5, -0.5, -1.5, 1e9, 16777217, -3e9}
	return fill(n, func() float32 { return odd[g.data.IntN(len(odd))] }), term{exact: true, bound: math.Inf(1)}
}

// leaf adds data as a parameter or a constant.
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

// parameter adds random data as a parameter or a constant.
func (g *generator) parameter(d dtypes.DType, dims []int) *term {
	flat, t := g.numbers(d, size(dims))
	return g.leaf(flat, t, d, dims)
}

// any chooses a term that fits, or returns nil. Half of the time it starts from the most recent
// terms, so that chains form.
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

// float chooses a float32 term for arithmetic.
func (g *generator) float() *term {
	return g.any(func(t *term) bool { return t.is(dtypes.Float32) && t.finite() })
}

// exact chooses an exact float32 term.
func (g *generator) exact() *term {
	return g.any(func(t *term) bool { return t.is(dtypes.Float32) && t.exact })
}

// partner chooses the other operand of a binary operation on t: a term of the same shape, a scalar, or
// a new parameter that is repeated along some axes.
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
			break // the reference backend broadcasts sizes 0 and 1 to 1
		}
		for i := range dims {
			if g.chance(2) {
				dims[i] = 1
			}
		}
	}
	return g.parameter(t.shape.DType, dims)
}

// swapped returns a and b in random order.
func swapped(g *generator, a, b *term) (*term, *term) {
	if g.chance(2) {
		return b, a
	}
	return a, b
}

// arithmetic adds a sum, difference or product.
func (g *generator) arithmetic() {
	a := g.float()
	if a == nil {
		return
	}
	a = copied(a)
	b := copied(g.partner(a, (*term).finite))
	a, b = swapped(g, a, b)
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

// copied returns a copy of a term. Adding terms may move the originals.
func copied(t *term) *term { u := *t; return &u }

// withConstant adds an operation with a constant, as simplifications look for.
func (g *generator) withConstant() {
	a := g.float()
	if a == nil {
		return
	}
	a = copied(a)
	value := []float32{0, 1, 2, -1, 0.5, -4, 3, float32(math.Copysign(0, -1))}[g.pick(8)]
	c := must(g.f.Constant([]float32{value}))
	size, grain := math.Abs(float64(value)), float64(1)
	if value == 0.5 {
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

// fused adds a product and a sum, or a product that is reduced: loops compute both in one operation.
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

// masked adds a product with the result of a comparison, or GoMLX's gradient of Max(0, x).
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

// smooth adds a function that does not enlarge the error of its operand much.
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

// unary adds an operation whose result is known to be like t, with its rounding added.
func (g *generator) unary(op func(compute.Value) (compute.Value, error), a *term, t term) {
	v, err := op(a.value)
	g.add(v, err, t.computed(false))
}

// aboveOne adds |a| + 1 and returns it.
func (g *generator) aboveOne(a *term) *term {
	t := term{bound: a.bound + 1, grain: min(a.grain, 1), err: a.err}.computed(a.exact)
	v := must(g.f.Abs(a.value))
	one := must(g.f.Constant([]float32{1}))
	v, err := g.f.Add(v, one)
	return copied(g.add(v, err, t))
}

// raw adds a function of an exact term of any size. The result may be infinite or NaN and is not used
// for arithmetic.
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

// wildly adds special values, for operations that compare, select and move.
func (g *generator) wildly() {
	dims := g.dims()
	flat, t := g.wild(size(dims))
	g.leaf(flat, t, dtypes.Float32, dims)
}

// stepwise adds a function with jumps of an exact term.
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

// signs adds an operation that changes at most the sign.
func (g *generator) signs() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	op := []func(compute.Value) (compute.Value, error){g.f.Neg, g.f.Abs, g.f.Identity}[g.pick(3)]
	v, err := op(a.value)
	g.add(v, err, *a)
}

// either returns what is known about elements that are from a or from b.
func either(a, b *term) term {
	return term{exact: a.exact && b.exact, bound: max(a.bound, b.bound), grain: min(a.grain, b.grain), err: max(a.err, b.err)}
}

// extremes adds a maximum or minimum of two terms.
func (g *generator) extremes() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	a = copied(a)
	b := copied(g.partner(a, func(*term) bool { return true }))
	a, b = swapped(g, a, b)
	op := g.f.Max
	if g.chance(2) {
		op = g.f.Min
	}
	v, err := op(a.value, b.value)
	g.add(v, err, either(a, b))
}

// relu adds Max(0, a).
func (g *generator) relu() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	zero := must(g.f.Constant([]float32{0}))
	v, err := g.f.Max(zero, a.value)
	g.add(v, err, *a)
}

// clamp adds a Clamp to a fixed range.
func (g *generator) clamp() {
	a := g.any(func(t *term) bool { return t.is(dtypes.Float32) })
	if a == nil {
		return
	}
	low, high := must(g.f.Constant([]float32{-0.75})), must(g.f.Constant([]float32{1.5}))
	t := *a
	t.grain = min(t.grain, 0.25)
	if t.finite() { // otherwise elements may be NaN and stay NaN
		t.bound = min(t.bound, 1.5)
	}
	v, err := g.f.Clamp(low, a.value, high)
	g.add(v, err, t)
}

// compare adds a comparison of exact terms.
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
	a, b = swapped(g, a, b)
	op := []func(a, b compute.Value) (compute.Value, error){
		g.f.Equal, g.f.NotEqual, g.f.LessThan, g.f.LessOrEqual, g.f.GreaterThan, g.f.GreaterOrEqual,
	}[g.pick(6)]
	v, err := op(a.value, b.value)
	g.add(v, err, term{exact: true, bound: 1, grain: 1})
}

// logical adds an operation on bools.
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
	a, b = swapped(g, a, b)
	op := []func(a, b compute.Value) (compute.Value, error){g.f.LogicalAnd, g.f.LogicalOr, g.f.LogicalXor}[g.pick(3)]
	v, err := op(a.value, b.value)
	g.add(v, err, *a)
}

// where adds a Where.
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
	a, b = swapped(g, a, b)
	v, err := g.f.Where(condition.value, a.value, b.value)
	g.add(v, err, either(a, b))
}

// convert adds a conversion of an exact term to another type.
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

// other adds a parameter of any type.
func (g *generator) other() {
	d := types[g.pick(len(types))]
	g.parameter(d, g.dims())
}

// reduce adds a sum or an extreme over some axes.
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
		t.bound = math.Inf(1) // the extreme of an empty tensor
	}
	switch g.pick(3) {
	case 0:
		if !a.finite() || !a.exact && count > 1000 {
			return // the error of the reference backend itself would be too large
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

// reshape adds a reshape that splits and merges axes.
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

// permutation chooses a permutation of n axes.
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

// transpose adds a transposition.
func (g *generator) transpose() {
	a := g.any(func(t *term) bool { return t.shape.Rank() > 0 })
	if a == nil {
		return
	}
	v, err := g.f.Transpose(a.value, g.permutation(a.shape.Rank())...)
	g.add(v, err, *a)
}

// broadcast adds a BroadcastInDim that puts the axes of a term among others.
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

// pad adds a Pad.
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

// slice adds a Slice.
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

// concatenate adds a Concatenate of a term and new parameters.
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

// reverse adds a Reverse.
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

// iota adds an Iota.
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

// oneHot adds the operations of GoMLX's OneHot.
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

// product adds a DotGeneral, in which some axes of a are batch axes and some are contracted.
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
	// order[i] is the axis of b that has size dims[i].
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

// pool adds a ReduceWindow.
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
		t.bound = math.Inf(1) // the extreme of a window that contains only padding
	}
	v, err := g.f.ReduceWindow(a.value, kind, sizes, strides, nil, nil, paddings)
	g.add(v, err, t)
}

// unpool adds the gradient of max or min pooling.
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

// delegated adds an operation that has no native form.
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

// operations has the operations to choose from. The more frequent ones are listed more than once.
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

// choices returns n bytes for a seed.
func choices(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}
