package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// guard fills the memory that a kernel must not touch: a NaN that no operation produces, and that shows
// in the results if it is read.
const guard = 0x7fc0beef

// memory provides the arrays of a test, with guards around them.
type memory struct {
	// region returns memory for at least n floats, and where in it an array of n starts.
	region  func(n int) ([]float32, int)
	regions [][]float32
	starts  []int
	lengths []int
}

// floats returns an array of n floats.
func (m *memory) floats(n int) []float32 {
	all, start := m.region(n)
	for i := range all {
		all[i] = math.Float32frombits(guard)
	}
	m.regions = append(m.regions, all)
	m.starts = append(m.starts, start)
	m.lengths = append(m.lengths, n)
	return all[start : start+n : start+n]
}

// copy returns an array with a copy of x.
func (m *memory) copy(x []float32) []float32 {
	y := m.floats(len(x))
	copy(y, x)
	return y
}

// check fails the test if a guard has changed, and releases the arrays.
func (m *memory) check(t *testing.T) {
	t.Helper()
	for k, all := range m.regions {
		for i, x := range all {
			if i -= m.starts[k]; (i < 0 || i >= m.lengths[k]) && math.Float32bits(x) != guard {
				t.Fatalf("wrote element %d of an array of %d", i, m.lengths[k])
			}
		}
	}
	m.regions, m.starts, m.lengths = m.regions[:0], m.starts[:0], m.lengths[:0]
}

// ptr returns the address of x. For an empty x it is an address that must not be accessed.
func ptr(x []float32) *float32 {
	return unsafe.SliceData(x)
}

// forEach runs a test with every set, in every kind of memory.
func forEach(t *testing.T, test func(t *testing.T, s *Set, m *memory, rng *rand.Rand)) {
	for _, s := range Available() {
		for _, kind := range memories {
			t.Run(s.Name+"/"+kind.name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				test(t, s, &memory{region: kind.region(t, rng)}, rng)
			})
		}
	}
}

// memoryKind is a way of placing arrays in memory.
type memoryKind struct {
	name   string
	region func(t *testing.T, rng *rand.Rand) func(n int) ([]float32, int)
}

// heap places arrays at random multiples of the size of a float.
var heap = memoryKind{"heap", func(_ *testing.T, rng *rand.Rand) func(int) ([]float32, int) {
	return func(n int) ([]float32, int) {
		const around = 32
		start := around + rng.IntN(16)
		return make([]float32, start+n+around), start
	}
}}

// lengths returns the lengths of the arrays to test, which cover all paths through the loops.
func lengths() []int {
	var n []int
	for i := range 71 {
		n = append(n, i)
	}
	return append(n, 127, 128, 129, 255, 256, 300, 1000)
}

// specials are special float32 values.
var specials = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, math.MaxFloat32, -math.MaxFloat32,
	math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1p-126, -0x1p-126,
	float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), -float32(math.NaN()),
}

// value returns a float of any kind.
func value(rng *rand.Rand) float32 {
	switch rng.IntN(4) {
	case 0:
		return specials[rng.IntN(len(specials))]
	case 1:
		return float32(rng.IntN(3)) // often equal to another
	case 2:
		return math.Float32frombits(rng.Uint32())
	default:
		return float32(rng.NormFloat64())
	}
}

// values returns n floats of any kind.
func values(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = value(rng)
	}
	return x
}

// whole returns n small integers, whose sums of products are exact in any order.
func whole(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.IntN(9) - 4)
	}
	return x
}

// same reports whether two floats are equal or both NaN.
func same(x, y float32) bool {
	return x == y || x != x && y != y
}

func sameBits(x, y float32) bool {
	return math.Float32bits(x) == math.Float32bits(y)
}

// truth returns the mask of a condition.
func truth(is bool) float32 {
	if is {
		return math.Float32frombits(math.MaxUint32)
	}
	return 0
}

// bitwiseOf turns an operation on bits into one on floats.
func bitwiseOf(f func(x, y uint32) uint32) func(x ...float32) float32 {
	return func(x ...float32) float32 {
		return math.Float32frombits(f(math.Float32bits(x[0]), math.Float32bits(x[1])))
	}
}

