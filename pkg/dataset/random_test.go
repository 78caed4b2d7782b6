package dataset

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

func TestGeneratorsInTheGraphMatchRand(t *testing.T) {
	highs := []uint64{0, 1, 42, math.MaxUint64, 1 << 63, 0x9e3779b97f4a7c15}
	lows := []uint64{0, math.MaxUint64, 7, 1 << 32, augmentStream, augmentStream ^ 3<<32 ^ 49_999}
	// Powers of two are drawn in a different way from other bounds.
	bounds := []int{1, 2, 9, 32, 33, 224, 1 << 20, math.MaxInt32}
	outputs, err := graph.CallOnceN(gobackend.GetBackend(), func(hi, lo *graph.Node) []*graph.Node {
		p := &pcg{hi, lo}
		var drawn []*graph.Node
		for range 3 {
			drawn = append(drawn, p.uint64())
		}
		for _, n := range bounds {
			drawn = append(drawn, p.intN(n))
		}
		return drawn
	}, highs, lows)
	if err != nil {
		t.Fatal(err)
	}
	words, numbers := make([][]uint64, 3), make([][]int32, len(bounds))
	for i := range highs {
		source := rand.NewPCG(highs[i], lows[i])
		for k := range words {
			words[k] = append(words[k], source.Uint64())
		}
		random := rand.New(source)
		for k, n := range bounds {
			numbers[k] = append(numbers[k], int32(random.IntN(n)))
		}
	}
	for k, want := range words {
		if got := tensors.MustCopyFlatData[uint64](outputs[k]); !slices.Equal(got, want) {
			t.Errorf("word %d of each generator: %x, want %x", k, got, want)
		}
	}
	for k, want := range numbers {
		if got := tensors.MustCopyFlatData[int32](outputs[len(words)+k]); !slices.Equal(got, want) {
			t.Errorf("numbers below %d: %d, want %d", bounds[k], got, want)
		}
	}
}
