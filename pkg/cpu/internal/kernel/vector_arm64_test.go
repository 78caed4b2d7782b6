package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Processors with and without BF16 round to the same bits.
func TestBFloat16WithAndWithoutBF16(t *testing.T) {
	if !hasBF16() {
		t.Skip("this processor does not have BF16")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, 1<<18+3)
	for i := range x {
		x[i] = math.Float32frombits(rng.Uint32())
	}
	copy(x, specials)
	with, without := make([]float32, len(x)), make([]float32, len(x))
	bfloat16ConvertNEON(&with[0], &x[0], len(x))
	bfloat16NEON(&without[0], &x[0], len(x))
	for i := range x {
		if !sameBits(with[i], without[i]) {
			t.Fatalf("%#x becomes %#x with BF16, %#x without", math.Float32bits(x[i]), math.Float32bits(with[i]), math.Float32bits(without[i]))
		}
	}
}