func TestElementwise(t *testing.T) {
	type operands [4]*float32 // dst and then sources
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		unary := func(f func(dst, a *float32, n int)) func(operands, int) {
			return func(p operands, n int) { f(p[0], p[1], n) }
		}
		binary := func(f func(dst, a, b *float32, n int)) func(operands, int) {
			return func(p operands, n int) { f(p[0], p[1], p[2], n) }
		}
		ternary := func(f func(dst, a, b, c *float32, n int)) func(operands, int) {
			return func(p operands, n int) { f(p[0], p[1], p[2], p[3], n) }
		}
		for _, op := range []struct {
			name    string
			sources int
			do      func(operands, int)
			want    func(x ...float32) float32
			same    func(x, y float32) bool
		}{
			// In float64 these are exact or nearly so. Rounding them once more to float32
			// gives the results of float32 arithmetic.
			{"Add", 2, binary(s.Add), func(x ...float32) float32 { return float32(float64(x[0]) + float64(x[1])) }, same},
			{"Sub", 2, binary(s.Sub), func(x ...float32) float32 { return float32(float64(x[0]) - float64(x[1])) }, same},
			{"Mul", 2, binary(s.Mul), func(x ...float32) float32 { return float32(float64(x[0]) * float64(x[1])) }, same},
			{"Div", 2, binary(s.Div), func(x ...float32) float32 { return float32(float64(x[0]) / float64(x[1])) }, same},
			{"Max", 2, binary(s.Max), func(x ...float32) float32 { return max(x[0], x[1]) }, same},
			{"Min", 2, binary(s.Min), func(x ...float32) float32 { return min(x[0], x[1]) }, same},
			{"Equal", 2, binary(s.Equal), func(x ...float32) float32 { return truth(x[0] == x[1]) }, sameBits},
			{"NotEqual", 2, binary(s.NotEqual), func(x ...float32) float32 { return truth(x[0] != x[1]) }, sameBits},
			{"Less", 2, binary(s.Less), func(x ...float32) float32 { return truth(x[0] < x[1]) }, sameBits},
			{"LessEqual", 2, binary(s.LessEqual), func(x ...float32) float32 { return truth(x[0] <= x[1]) }, sameBits},
			{"And", 2, binary(s.And), bitwiseOf(func(x, y uint32) uint32 { return x & y }), sameBits},
			{"Or", 2, binary(s.Or), bitwiseOf(func(x, y uint32) uint32 { return x | y }), sameBits},
			{"Xor", 2, binary(s.Xor), bitwiseOf(func(x, y uint32) uint32 { return x ^ y }), sameBits},
			{"AndNot", 2, binary(s.AndNot), bitwiseOf(func(x, y uint32) uint32 { return x &^ y }), sameBits},
			{"Select", 3, ternary(s.Select), func(x ...float32) float32 {
				mask, a, b := math.Float32bits(x[0]), math.Float32bits(x[1]), math.Float32bits(x[2])
				return math.Float32frombits(mask&a | b&^mask)
			}, sameBits},
			{"Neg", 1, unary(s.Neg), func(x ...float32) float32 {
				return math.Float32frombits(math.Float32bits(x[0]) ^ 1<<31)
			}, sameBits},
			{"Abs", 1, unary(s.Abs), func(x ...float32) float32 {
				return math.Float32frombits(math.Float32bits(x[0]) &^ (1 << 31))
			}, sameBits},
			{"Sqrt", 1, unary(s.Sqrt), func(x ...float32) float32 { return float32(math.Sqrt(float64(x[0]))) }, same},
			{"Rsqrt", 1, unary(s.Rsqrt), func(x ...float32) float32 { return 1 / float32(math.Sqrt(float64(x[0]))) }, same},
			{"FromMask", 1, unary(s.FromMask), func(x ...float32) float32 {
				return math.Float32frombits(math.Float32bits(x[0]) & math.Float32bits(1))
			}, sameBits},
			{"BFloat16", 1, unary(s.BFloat16), rounded, sameNumbers},
		} {
			for _, n := range lengths() {
				// alias is the source that is the destination too, or 0 for none.
				for alias := range op.sources + 1 {
					var in [3][]float32
					var p operands
					dst := m.floats(n)
					for i := range op.sources {
						in[i] = values(rng, n)
						if alias == i+1 {
							copy(dst, in[i])
							p[i+1] = ptr(dst)
						} else {
							p[i+1] = ptr(m.copy(in[i]))
						}
					}
					p[0] = ptr(dst)
					op.do(p, n)
					for i, got := range dst {
						x := []float32{}
						for _, source := range in[:op.sources] {
							x = append(x, source[i])
						}
						if want := op.want(x...); !op.same(got, want) {
							t.Fatalf("%s(%v) = %v, want %v, at %d of %d", op.name, x, got, want, i, n)
						}
					}
					m.check(t)
				}
			}
		}
	})
}

