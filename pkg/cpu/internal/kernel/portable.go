package kernel

import (
	"math"
	"runtime"
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// portable is the set of kernels in Go.
var portable = Set{
	Name:   "portable",
	Lanes:  1,
	Shapes: []Shape{{MR: portableMR, NR: portableNR, Rows: rowsPortable, Cols: colsPortable()}},

	WinogradInput:  gatherTile(shape.WinogradInput),
	WinogradTaps:   gatherTile(shape.WinogradTaps),
	WinogradDelta:  gatherTile(shape.WinogradDelta),
	WinogradOutput: scatterTile(shape.WinogradOutput),
	WinogradSum:    scatterTile(shape.WinogradSum),

	Add: func(dst, a, b *float32, n int) { binary(dst, a, b, n, func(x, y float32) float32 { return x + y }) },
	Sub: func(dst, a, b *float32, n int) { binary(dst, a, b, n, func(x, y float32) float32 { return x - y }) },
	Mul: func(dst, a, b *float32, n int) { binary(dst, a, b, n, func(x, y float32) float32 { return x * y }) },
	Div: func(dst, a, b *float32, n int) { binary(dst, a, b, n, func(x, y float32) float32 { return x / y }) },
	Max: func(dst, a, b *float32, n int) { binary(dst, a, b, n, func(x, y float32) float32 { return max(x, y) }) },
	Min: func(dst, a, b *float32, n int) { binary(dst, a, b, n, func(x, y float32) float32 { return min(x, y) }) },

	Equal:     func(dst, a, b *float32, n int) { compare(dst, a, b, n, func(x, y float32) bool { return x == y }) },
	NotEqual:  func(dst, a, b *float32, n int) { compare(dst, a, b, n, func(x, y float32) bool { return x != y }) },
	Less:      func(dst, a, b *float32, n int) { compare(dst, a, b, n, func(x, y float32) bool { return x < y }) },
	LessEqual: func(dst, a, b *float32, n int) { compare(dst, a, b, n, func(x, y float32) bool { return x <= y }) },

	And:    func(dst, a, b *float32, n int) { bitwise(dst, a, b, n, func(x, y uint32) uint32 { return x & y }) },
	Or:     func(dst, a, b *float32, n int) { bitwise(dst, a, b, n, func(x, y uint32) uint32 { return x | y }) },
	Xor:    func(dst, a, b *float32, n int) { bitwise(dst, a, b, n, func(x, y uint32) uint32 { return x ^ y }) },
	AndNot: func(dst, a, b *float32, n int) { bitwise(dst, a, b, n, func(x, y uint32) uint32 { return x &^ y }) },

	Select: selectPortable,
	MulAdd: mulAddPortable,

	Neg: func(dst, a *float32, n int) { unary(dst, a, n, func(x float32) float32 { return -x }) },
	Abs: func(dst, a *float32, n int) {
		unary(dst, a, n, func(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) })
	},
	Sqrt:  func(dst, a *float32, n int) { unary(dst, a, n, sqrt) },
	Rsqrt: func(dst, a *float32, n int) { unary(dst, a, n, func(x float32) float32 { return 1 / sqrt(x) }) },
	Exp: func(dst, a *float32, n int) {
		unary(dst, a, n, func(x float32) float32 { return float32(math.Exp(float64(x))) })
	},

	BFloat16: func(dst, a *float32, n int) { unary(dst, a, n, toBFloat16) },

	Fill:      fillPortable,
	FromBytes: fromBytesPortable,
	FromMask:  fromMaskPortable,

	SumRows:    sumRowsPortable,
	DotRows:    dotRowsPortable,
	MomentRows: momentRowsPortable,

	Prefetch: prefetchPortable,

	Burn: burnPortable,
}

// The micro-kernel of the portable set is small enough for the compiler to keep it in registers.
const portableMR, portableNR = 2, 4

// at returns the n elements starting i elements after p.
func at[T any](p *T, i, n int) []T {
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(p), i*int(unsafe.Sizeof(*p)))), n)
}

// bits returns the n elements starting at p as bit patterns.
func bits(p *float32, n int) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(p)), n)
}

// sqrt compiles to a single float32 instruction.
func sqrt(x float32) float32 {
	return float32(math.Sqrt(float64(x)))
}

// toBFloat16 rounds to bfloat16, the upper half of a float32.
func toBFloat16(x float32) float32 {
	bits := math.Float32bits(x)
	if x != x {
		bits |= 1 << 22 // keep NaN a NaN, whatever its payload
	} else {
		bits += 0x7fff + bits>>16&1
	}
	return math.Float32frombits(bits &^ 0xffff)
}

// The elementwise loops are small enough for the compiler to inline them, and with them the
// function that they apply.

func unary(dst, a *float32, n int, f func(float32) float32) {
	d, x := unsafe.Slice(dst, n), unsafe.Slice(a, n)
	for i := range d {
		d[i] = f(x[i])
	}
}

