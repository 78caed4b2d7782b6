// Package kernel has the inner loops of a CPU backend for float32: the
// micro-kernels of matrix products and convolutions, element by element
// arithmetic, and sums down the rows of a matrix.
//
// There is one [Set] of them per instruction set. The vector sets are assembly
// that package gen writes; the portable set is Go, and the reference for what
// the others do.
//
// Kernels take pointers and lengths, not slices, and check neither: a caller
// has bounds for many calls at a time. They read and write exactly the elements
// they are told to.
package kernel

import (
	"fmt"
	"strings"
)

//go:generate go run ./gen -out kernels_amd64.s -stubs stubs_amd64.go -pkg kernel

// Rows are the arguments of a "rows" micro-kernel, which makes MR rows of NR
// results:
//
//	C[i][j] (+)= Σ_t Σ_r A[Off[t*MR+i]+r] · B[(t*Run+r)*NR+j]    i < MR, j < NR
//
// A row of the left operand is Taps runs of Run contiguous floats, which lie
// anywhere. It is a convolution without the copy to a matrix: a run is the
// channels of one pixel under one tap of the window. For a plain matrix product
// Taps is 1 and Run the length of a row.
//
// A kernel only reads its arguments: they may be used again.
type Rows struct {
	A    *float32 // what Off counts from
	Zero *float32 // at least Run zeros, the run of a negative offset: padding
	Off  *int32   // [Taps][MR], in floats from A; negative: Zero
	Taps int      // at least 1
	Run  int      // at least 1
	B    *float32 // packed panel, [Taps*Run][NR]
	C    *float32 // what COff counts from
	COff *int32   // [MR], in floats from C: where NR contiguous results go
	Add  bool     // add to C rather than overwrite it
}

// Cols are the arguments of a "cols" micro-kernel, which sums N outer products
// of m by NR:
//
//	C[i*LDC+j] (+)= Σ_k A[Off[2k]+i] · B[Off[2k+1]+j]    i < m, j < NR
//
// It is the gradient of weights: k counts pixels, i input channels and j output
// channels.
//
// A kernel only reads its arguments: they may be used again.
type Cols struct {
	A, B *float32 // what Off counts from
	Off  *int32   // [N][2], in floats: where the runs of A and of B start
	N    int      // at least 0
	C    *float32
	LDC  int  // floats from a row of C to the next
	Add  bool // add to C rather than overwrite it
}

// Shape is one blocking of a matrix product by registers.
type Shape struct {
	MR, NR int
	Rows   func(*Rows)
	Cols   []func(*Cols) // Cols[m-1] does m rows, 1 <= m <= MR
}

// Set is the kernels of one instruction set.
//
// Where n is the length, n may be 0, and dst may be any of the sources but not
// overlap one otherwise. A mask has all bits of an element set for true and
// none for false.
type Set struct {
	Name   string  // "avx512", "avx2" or "portable"
	Lanes  int     // floats of a vector
	Shapes []Shape // from the widest NR to the narrowest

	// dst[i] = a[i] op b[i]. Max and Min are NaN where either operand is.
	Add, Sub, Mul, Div, Max, Min func(dst, a, b *float32, n int)

	// Comparisons write a mask. They are those of IEEE 754, and of Go: with
	// NaN, NotEqual is true and the others are false.
	Equal, NotEqual, Less, LessEqual func(dst, a, b *float32, n int)

	// Bitwise operations, of masks as of anything. AndNot is a &^ b.
	And, Or, Xor, AndNot func(dst, a, b *float32, n int)

	// Select takes a where mask is set and b where it is not, bit by bit.
	Select func(dst, mask, a, b *float32, n int)

	// MulAdd is a*b + c, rounded once if Name isn't "portable".
	MulAdd func(dst, a, b, c *float32, n int)

	// Rsqrt is 1/√a, each operation rounded as usual: it does not approximate.
	Neg, Abs, Sqrt, Rsqrt func(dst, a *float32, n int)

	// Exp is e**a to 2 units in the last place, and to half a unit of the
	// smallest subnormal.
	Exp func(dst, a *float32, n int)

	// BFloat16 rounds to the nearest float32 whose lower half is 0, and of two to
	// the even one: a bfloat16. What is too large becomes infinite; NaN stays NaN.
	BFloat16 func(dst, a *float32, n int)

	Fill      func(dst *float32, value float32, n int)
	FromBytes func(dst *float32, src *byte, n int)
	FromMask  func(dst, mask *float32, n int) // 1 for true, 0 for false

	// Sums down the rows of matrices of rows by cols, contiguous. They add to
	// acc[j], for j < cols, the sum over r of
	//
	//	SumRows     x[r*cols+j]
	//	DotRows     a[r*cols+j] * b[r*cols+j]
	//	MomentRows  (x[r*cols+j] - mean[j])²
	//
	// in float32 and in no particular order. With cols = 1 they are sums of a
	// vector. cols is at least 1, rows at least 0.
	SumRows    func(acc, x *float32, cols, rows int)
	DotRows    func(acc, a, b *float32, cols, rows int)
	MomentRows func(acc, mean, x *float32, cols, rows int)

	// Burn does multiply-adds that wait for nothing, in registers, so many
	// times, and returns the number of floating-point operations: the peak that
	// the other kernels are measured against.
	Burn func(iterations int) (flops int)
}

// Available returns the sets that this machine can run, the best first. The
// last is the portable one.
func Available() []*Set {
	return append(vectorSets(), &portable)
}

// Choose returns the set of that name, or the best if name is empty.
func Choose(name string) (*Set, error) {
	sets := Available()
	if name == "" {
		return sets[0], nil
	}
	names := make([]string, len(sets))
	for i, s := range sets {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return nil, fmt.Errorf("no kernels %q on this machine: there are %s", name, strings.Join(names, ", "))
}
