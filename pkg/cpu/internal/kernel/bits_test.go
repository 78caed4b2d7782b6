package kernel

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// AVX2 and NEON compute the same bits: sums are in the same order, and every operation rounds in the same
// way. No machine has both, so each is compared with the results that both had when this was written.
func TestBitsOfAVX2AndNEON(t *testing.T) {
	var set *Set
	for _, s := range Available() {
		if s.Name == "avx2" || s.Name == "neon" {
			set = s
		}
	}
	if set == nil {
		t.Skip("this machine has neither AVX2 nor NEON")
	}
	for name, got := range bitsOf(set) {
		if want := bitsOfBoth[name]; got != want {
			t.Errorf("%s: the results of %s have the hash %#016x, want %#016x", set.Name, name, got, want)
		}
	}
}

// bitsOf returns a hash of the results of each kernel for many sizes of random operands.
func bitsOf(s *Set) map[string]uint64 {
	rng := rand.New(rand.NewPCG(3, 4))
	// random returns n numbers of different magnitude, made by exact operations.
	random := func(n int) []float32 {
		x := make([]float32, n+1) // so that there is a first element even if n is 0
		for i := range x {
			x[i] = float32(math.Ldexp(float64(rng.IntN(1<<24)-1<<23), rng.IntN(8)-26))
		}
		return x
	}
	hashes := map[string]hash.Hash64{}
	note := func(name string, x []float32) {
		if hashes[name] == nil {
			hashes[name] = fnv.New64a()
		}
		hashes[name].Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))) // both are little-endian
	}
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 1000} {
		a, b, c := random(n), random(n), random(n)
		dst := make([]float32, n+1)
		unary := func(name string, f func(dst, a *float32, n int)) {
			f(&dst[0], &a[0], n)
			note(name, dst[:n])
		}
		two := func(name string, f func(dst, a, b *float32, n int)) {
			f(&dst[0], &a[0], &b[0], n)
			note(name, dst[:n])
		}
		three := func(name string, f func(dst, a, b, c *float32, n int)) {
			f(&dst[0], &a[0], &b[0], &c[0], n)
			note(name, dst[:n])
		}
		two("Add", s.Add)
		two("Sub", s.Sub)
		two("Mul", s.Mul)
		two("Div", s.Div)
		two("Max", s.Max)
		two("Min", s.Min)
		two("Equal", s.Equal)
		two("NotEqual", s.NotEqual)
		two("Less", s.Less)
		two("LessEqual", s.LessEqual)
		two("And", s.And)
		two("Or", s.Or)
		two("Xor", s.Xor)
		two("AndNot", s.AndNot)
		three("Select", s.Select)
		three("MulAdd", s.MulAdd)
		unary("Exp", s.Exp)
		unary("BFloat16", s.BFloat16)
		unary("Neg", s.Neg)
		unary("FromMask", s.FromMask)
		unary("Abs", s.Abs)
		copy(a, dst)
		unary("Sqrt", s.Sqrt)
		unary("Rsqrt", s.Rsqrt)
		s.Fill(&dst[0], b[0], n)
		note("Fill", dst[:n])
		s.FromBytes(&dst[0], (*byte)(unsafe.Pointer(&b[0])), n)
		note("FromBytes", dst[:n])
	}
	for _, cols := range []int{1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 32, 64, 100, 130} {
		for _, rows := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 63, 64, 65, 77, 500} {
			a, b, mean := random(cols*rows), random(cols*rows), random(cols)
			sum := func(name string, f func(acc *float32)) {
				acc := append([]float32(nil), mean[:cols]...)
				f(&acc[0])
				note(name, acc)
			}
			sum("SumRows", func(acc *float32) { s.SumRows(acc, &a[0], cols, rows) })
			sum("DotRows", func(acc *float32) { s.DotRows(acc, &a[0], &b[0], cols, rows) })
			sum("MomentRows", func(acc *float32) { s.MomentRows(acc, &mean[0], &a[0], cols, rows) })
		}
	}
	shape := s.Shapes[0]
	for _, add := range []bool{false, true} {
		for _, k := range [][2]int{{1, 1}, {1, 2}, {1, 3}, {1, 4}, {9, 3}, {3, 5}, {9, 16}, {2, 31}, {1, 64}, {4, 66}} {
			taps, run := k[0], k[1]
			off, cOff := make([]int32, taps*shape.MR), make([]int32, shape.MR)
			for i := range off {
				off[i] = int32(rng.IntN(4*run)) - int32(run)
			}
			for i := range cOff {
				cOff[i] = int32(i * shape.NR)
			}
			c := random(shape.MR * shape.NR)
			shape.Rows(&Rows{
				A: &random(5 * run)[0], Zero: &make([]float32, run)[0], Off: &off[0], Taps: taps, Run: run,
				B: &random(taps * run * shape.NR)[0], C: &c[0], COff: &cOff[0], Add: add,
			})
			note("Rows", c)
		}
		for m := 1; m <= shape.MR; m++ {
			for _, n := range []int{0, 1, 2, 3, 4, 7, 100} {
				off := make([]int32, 2*n+1)
				for i := range off {
					off[i] = int32(rng.IntN(100))
				}
				c := random(m * shape.NR)
				shape.Cols[m-1](&Cols{A: &random(110)[0], B: &random(120)[0], Off: &off[0], N: n, C: &c[0], LDC: shape.NR, Add: add})
				note(fmt.Sprintf("Cols%d", m), c)
			}
		}
	}
	for _, t := range []struct {
		name       string
		side       int // of the square of pixels
		fromPixels bool
		do         func(*Tile)
	}{
		{"WinogradInput", 6, true, s.WinogradInput},
		{"WinogradTaps", 3, true, s.WinogradTaps},
		{"WinogradDelta", 4, true, s.WinogradDelta},
		{"WinogradOutput", 4, false, s.WinogradOutput},
		{"WinogradSum", 3, false, s.WinogradSum},
	} {
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64} {
			off := make([]int32, t.side*t.side)
			for i, place := range rng.Perm(len(off)) {
				off[i] = int32(place * n)
				if rng.IntN(4) == 0 {
					off[i] = -1
				}
			}
			pixels, planes := random(len(off)*n), random(36*n)
			t.do(&Tile{
				Pixels: &pixels[0], Off: &off[0], Outside: &make([]float32, n)[0], Planes: &planes[0], Plane: n,
				N: n, Room: &make([]float32, 36*s.Lanes)[0],
			})
			if t.fromPixels {
				note(t.name, planes)
			} else {
				note(t.name, pixels)
			}
		}
	}
	sums := map[string]uint64{}
	for name, h := range hashes {
		sums[name] = h.Sum64()
	}
	return sums
}