func binary(dst, a, b *float32, n int, f func(x, y float32) float32) {
	d, x, y := unsafe.Slice(dst, n), unsafe.Slice(a, n), unsafe.Slice(b, n)
	for i := range d {
		d[i] = f(x[i], y[i])
	}
}

func bitwise(dst, a, b *float32, n int, f func(x, y uint32) uint32) {
	d, x, y := bits(dst, n), bits(a, n), bits(b, n)
	for i := range d {
		d[i] = f(x[i], y[i])
	}
}

func compare(dst, a, b *float32, n int, f func(x, y float32) bool) {
	d, x, y := bits(dst, n), unsafe.Slice(a, n), unsafe.Slice(b, n)
	for i := range d {
		var mask uint32
		if f(x[i], y[i]) {
			mask = math.MaxUint32
		}
		d[i] = mask
	}
}

func selectPortable(dst, mask, a, b *float32, n int) {
	d, m, x, y := bits(dst, n), bits(mask, n), bits(a, n), bits(b, n)
	for i := range d {
		d[i] = m[i]&x[i] | y[i]&^m[i]
	}
}

func mulAddPortable(dst, a, b, c *float32, n int) {
	d, x, y, z := unsafe.Slice(dst, n), unsafe.Slice(a, n), unsafe.Slice(b, n), unsafe.Slice(c, n)
	for i := range d {
		d[i] = x[i]*y[i] + z[i]
	}
}

func fillPortable(dst *float32, value float32, n int) {
	d := unsafe.Slice(dst, n)
	for i := range d {
		d[i] = value
	}
}

func fromBytesPortable(dst *float32, src *byte, n int) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(src, n)
	for i := range d {
		d[i] = float32(s[i])
	}
}

func fromMaskPortable(dst, mask *float32, n int) {
	d, m := bits(dst, n), bits(mask, n)
	one := math.Float32bits(1)
	for i := range d {
		d[i] = m[i] & one
	}
}

func sumRowsPortable(acc, x *float32, cols, rows int) {
	if cols == 1 {
		// Sum in lanes, as the vector sets do: this is faster and more precise.
		wide := rows / sumLanes
		var s [sumLanes]float32
		sumRowsPortable(&s[0], x, sumLanes, wide)
		for _, v := range s {
			*acc += v
		}
		x, rows = tail(x, wide*sumLanes, rows)
	}
	sum := unsafe.Slice(acc, cols)
	all := unsafe.Slice(x, rows*cols)
	for ; len(all) > 0; all = all[cols:] {
		row := all[:len(sum)]
		for j := range sum {
			sum[j] += row[j]
		}
	}
}

func dotRowsPortable(acc, a, b *float32, cols, rows int) {
	if cols == 1 {
		wide := rows / sumLanes
		var s [sumLanes]float32
		dotRowsPortable(&s[0], a, b, sumLanes, wide)
		for _, v := range s {
			*acc += v
		}
		a, _ = tail(a, wide*sumLanes, rows)
		b, rows = tail(b, wide*sumLanes, rows)
	}
	sum := unsafe.Slice(acc, cols)
	x, y := unsafe.Slice(a, rows*cols), unsafe.Slice(b, rows*cols)
	for ; len(x) > 0; x, y = x[cols:], y[cols:] {
		xr, yr := x[:len(sum)], y[:len(sum)]
		for j := range sum {
			sum[j] += xr[j] * yr[j]
		}
	}
}

func momentRowsPortable(acc, mean, x *float32, cols, rows int) {
	if cols == 1 {
		wide := rows / sumLanes
		var s, m [sumLanes]float32
		fillPortable(&m[0], *mean, sumLanes)
		momentRowsPortable(&s[0], &m[0], x, sumLanes, wide)
		for _, v := range s {
			*acc += v
		}
		x, rows = tail(x, wide*sumLanes, rows)
	}
	sum, mu := unsafe.Slice(acc, cols), unsafe.Slice(mean, cols)
	all := unsafe.Slice(x, rows*cols)
	for ; len(all) > 0; all = all[cols:] {
		row := all[:len(sum)]
		for j := range sum {
			d := row[j] - mu[j]
			sum[j] += d * d
		}
	}
}

// sumLanes is the number of partial sums of a single column in the portable set.
const sumLanes = 8

// tail returns the elements after the first i of n, and their number. If there are none it returns
// p: a pointer past the end of an array would point to another object.
func tail(p *float32, i, n int) (*float32, int) {
	if i == n {
		return p, 0
	}
	return &at(p, i, 1)[0], n - i
}

// quad is a row of results or of B. The compiler keeps the fields of such a small struct in
// registers, but not the elements of an array.
type quad struct{ x0, x1, x2, x3 float32 }

// quadAt returns the quad starting i elements after p.
func quadAt(p *float32, i int) quad {
	x := (*[4]float32)(at(p, i, 4))
	return quad{x[0], x[1], x[2], x[3]}
}