// rounded returns a value rounded to bfloat16 by GoMLX.
func rounded(x ...float32) float32 {
	if x[0] != x[0] { // GoMLX turns a NaN with a small payload into an infinity
		return x[0]
	}
	return bfloat16.FromFloat32(x[0]).Float32()
}

// sameNumbers reports whether two floats are the same to the bit, or both NaN.
func sameNumbers(x, y float32) bool { return sameBits(x, y) || x != x && y != y }

// A bfloat16 is the upper half of a float32. Ties round to even, carries reach the exponent and infinity,
// and NaN stays NaN.
func TestBFloat16(t *testing.T) {
	for _, s := range Available() {
		var bits, dst []float32
		for upper := range uint32(1 << 16) {
			for _, lower := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
				bits = append(bits, math.Float32frombits(upper<<16|lower))
			}
		}
		dst = make([]float32, len(bits))
		s.BFloat16(&dst[0], &bits[0], len(bits))
		for i, got := range dst {
			if want := rounded(bits[i]); !sameNumbers(got, want) {
				t.Fatalf("%s: BFloat16(%#x) = %#x, want %#x", s.Name, math.Float32bits(bits[i]), math.Float32bits(got), math.Float32bits(want))
			}
			if math.Float32bits(got)&0xffff != 0 {
				t.Fatalf("%s: BFloat16(%#x) = %#x, whose lower half is not 0", s.Name, math.Float32bits(bits[i]), math.Float32bits(got))
			}
		}
	}
}

func TestMulAdd(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		for _, n := range lengths() {
			a, b, c, dst := values(rng, n), values(rng, n), values(rng, n), m.floats(n)
			s.MulAdd(ptr(dst), ptr(m.copy(a)), ptr(m.copy(b)), ptr(m.copy(c)), n)
			for i, got := range dst {
				x, y, z := float64(a[i]), float64(b[i]), float64(c[i])
				want := math.FMA(x, y, z)
				// At most two roundings: of the product and of the sum.
				limit := (math.Abs(x*y)+math.Abs(want))*0x1p-24 + 0x1p-149
				if s.Name == "portable" && math.Abs(x*y) > math.MaxFloat32 {
					continue // the product may be infinite
				}
				if !same(got, float32(want)) && !(math.Abs(float64(got)-want) <= limit) {
					t.Fatalf("MulAdd(%v, %v, %v) = %v, want %v", a[i], b[i], c[i], got, want)
				}
			}
			m.check(t)
		}
		// Cancellation shows whether the product is rounded.
		x, y := float32(1+0x1p-12), float32(-1-0x1p-11)
		var got float32
		s.MulAdd(&got, &x, &x, &y, 1)
		if s.Name != "portable" && got != 0x1p-24 {
			t.Errorf("MulAdd isn't fused: %v", got)
		}
	})
}

func TestExp(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		check := func(x []float32) {
			t.Helper()
			dst := m.floats(len(x))
			s.Exp(ptr(dst), ptr(m.copy(x)), len(x))
			m.check(t)
			for i, got := range dst {
				exact := math.Exp(float64(x[i]))
				want := float32(exact)
				ulp := float64(math.Nextafter32(want, float32(math.Inf(1)))) - float64(want)
				if !same(got, want) && !(math.Abs(float64(got)-exact) <= 2*ulp) {
					t.Fatalf("Exp(%v) = %v, want %v", x[i], got, exact)
				}
			}
		}
		for _, n := range lengths() {
			check(values(rng, n))
		}
		check(specials)
		var sweep []float32
		for x := float32(-106); x < 91; x += 0x1p-7 + 0x1p-12 {
			sweep = append(sweep, x)
		}
		check(sweep)
		// Around the limits.
		for _, around := range []float32{88.72284, -87.33655, -103.97208, 89, -104} {
			lo, hi := around, around
			sweep = sweep[:0]
			for range 40 {
				lo, hi = math.Nextafter32(lo, -200), math.Nextafter32(hi, 200)
				sweep = append(sweep, lo, hi)
			}
			check(sweep)
		}
		x := append([]float32(nil), sweep...)
		s.Exp(&x[0], &x[0], len(x))
		want := make([]float32, len(x))
		s.Exp(&want[0], &sweep[0], len(x))
		for i := range x {
			if x[i] != want[i] {
				t.Fatalf("Exp in place of %v = %v, want %v", sweep[i], x[i], want[i])
			}
		}
	})
}

