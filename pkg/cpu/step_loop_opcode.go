package cpu

import (
	"math"
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// opcode is an elementwise operation.
type opcode uint8

const (
	opNone opcode = iota
	opAdd
	opSub
	opMul
	opDiv
	opMax
	opMin
	opPow
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opAnd
	opOr
	opXor
	opMulAdd
	opSelect
	opNeg
	opAbs
	opSqrt
	opRsqrt
	opExp
	opExpm1
	opLog
	opLog1p
	opTanh
	opLogistic
	opErf
	opSin
	opCos
	opFloor
	opCeil
	opRound
	opSign
	opNot
	opFromMask
	opBFloat16 // rounds to bfloat16
	// opConvert stands for loading a tensor of a different type. The ones after it occur only in the
	// programs of loops; those from opLoadBool on read or write types other than float32.
	opConvert
	opCopy
	opExpand
	opExpandBytes
	opLoadBool
	opLoadByte
	opLoadInt32
	opLoadInt64
	opLoadBFloat16
	opStoreBool
	opStoreBFloat16
)

// scalars has the operations without a kernel, which are too rare in a ResNet to need one.
var scalars = map[opcode]func(float64) float64{
	opExpm1: math.Expm1, opLog: math.Log, opLog1p: math.Log1p, opTanh: math.Tanh, opErf: math.Erf,
	opSin: math.Sin, opCos: math.Cos, opFloor: math.Floor, opCeil: math.Ceil, opRound: math.RoundToEven,
	opLogistic: func(x float64) float64 {
		if x >= 0 {
			return 1 / (1 + math.Exp(-x))
		}
		e := math.Exp(x)
		return e / (1 + e)
	},
	opSign: func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return 0 // for NaN too, as in the reference backend
	},
}

// apply applies an operation to n elements. Which of a, b and c it reads depends on op.
func apply(k *kernel.Set, op opcode, dst, a, b, c unsafe.Pointer, n int) {
	if op >= opLoadBool {
		convert(k, op, dst, a, n)
		return
	}
	d, x, y, z := (*float32)(dst), (*float32)(a), (*float32)(b), (*float32)(c)
	switch op {
	case opAdd:
		k.Add(d, x, y, n)
	case opSub:
		k.Sub(d, x, y, n)
	case opMul:
		k.Mul(d, x, y, n)
	case opDiv:
		k.Div(d, x, y, n)
	case opMax:
		k.Max(d, x, y, n)
	case opMin:
		k.Min(d, x, y, n)
	case opEqual:
		k.Equal(d, x, y, n)
	case opNotEqual:
		k.NotEqual(d, x, y, n)
	case opLess:
		k.Less(d, x, y, n)
	case opLessEqual:
		k.LessEqual(d, x, y, n)
	case opAnd:
		k.And(d, x, y, n)
	case opOr:
		k.Or(d, x, y, n)
	case opXor:
		k.Xor(d, x, y, n)
	case opMulAdd:
		k.MulAdd(d, x, y, z, n)
	case opSelect:
		k.Select(d, x, y, z, n)
	case opNeg:
		k.Neg(d, x, n)
	case opAbs:
		k.Abs(d, x, n)
	case opSqrt:
		k.Sqrt(d, x, n)
	case opRsqrt:
		k.Rsqrt(d, x, n)
	case opExp:
		k.Exp(d, x, n)
	case opFromMask:
		k.FromMask(d, x, n)
	case opBFloat16:
		k.BFloat16(d, x, n)
	case opCopy:
		copy(floatsAt(dst, n), floatsAt(a, n))
	default:
		applyScalar(op, dst, a, b, n)
	}
}

// applyScalar is apply for operations without a kernel.
func applyScalar(op opcode, dst, a, b unsafe.Pointer, n int) {
	switch op {
	case opPow:
		to, x, y := floatsAt(dst, n), floatsAt(a, n), floatsAt(b, n)
		for i := range to {
			to[i] = float32(math.Pow(float64(x[i]), float64(y[i])))
		}
	case opNot:
		to, x := unsafe.Slice((*uint32)(dst), n), unsafe.Slice((*uint32)(a), n)
		for i := range to {
			to[i] = ^x[i]
		}
	default:
		f := scalars[op]
		to, x := floatsAt(dst, n), floatsAt(a, n)
		for i := range to {
			to[i] = float32(f(float64(x[i])))
		}
	}
}

// convert is apply for operations that load and store types other than float32.
func convert(k *kernel.Set, op opcode, dst, a unsafe.Pointer, n int) {
	switch op {
	case opLoadByte:
		k.FromBytes((*float32)(dst), (*byte)(a), n)
	case opLoadBool:
		to, x := unsafe.Slice((*uint32)(dst), n), unsafe.Slice((*uint8)(a), n)
		for i := range to {
			to[i] = -uint32(x[i])
		}
	case opStoreBool:
		to, x := unsafe.Slice((*uint8)(dst), n), unsafe.Slice((*uint32)(a), n)
		for i := range to {
			to[i] = uint8(x[i] & 1)
		}
	case opLoadInt32:
		to, x := floatsAt(dst, n), unsafe.Slice((*int32)(a), n)
		for i := range to {
			to[i] = float32(x[i])
		}
	case opLoadInt64:
		to, x := floatsAt(dst, n), unsafe.Slice((*int64)(a), n)
		for i := range to {
			to[i] = float32(x[i])
		}
	case opLoadBFloat16:
		to, x := unsafe.Slice((*uint32)(dst), n), unsafe.Slice((*uint16)(a), n)
		for i := range to {
			to[i] = uint32(x[i]) << 16
		}
	case opStoreBFloat16: // a has been rounded
		to, x := unsafe.Slice((*uint16)(dst), n), unsafe.Slice((*uint32)(a), n)
		for i := range to {
			to[i] = uint16(x[i] >> 16)
		}
	}
}
