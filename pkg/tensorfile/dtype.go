package tensorfile

import (
	"encoding/binary"
	"math"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// A DType is the type of a tensor's elements as they are stored, little-endian.
type DType struct {
	name string
	size int64
	// floats converts the elements of src to float32; nil if they are not floating-point.
	floats func(dst []float32, src []byte)
	// integer returns the element at the start of src; nil if it cannot be a counter.
	integer func(src []byte) int64
}

// The dtypes that the readers know.
var (
	Float32  = &DType{name: "float32", size: 4, floats: fromFloat32}
	Float16  = &DType{name: "float16", size: 2, floats: fromFloat16}
	BFloat16 = &DType{name: "bfloat16", size: 2, floats: fromBFloat16}
	Float64  = &DType{name: "float64", size: 8, floats: fromFloat64}
	Int64    = &DType{name: "int64", size: 8, integer: fromInt64}
	Int32    = &DType{name: "int32", size: 4, integer: fromInt32}
	Int16    = &DType{name: "int16", size: 2}
	Int8     = &DType{name: "int8", size: 1}
	Uint8    = &DType{name: "uint8", size: 1}
	Bool     = &DType{name: "bool", size: 1}

	// These are never read, but a file's other tensors lie behind them.
	QInt8      = &DType{name: "qint8", size: 1}
	QUint8     = &DType{name: "quint8", size: 1}
	QInt32     = &DType{name: "qint32", size: 4}
	Complex64  = &DType{name: "complex64", size: 8}
	Complex128 = &DType{name: "complex128", size: 16}
)

// String returns PyTorch's name for the dtype.
func (d *DType) String() string { return d.name }

// Size returns the size of one element in bytes.
func (d *DType) Size() int64 { return d.size }

func fromFloat32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func fromFloat16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float16.FromBits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
	}
}

// toFloat16 returns the bits of the float16 nearest to x, rounding ties to even.
func toFloat16(x float32) uint16 {
	const smallestNormal = 1.0 / (1 << 14)
	if math.Abs(float64(x)) >= smallestNormal || x != x {
		return float16.FromFloat32(x).Bits()
	}
	// FromFloat32 makes these 0. They are multiples of 2^-24, and their bits are that multiple.
	sign := uint16(math.Float32bits(x) >> 16 & 0x8000)
	return sign | uint16(math.RoundToEven(math.Abs(float64(x))*(1<<24)))
}

func fromBFloat16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = bfloat16.FromBits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
	}
}

// fromFloat64 rounds to nearest. As in PyTorch, values beyond float32's range become infinite.
func fromFloat64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
	}
}

func fromInt64(src []byte) int64 { return int64(binary.LittleEndian.Uint64(src)) }

func fromInt32(src []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(src))) }