func TestFill(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		for _, n := range lengths() {
			dst, want := m.floats(n), value(rng)
			s.Fill(ptr(dst), want, n)
			for i, got := range dst {
				if !same(got, want) {
					t.Fatalf("Fill made %v, want %v, at %d of %d", got, want, i, n)
				}
			}
			m.check(t)
		}
	})
}

func TestFromBytes(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		for _, n := range lengths() {
			// The bytes are at the start or the end of an array of floats.
			room := m.floats((n + 3) / 4)
			all := unsafe.Slice((*byte)(unsafe.Pointer(ptr(room))), 4*len(room))
			for i := range all {
				all[i] = byte(rng.IntN(256))
			}
			src := all[rng.IntN(2)*(len(all)-n):][:n]
			dst := m.floats(n)
			s.FromBytes(ptr(dst), unsafe.SliceData(src), n)
			for i, got := range dst {
				if got != float32(src[i]) {
					t.Fatalf("FromBytes(%d) = %v, at %d of %d", src[i], got, i, n)
				}
			}
			m.check(t)
		}
	})
}

func TestSums(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		test := func(cols, rows int) {
			t.Helper()
			start, mean := whole(rng, cols), whole(rng, cols)
			a, b := whole(rng, cols*rows), whole(rng, cols*rows)
			pa, pb, pm := ptr(m.copy(a)), ptr(m.copy(b)), ptr(m.copy(mean))
			for _, f := range []struct {
				name string
				do   func(acc *float32)
				term func(i, j int) float32
			}{
				{"SumRows", func(acc *float32) { s.SumRows(acc, pa, cols, rows) },
					func(i, _ int) float32 { return a[i] }},
				{"DotRows", func(acc *float32) { s.DotRows(acc, pa, pb, cols, rows) },
					func(i, _ int) float32 { return a[i] * b[i] }},
				{"MomentRows", func(acc *float32) { s.MomentRows(acc, pm, pa, cols, rows) },
					func(i, j int) float32 { return (a[i] - mean[j]) * (a[i] - mean[j]) }},
			} {
				acc := m.copy(start)
				f.do(ptr(acc))
				for j, got := range acc {
					want := start[j]
					for r := range rows {
						want += f.term(r*cols+j, j)
					}
					if got != want {
						t.Fatalf("%s of %d by %d: %v in column %d, want %v", f.name, rows, cols, got, j, want)
					}
				}
			}
			m.check(t)
		}
		for _, n := range append(lengths(), 5000) {
			test(1, n)
			for _, rows := range []int{0, 1, 2, 5} {
				test(n+1, rows)
			}
		}
		test(64, 77)
		test(3, 200)
	})
}

