package weights

import (
	"encoding/binary"
	"math"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// A number is a type of numbers as files have them, little-endian.
type number struct {
	// name is PyTorch's name for it.
	name string
	// size is that of one in bytes.
	size int64
	// floats fills dst with the numbers of src; nil for what is not floating-point.
	floats func(dst []float32, src []byte)
	// whole returns the number of src; nil for what cannot be a counter.
	whole func(src []byte) int64
}

var (
	float32Number  = &number{name: "float32", size: 4, floats: fromFloat32}
	float16Number  = &number{name: "float16", size: 2, floats: fromFloat16}
	bfloat16Number = &number{name: "bfloat16", size: 2, floats: fromBFloat16}
	float64Number  = &number{name: "float64", size: 8, floats: fromFloat64}
	int64Number    = &number{name: "int64", size: 8, whole: fromInt64}
	int32Number    = &number{name: "int32", size: 4, whole: fromInt32}
	int16Number    = &number{name: "int16", size: 2}
	int8Number     = &number{name: "int8", size: 1}
	uint8Number    = &number{name: "uint8", size: 1}
	boolNumber     = &number{name: "bool", size: 1}
)

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

func fromBFloat16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = bfloat16.FromBits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
	}
}

// fromFloat64 rounds, and what float32 has no room for becomes infinite, as in PyTorch.
func fromFloat64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
	}
}

func fromInt64(src []byte) int64 { return int64(binary.LittleEndian.Uint64(src)) }

func fromInt32(src []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(src))) }
