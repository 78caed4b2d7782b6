package block

import (
	"math"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/shapes10"
)

// TestScalingIsALearningRate: weights 30 times as large compute the same. They move 900 times
// less, relative to their size, and move as before if their learning rate is 900 times as high.
func TestScalingIsALearningRate(t *testing.T) {
	fast, err := backend.New(backend.Auto)
	if err != nil {
		t.Fatal(err)
	}
	images := shapes10.Train(64, 1)
	trained := func(s Scaling) Trained {
		t.Helper()
		result, err := Train(fast, tiny(t), images, s, 4)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	plain, large, quick := trained(Scaling{1, 1}), trained(Scaling{30, 1}), trained(Scaling{30, 900})
	if difference := math.Abs(plain.Losses[0] - large.Losses[0]); difference > 1e-3 {
		t.Errorf("with larger weights the first loss differs by %g, want at most 0.001", difference)
	}
	if ratio := plain.Moved / large.Moved; ratio < 600 || ratio > 1200 {
		t.Errorf("larger weights move %.0f times less, want about 900", ratio)
	}
	if ratio := plain.Moved / quick.Moved; ratio < 0.95 || ratio > 1.05 {
		t.Errorf("with a higher rate, larger weights move %.3f times less, want 1", ratio)
	}
	if difference := math.Abs(plain.Losses[3] - quick.Losses[3]); difference > 0.01 {
		t.Errorf("with a higher rate, the fourth loss differs by %g, want at most 0.01", difference)
	}
}

func TestTrainNeedsABatch(t *testing.T) {
	few := &dataset.Images{Labels: make([]int32, 63)}
	if _, err := Train(engine(t), tiny(t), few, Scaling{1, 1}, 1); err == nil || !strings.Contains(err.Error(), "63 images") {
		t.Errorf("63 images: error %v, want one that says so", err)
	}
}