func TestRows(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		for _, shape := range s.Shapes {
			test := func(taps, run int, add bool) {
				t.Helper()
				size := run + rng.IntN(3*run)
				a := whole(rng, size)
				b := whole(rng, taps*run*shape.NR)
				off := make([]int32, taps*shape.MR)
				for i := range off {
					switch rng.IntN(4) {
					case 0:
						off[i] = -1
					case 1:
						off[i] = -int32(rng.Uint32N(math.MaxInt32)) - 1
					default:
						off[i] = int32(rng.IntN(size - run + 1))
					}
				}
				// The rows of C are in random order, with gaps between them.
				stride := shape.NR + rng.IntN(4)
				start := whole(rng, shape.MR*stride)
				cOff := make([]int32, shape.MR)
				for i, k := range rng.Perm(shape.MR) {
					cOff[i] = int32(k * stride)
				}
				c := m.copy(start)
				shape.Rows(&Rows{
					A: ptr(m.copy(a)), Zero: ptr(m.copy(make([]float32, run))), Off: &off[0], Taps: taps, Run: run,
					B: ptr(m.copy(b)), C: ptr(c), COff: &cOff[0], Add: add,
				})
				want := start
				for i := range shape.MR {
					for j := range shape.NR {
						var sum float32
						for k := range taps {
							if off[k*shape.MR+i] < 0 {
								continue
							}
							for r := range run {
								sum += a[int(off[k*shape.MR+i])+r] * b[(k*run+r)*shape.NR+j]
							}
						}
						if at := int(cOff[i]) + j; add {
							want[at] += sum
						} else {
							want[at] = sum
						}
					}
				}
				diff(t, c, want, fmt.Sprintf("Rows %d by %d, %d taps of %d, add %v", shape.MR, shape.NR, taps, run, add))
				m.check(t)
			}
			for taps := 1; taps <= 9; taps++ {
				for run := 1; run <= 40; run++ {
					test(taps, run, run%2 == taps%2)
				}
			}
			for run := 1; run <= 9; run++ {
				test(1, run, run%2 == 0)
			}
			test(1, 576, false)
			test(9, 512, true)
		}
	})
}

func TestCols(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		for _, shape := range s.Shapes {
			if len(shape.Cols) != shape.MR {
				t.Fatalf("%d by %d has %d cols kernels", shape.MR, shape.NR, len(shape.Cols))
			}
			for i, kernel := range shape.Cols {
				rows := i + 1
				for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 63, 1000} {
					for _, add := range []bool{false, true} {
						a, b := whole(rng, rows+rng.IntN(20)), whole(rng, shape.NR+rng.IntN(20))
						off := make([]int32, 2*n+1)[:2*n]
						for k := range n {
							off[2*k] = int32(rng.IntN(len(a) - rows + 1))
							off[2*k+1] = int32(rng.IntN(len(b) - shape.NR + 1))
						}
						ldc := shape.NR + rng.IntN(4)
						start := whole(rng, (rows-1)*ldc+shape.NR)
						c := m.copy(start)
						kernel(&Cols{
							A: ptr(m.copy(a)), B: ptr(m.copy(b)), Off: unsafe.SliceData(off), N: n,
							C: ptr(c), LDC: ldc, Add: add,
						})
						want := start
						for i := range rows {
							for j := range shape.NR {
								var sum float32
								for k := range n {
									sum += a[int(off[2*k])+i] * b[int(off[2*k+1])+j]
								}
								if add {
									want[i*ldc+j] += sum
								} else {
									want[i*ldc+j] = sum
								}
							}
						}
						diff(t, c, want, fmt.Sprintf("Cols %d of %d by %d, n %d, add %v", rows, shape.MR, shape.NR, n, add))
						m.check(t)
					}
				}
			}
		}
	})
}

// diff fails the test if two arrays differ.
func diff(t *testing.T, got, want []float32, what string) {
	t.Helper()
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: %v at %d, want %v", what, got[i], i, want[i])
		}
	}
}

// tiles are the transforms of Winograd's algorithm, with their matrices.
var tiles = []struct {
	name    string
	matrix  [][]float32
	gathers bool
	of      func(*Set) func(*Tile)
}{
	{"input", shape.WinogradInput, true, func(s *Set) func(*Tile) { return s.WinogradInput }},
	{"taps", shape.WinogradTaps, true, func(s *Set) func(*Tile) { return s.WinogradTaps }},
	{"delta", shape.WinogradDelta, true, func(s *Set) func(*Tile) { return s.WinogradDelta }},
	{"output", shape.WinogradOutput, false, func(s *Set) func(*Tile) { return s.WinogradOutput }},
	{"sum", shape.WinogradSum, false, func(s *Set) func(*Tile) { return s.WinogradSum }},
}