// plus returns q + a*b.
func (q quad) plus(a float32, b quad) quad {
	return quad{q.x0 + a*b.x0, q.x1 + a*b.x1, q.x2 + a*b.x2, q.x3 + a*b.x3}
}

// store writes q to the four elements starting i elements after p, or adds it to them.
func (q quad) store(p *float32, i int, add bool) {
	if add {
		q = q.plus(1, quadAt(p, i))
	}
	*(*[4]float32)(at(p, i, 4)) = [4]float32{q.x0, q.x1, q.x2, q.x3}
}

// rowsPortable is the "rows" kernel.
func rowsPortable(args *Rows) {
	off := unsafe.Slice(args.Off, args.Taps*portableMR)
	run := func(i int) []float32 {
		if off[i] < 0 {
			return unsafe.Slice(args.Zero, args.Run)
		}
		return at(args.A, int(off[i]), args.Run)
	}
	b := unsafe.Slice(args.B, args.Taps*args.Run*portableNR)
	var s0, s1 quad
	for ; len(off) > 0; off = off[portableMR:] {
		a0, a1 := run(0), run(1)
		a1 = a1[:len(a0)]
		panel := b[:len(a0)*portableNR]
		for r := range a0 {
			v := quad{panel[0], panel[1], panel[2], panel[3]}
			s0 = s0.plus(a0[r], v)
			s1 = s1.plus(a1[r], v)
			panel = panel[portableNR:]
		}
		b = b[len(a0)*portableNR:]
	}
	c := unsafe.Slice(args.COff, portableMR)
	for i, s := range [...]quad{s0, s1} {
		s.store(args.C, int(c[i]), args.Add)
	}
}

// colsPortable returns the "cols" kernels for 1 to portableMR rows.
func colsPortable() []func(*Cols) {
	kernels := make([]func(*Cols), portableMR)
	for i := range kernels {
		kernels[i] = func(args *Cols) { colsRows(args, i+1) }
	}
	return kernels
}

// colsRows is the "cols" kernel for m rows.
func colsRows(args *Cols, m int) {
	off := unsafe.Slice(args.Off, 2*args.N)
	for i := range m {
		var s quad
		for k := 0; k+1 < len(off); k += 2 {
			s = s.plus(at(args.A, int(off[k])+i, 1)[0], quadAt(args.B, int(off[k+1])))
		}
		s.store(args.C, i*args.LDC, args.Add)
	}
}

func burnPortable(iterations int) (flops int) {
	var s, t quad
	x := quad{1, 1, 1, 1}
	for range iterations {
		s = s.plus(0.5, x)
		t = t.plus(0.5, x)
	}
	// Use the sums, so that the compiler does not remove their computation.
	var kept [8]float32
	s.store(&kept[0], 0, false)
	t.store(&kept[0], 4, false)
	runtime.KeepAlive(&kept)
	return iterations * 2 * 8
}

// gatherTile returns the transform M X Mᵀ of pixels to planes.
func gatherTile(m [][]float32) func(*Tile) {
	return func(args *Tile) {
		from, to := len(m[0]), len(m)
		off := at(args.Off, 0, from*from)
		var x, y [36]float32
		for c := range args.N {
			for i, o := range off {
				if o < 0 {
					x[i] = at(args.Outside, c, 1)[0]
				} else {
					x[i] = at(args.Pixels, int(o)+c, 1)[0]
				}
			}
			transformTile(m, &x, &y)
			for i := range to * to {
				at(args.Planes, i*args.Plane+c, 1)[0] = y[i]
			}
		}
	}
}

// scatterTile returns the transform M X Mᵀ of planes to pixels.
func scatterTile(m [][]float32) func(*Tile) {
	return func(args *Tile) {
		from, to := len(m[0]), len(m)
		off := at(args.Off, 0, to*to)
		var x, y [36]float32
		for c := range args.N {
			for i := range from * from {
				x[i] = at(args.Planes, i*args.Plane+c, 1)[0]
			}
			transformTile(m, &x, &y)
			for i, o := range off {
				if o < 0 {
					at(args.Outside, c, 1)[0] = y[i]
				} else {
					at(args.Pixels, int(o)+c, 1)[0] = y[i]
				}
			}
		}
	}
}

// transformTile sets y to M x Mᵀ.
func transformTile(m [][]float32, x, y *[36]float32) {
	from, to := len(m[0]), len(m)
	var half [36]float32
	for i, row := range m {
		for j := range from {
			var sum float32
			for k, a := range row {
				sum += a * x[k*from+j]
			}
			half[i*from+j] = sum
		}
	}
	for i := range to {
		for j, row := range m {
			var sum float32
			for k, a := range row {
				sum += a * half[i*from+k]
			}
			y[i*to+j] = sum
		}
	}
}

// prefetchPortable does nothing: the processor fetches what is read.
func prefetchPortable(*float32, int) {}