// bitsOfBoth is what bitsOf returns for AVX2 and for NEON.
var bitsOfBoth = map[string]uint64{
	"Abs":            0x9da09a9f0bcbaec4,
	"Add":            0x65fb98ed4857df20,
	"And":            0x263b9ddde48461bb,
	"AndNot":         0x4232cbeb2f4404c2,
	"BFloat16":       0x4a28c854fba634df,
	"Cols1":          0xb388927e7c69ff79,
	"Cols2":          0xf0c7fb2473446b9d,
	"Cols3":          0x1e44aa3175f8a655,
	"Cols4":          0xa459ea259da9a63b,
	"Cols5":          0x385934a2262ce361,
	"Cols6":          0xb235a2a27fbaddd3,
	"Div":            0xd32627f9a6385adb,
	"DotRows":        0xc13363d6b5f86a14,
	"Equal":          0x7085d4a5736bf145,
	"Exp":            0x3c0ad633aaff1030,
	"Fill":           0xd9dd098b133e0ff0,
	"FromBytes":      0x3cabe62d68390921,
	"FromMask":       0x73bb4a4b05759738,
	"Less":           0x692c011d0729b191,
	"LessEqual":      0x692c011d0729b191,
	"Max":            0x1bb3e0e38fd99f8a,
	"Min":            0x0234b0996333ac8d,
	"MomentRows":     0x10fd35b30b0e9af0,
	"Mul":            0x7743ceaeabbabd45,
	"MulAdd":         0x85f29456a1c4a3dc,
	"Neg":            0x86881993a409dac4,
	"NotEqual":       0x9be01adeaa7c9b5d,
	"Or":             0xe50854241a44b698,
	"Rows":           0x3c504353382929f2,
	"Rsqrt":          0x3bb6e4535d6e0985,
	"Select":         0xe1f8f27c4c177bab,
	"Sqrt":           0x55ce3f4de9660c3d,
	"Sub":            0xac0ae9dbfdcd5537,
	"SumRows":        0x46be7a7e3e43d9c3,
	"WinogradDelta":  0x0fb4e337bf690e4c,
	"WinogradInput":  0x156398beec34e86d,
	"WinogradOutput": 0xc169706606a7de34,
	"WinogradSum":    0x17b0f607bb28d6c1,
	"WinogradTaps":   0xaee465bf9a86da77,
	"Xor":            0x576256e1f0020816,
}