// TestTiles compares the transforms with their definition, in float64, on tiles at the edges of an image.
func TestTiles(t *testing.T) {
	forEach(t, func(t *testing.T, s *Set, m *memory, rng *rand.Rand) {
		for _, tile := range tiles {
			to, from := len(tile.matrix), len(tile.matrix[0])
			side := to // of the square of pixels
			if tile.gathers {
				side = from
			}
			for _, n := range []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 70} {
				plane := n + rng.IntN(5)
				pixels := make([]float32, side*side*n)
				planes := make([]float32, 35*plane+n)
				for _, list := range [][]float32{pixels, planes} {
					for i := range list {
						list[i] = float32(rng.NormFloat64())
					}
				}
				off := make([]int32, side*side)
				for i, place := range rng.Perm(side * side) { // no two pixels are in one place
					off[i] = int32(place * n)
					if rng.IntN(4) == 0 {
						off[i] = -1 - int32(rng.Uint32N(math.MaxInt32))
					}
				}
				gotPixels, gotPlanes := m.copy(pixels), m.copy(planes)
				tile.of(s)(&Tile{
					Pixels: ptr(gotPixels), Off: &off[0], Outside: ptr(m.copy(make([]float32, n))), Planes: ptr(gotPlanes), Plane: plane,
					N: n, Room: ptr(m.floats(36 * s.Lanes)),
				})
				wantPixels, wantPlanes := slices.Clone(pixels), slices.Clone(planes)
				for c := range n {
					at := func(i int) float64 {
						if !tile.gathers {
							return float64(planes[i*plane+c])
						}
						if off[i] < 0 {
							return 0
						}
						return float64(pixels[int(off[i])+c])
					}
					for i := range to * to {
						sum := 0.0
						for j := range from * from {
							sum += float64(tile.matrix[i/to][j/from]) * at(j) * float64(tile.matrix[i%to][j%from])
						}
						if tile.gathers {
							wantPlanes[i*plane+c] = float32(sum)
						} else if off[i] >= 0 {
							wantPixels[int(off[i])+c] = float32(sum)
						}
					}
				}
				for _, pair := range [][2][]float32{{gotPixels, wantPixels}, {gotPlanes, wantPlanes}} {
					for i, want := range pair[1] {
						if got := pair[0][i]; !(math.Abs(float64(got-want)) <= 2e-5) {
							t.Fatalf("%s of %d channels: [%d] is %g, want %g", tile.name, n, i, got, want)
						}
					}
				}
				m.check(t)
			}
		}
	})
}

func TestShapes(t *testing.T) {
	for _, s := range Available() {
		for i, shape := range s.Shapes {
			if i > 0 && shape.NR >= s.Shapes[i-1].NR {
				t.Errorf("%s: a shape of %d columns comes after one of %d", s.Name, shape.NR, s.Shapes[i-1].NR)
			}
		}
	}
}

// Prefetching changes nothing and accepts any address.
func TestPrefetch(t *testing.T) {
	for _, k := range Available() {
		x := []float32{1, 2, 3}
		for _, n := range []int{-1, 0, 1, 3, 1000} {
			k.Prefetch(&x[0], n)
			k.Prefetch(nil, n)
		}
		if x[0] != 1 || x[1] != 2 || x[2] != 3 {
			t.Errorf("%s: prefetching wrote %v", k.Name, x)
		}
	}
}

func TestBurn(t *testing.T) {
	for _, s := range Available() {
		one := s.Burn(1)
		if got := s.Burn(1000); one <= 0 || got != 1000*one {
			t.Errorf("%s: Burn(1000) is %d operations, and Burn(1) %d", s.Name, got, one)
		}
		if got := s.Burn(0); got != 0 {
			t.Errorf("%s: Burn(0) is %d operations", s.Name, got)
		}
	}
}

func TestChoose(t *testing.T) {
	sets := Available()
	if last := sets[len(sets)-1].Name; last != "portable" {
		t.Errorf("the last set is %s", last)
	}
	for _, s := range sets {
		if got, err := Choose(s.Name); got != s || err != nil {
			t.Errorf("Choose(%q) = %v, %v", s.Name, got, err)
		}
	}
	if got, err := Choose(""); got != sets[0] || err != nil {
		t.Errorf("Choose(\"\") = %v, %v", got, err)
	}
	if _, err := Choose("mmx"); err == nil || !strings.Contains(err.Error(), "portable") {
		t.Errorf("Choose(\"mmx\"): %v, want an error that lists the sets", err)
	}
}

