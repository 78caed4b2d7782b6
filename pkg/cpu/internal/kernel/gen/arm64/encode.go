package main

import "fmt"

// encoded is an instruction that Go's assembler does not know: its bits without operands, and its name.
type encoded struct {
	bits uint32
	name string
}

// Instructions on vectors of 4 floats with two operands.
var (
	fadd  = encoded{0x4e20d400, "fadd"}
	fsub  = encoded{0x4ea0d400, "fsub"}
	fmul  = encoded{0x6e20dc00, "fmul"}
	fdiv  = encoded{0x6e20fc00, "fdiv"}
	fmax  = encoded{0x4e20f400, "fmax"} // NaN where either operand is NaN
	fmin  = encoded{0x4ea0f400, "fmin"}
	fcmeq = encoded{0x4e20e400, "fcmeq"}
	fcmge = encoded{0x6e20e400, "fcmge"}
	fcmgt = encoded{0x6ea0e400, "fcmgt"}
)

// Instructions on vectors of 4 floats with one operand.
var (
	fneg   = encoded{0x6ea0f800, "fneg"}
	fabs   = encoded{0x4ea0f800, "fabs"}
	fsqrt  = encoded{0x6ea1f800, "fsqrt"}
	fcvtns = encoded{0x4e21a800, "fcvtns"} // to the nearest integer, ties to even
	scvtf  = encoded{0x4e21d800, "scvtf"}
	ucvtf  = encoded{0x6e21d800, "ucvtf"}
)

// word writes an encoded instruction, beside its mnemonic.
func (a *assembly) word(bits uint32, format string, operands ...any) {
	fmt.Fprintf(&a.text, "\tWORD\t$0x%08x // %s\n", bits, fmt.Sprintf(format, operands...))
}

// binary writes d = x op y.
func (a *assembly) binary(op encoded, d, x, y vector) {
	a.word(op.bits|uint32(y.checked()<<16|x.checked()<<5|d.checked()), "%s v%d.4s, v%d.4s, v%d.4s", op.name, d, x, y)
}

// unary writes d = op x.
func (a *assembly) unary(op encoded, d, x vector) {
	a.word(op.bits|uint32(x.checked()<<5|d.checked()), "%s v%d.4s, v%d.4s", op.name, d, x)
}

// multiplyAdd writes d += x * y[lane], rounded once.
func (a *assembly) multiplyAdd(d, x, y vector, lane int) {
	bits := 0x4f801000 | uint32(lane&1<<21|y.checked()<<16|lane>>1<<11|x.checked()<<5|d.checked())
	a.word(bits, "fmla v%d.4s, v%d.4s, v%d.s[%d]", d, x, y, lane)
}

// not writes d = ^x.
func (a *assembly) not(d, x vector) {
	a.word(0x6e205800|uint32(x.checked()<<5|d.checked()), "mvn v%d.16b, v%d.16b", d, x)
}

// andNot writes d = x &^ y.
func (a *assembly) andNot(d, x, y vector) {
	a.word(0x4e601c00|uint32(y.checked()<<16|x.checked()<<5|d.checked()), "bic v%d.16b, v%d.16b, v%d.16b", d, x, y)
}

// halve writes d = x >> 1 for 4 signed integers.
func (a *assembly) halve(d, x vector) {
	a.word(0x4f3f0400|uint32(x.checked()<<5|d.checked()), "sshr v%d.4s, v%d.4s, #1", d, x)
}

// addPair writes the sum of the first two floats of x to the first of d.
func (a *assembly) addPair(d, x vector) {
	a.word(0x7e30d800|uint32(x.checked()<<5|d.checked()), "faddp s%d, v%d.2s", d, x)
}

// toBFloat16 writes 4 floats of x, rounded to bfloat16, to the lower half of d. It needs BF16.
func (a *assembly) toBFloat16(d, x vector) {
	a.word(0x0ea16800|uint32(x.checked()<<5|d.checked()), "bfcvtn v%d.4h, v%d.4s", d, x)
}

// fromBFloat16 writes the 4 bfloat16 in the lower half of x as floats to d.
func (a *assembly) fromBFloat16(d, x vector) {
	a.word(0x2e613800|uint32(x.checked()<<5|d.checked()), "shll v%d.4s, v%d.4h, #16", d, x)
}

// loadAt loads x.
func (a *assembly) loadAt(x vector, at address) {
	if at.index == nil {
		a.load(at.base, 0, x)
		return
	}
	b, i := at.base.checked(), at.index.checked()
	a.word(0x3ce06800|uint32(i<<16|b<<5|x.checked()), "ldr q%d, [x%d, x%d]", x, b, i)
}

// storeAt stores x.
func (a *assembly) storeAt(x vector, at address) {
	if at.index == nil {
		a.store(at.base, 0, x)
		return
	}
	b, i := at.base.checked(), at.index.checked()
	a.word(0x3ca06800|uint32(i<<16|b<<5|x.checked()), "str q%d, [x%d, x%d]", x, b, i)
}
