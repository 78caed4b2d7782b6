// Gen generates the assembly of package kernel for amd64: the same kernels for AVX2 and AVX-512.
package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel/gen/shape"
)

// floatSize is the size in bytes of a float32, and of an int32 offset.
const floatSize = 4

func main() {
	Package("github.com/residual-go/residual/pkg/cpu/internal/kernel")
	ConstraintExpr("amd64")
	for _, v := range []isa{
		{name: "AVX2", lanes: 8, registers: 16, shapes: shape.AVX2},
		{name: "AVX512", lanes: 16, registers: 32, shapes: shape.AVX512},
	} {
		v.products()
		v.winograd()
		v.elementwise()
		v.sums()
	}
	Generate()
}

// isa is an instruction set. Its methods generate code and hide what differs between the two.
type isa struct {
	name      string // suffix of function names
	lanes     int    // floats per vector
	registers int    // number of vector registers
	shapes    []shape.Shape
}

// avx512 reports whether there are mask registers and instructions that use them.
func (v isa) avx512() bool { return v.lanes == 16 }

// bytes returns the size of a vector in bytes.
func (v isa) bytes() int { return v.lanes * floatSize }

// function starts a function. Its doc comment is its name followed by doc.
func (v isa) function(name, signature, doc string) {
	name += v.name
	// The functions call nothing and have no frame.
	TEXT(name, attr.NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
}

// end returns from the function. VZEROUPPER saves the SSE code that follows from waiting for the
// upper halves of the vectors.
func (v isa) end() {
	VZEROUPPER()
	RET()
}

// vec returns a new vector register.
func (v isa) vec() VecVirtual {
	if v.avx512() {
		return ZMM()
	}
	return YMM()
}

// vecs returns n new vector registers.
func (v isa) vecs(n int) []VecVirtual {
	s := make([]VecVirtual, n)
	for i := range s {
		s[i] = v.vec()
	}
	return s
}

// load loads a vector from memory.
func (v isa) load(m Mem) VecVirtual {
	x := v.vec()
	VMOVUPS(m, x)
	return x
}

// zero clears a vector.
func (v isa) zero(x VecVirtual) {
	if v.avx512() {
		VPXORD(x, x, x)
	} else {
		VXORPS(x, x, x)
	}
}

// mask selects the valid elements of a vector when fewer elements than a whole vector are left.
type mask struct{ Register }

// mask returns the mask of the first n elements, n < v.lanes. It overwrites n.
func (v isa) mask(n Register) mask {
	if v.avx512() {
		t, k := GP32(), K()
		MOVL(I32(-1), t)
		BZHIL(n.(GP).As32(), t, t)
		KMOVW(t, k)
		return mask{k}
	}
	// A vector from window, placed so that its first n elements are ones.
	t := GP64()
	LEAQ(window(), t)
	NEGQ(n)
	return mask{v.load(Mem{Base: t, Index: n, Scale: floatSize, Disp: v.bytes()})}
}

// loadMasked loads the valid elements of a vector, and zeros for the others.
func (v isa) loadMasked(m Mem, k mask) VecVirtual {
	x := v.vec()
	if v.avx512() {
		VMOVUPS_Z(m, k.Register, x)
	} else {
		VMASKMOVPS(m, k.Register, x)
	}
	return x
}

// storeMasked writes the valid elements of a vector.
func (v isa) storeMasked(x VecVirtual, m Mem, k mask) {
	if v.avx512() {
		VMOVUPS(x, k.Register, m)
	} else {
		VMASKMOVPS(x, k.Register, m)
	}
}

// clearMasked clears the invalid elements of a vector.
func (v isa) clearMasked(x VecVirtual, k mask) {
	if v.avx512() {
		VMOVAPS_Z(x, k.Register, x)
	} else {
		VANDPS(k.Register, x, x)
	}
}

// and, or, xor and andNot return a bitwise operation on two vectors. andNot is a &^ b, with the
// operands in the order of Go, not of the instruction.

func (v isa) and(a, b VecVirtual) VecVirtual { return v.op(VANDPS, VPANDD, a, b) }

func (v isa) or(a, b VecVirtual) VecVirtual { return v.op(VORPS, VPORD, a, b) }

func (v isa) xor(a, b VecVirtual) VecVirtual { return v.op(VXORPS, VPXORD, a, b) }

func (v isa) andNot(a, b VecVirtual) VecVirtual {
	x := v.vec()
	if v.avx512() {
		VPANDND(a, b, x)
	} else {
		VANDNPS(a, b, x)
	}
	return x
}

// op returns the result of one of two instructions, both of which commute.
func (v isa) op(avx2, avx512 func(...Op), a, b VecVirtual) VecVirtual {
	x := v.vec()
	if v.avx512() {
		avx512(b, a, x)
	} else {
		avx2(b, a, x)
	}
	return x
}

// Predicates of comparisons. All are quiet for NaN: they raise no exception.
const (
	equal     = 0x00
	unordered = 0x03
	notEqual  = 0x04
	less      = 0x11
	lessEqual = 0x12
)

// compare returns a mask with all bits set where the predicate holds for a and b.
func (v isa) compare(predicate uint8, a, b VecVirtual) VecVirtual {
	x := v.vec()
	if v.avx512() {
		k := K()
		VCMPPS(U8(predicate), b, a, k)
		VPMOVM2D(k, x)
	} else {
		VCMPPS(U8(predicate), b, a, x)
	}
	return x
}

// whereNaN copies the elements of value to dst where those of test are NaN.
func (v isa) whereNaN(test, value, dst VecVirtual) {
	if v.avx512() {
		k := K()
		VCMPPS(U8(unordered), test, test, k)
		VMOVAPS(value, k, dst)
	} else {
		VBLENDVPS(v.compare(unordered, test, test), value, dst, dst)
	}
}

// broadcast returns a vector with the given bits in every element.
func (v isa) broadcast(bits uint32) VecVirtual {
	x := v.vec()
	VBROADCASTSS(constant(bits), x)
	return x
}

// float returns a vector with f in every element.
func (v isa) float(f float32) VecVirtual {
	return v.broadcast(math.Float32bits(f))
}

// constants has the constants that are already in the file.
var constants = map[uint32]Mem{}

// constant returns the address of a constant, which it adds to the file if necessary.
func constant(bits uint32) Mem {
	m, ok := constants[bits]
	if !ok {
		m = ConstData(fmt.Sprintf("constant%08x", bits), U32(bits))
		constants[bits] = m
	}
	return m
}

// ones is the address that window returns, or nil while the data are not in the file.
var ones *Mem

// window returns the address of 8 elements of ones followed by 8 of zeros.
func window() Mem {
	if ones == nil {
		m := GLOBL("window", attr.RODATA|attr.NOPTR)
		for i := range 16 {
			var x U32
			if i < 8 {
				x = math.MaxUint32
			}
			DATA(i*floatSize, x)
		}
		ones = &m
	}
	return *ones
}

// offset returns the address the given number of bytes after m.
func offset(m Mem, bytes int) Mem {
	m.Disp += bytes
	return m
}