// rate reports the speed of a benchmark with flops operations per iteration, and its share of the peak.
func rate(b *testing.B, s *Set, flops int) {
	speed := float64(flops) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(speed/1e9, "GFLOP/s")
	peak := 0.0
	for range 5 {
		start := time.Now()
		done := s.Burn(50_000)
		peak = max(peak, float64(done)/time.Since(start).Seconds())
	}
	b.ReportMetric(100*speed/peak, "%peak")
}

func BenchmarkBurn(b *testing.B) {
	for _, s := range Available() {
		b.Run(s.Name, func(b *testing.B) {
			flops := s.Burn(1)
			for b.Loop() {
				s.Burn(1000)
			}
			b.ReportMetric(float64(1000*flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func BenchmarkRows(b *testing.B) {
	for _, s := range Available() {
		for _, shape := range s.Shapes {
			for _, k := range [][2]int{{1, 9}, {9, 3}, {9, 16}, {1, 64}, {4, 64}, {1, 256}, {1, 576}, {9, 64}} {
				taps, run := k[0], k[1]
				b.Run(fmt.Sprintf("%s/%dx%d/%dx%d", s.Name, shape.MR, shape.NR, taps, run), func(b *testing.B) {
					off, cOff := make([]int32, taps*shape.MR), make([]int32, shape.MR)
					for i := range off {
						off[i] = int32(i%shape.MR+i/shape.MR) * int32(run)
					}
					for i := range cOff {
						cOff[i] = int32(i * shape.NR)
					}
					args := &Rows{
						A: &make([]float32, (shape.MR+taps)*run)[0], Zero: &make([]float32, run)[0], Off: &off[0],
						Taps: taps, Run: run, B: &make([]float32, taps*run*shape.NR)[0],
						C: &make([]float32, shape.MR*shape.NR)[0], COff: &cOff[0],
					}
					for b.Loop() {
						shape.Rows(args)
					}
					rate(b, s, 2*shape.MR*shape.NR*taps*run)
				})
			}
		}
	}
}

func BenchmarkCols(b *testing.B) {
	for _, s := range Available() {
		for _, shape := range s.Shapes {
			for m := 1; m <= shape.MR; m++ {
				b.Run(fmt.Sprintf("%s/%dx%d/m%d", s.Name, shape.MR, shape.NR, m), func(b *testing.B) {
					const n, channels = 128, 16
					off := make([]int32, 2*n)
					for i := range off {
						off[i] = int32(i / 2 * channels)
					}
					args := &Cols{
						A: &make([]float32, n*channels)[0], B: &make([]float32, n*channels)[0], Off: &off[0], N: n,
						C: &make([]float32, shape.MR*shape.NR)[0], LDC: shape.NR,
					}
					for b.Loop() {
						shape.Cols[m-1](args)
					}
					rate(b, s, 2*m*shape.NR*n)
				})
			}
		}
	}
}

func BenchmarkElementwise(b *testing.B) {
	const n = 4096
	x, y, dst := make([]float32, n), make([]float32, n), make([]float32, n)
	for _, s := range Available() {
		for _, f := range []struct {
			name string
			do   func()
		}{
			{"Add", func() { s.Add(&dst[0], &x[0], &y[0], n) }},
			{"Max", func() { s.Max(&dst[0], &x[0], &y[0], n) }},
			{"Less", func() { s.Less(&dst[0], &x[0], &y[0], n) }},
			{"Rsqrt", func() { s.Rsqrt(&dst[0], &x[0], n) }},
			{"Exp", func() { s.Exp(&dst[0], &x[0], n) }},
			{"BFloat16", func() { s.BFloat16(&dst[0], &x[0], n) }},
			{"SumRows64", func() { s.SumRows(&dst[0], &x[0], 64, n/64) }},
			{"SumRows1", func() { s.SumRows(&dst[0], &x[0], 1, n) }},
			{"DotRows64", func() { s.DotRows(&dst[0], &x[0], &y[0], 64, n/64) }},
			{"MomentRows64", func() { s.MomentRows(&dst[0], &y[0], &x[0], 64, n/64) }},
			{"MomentRows16", func() { s.MomentRows(&dst[0], &y[0], &x[0], 16, n/16) }},
		} {
			b.Run(s.Name+"/"+f.name, func(b *testing.B) {
				for b.Loop() {
					f.do()
				}
				b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		}
	}
}
