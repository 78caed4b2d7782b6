package block

import (
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
)

func learn(t *testing.T, task Task, shortcut bool) []float64 {
	t.Helper()
	engine, err := backend.New(backend.Auto)
	if err != nil {
		t.Fatal(err)
	}
	errors, err := Learn(engine, task, shortcut)
	if err != nil {
		t.Fatal(err)
	}
	return errors
}

func TestShortcutHelpsNearTheIdentity(t *testing.T) {
	task := Task{Distance: 0.1, Steps: 200, LearningRate: 0.1, Seed: 1}
	alone, beside := learn(t, task, false), learn(t, task, true)
	if last := len(alone) - 1; beside[last] > alone[last]/2 {
		t.Errorf("after %d steps the error is %.4f with a shortcut and %.4f without, want at most half as much with it", last+1, beside[last], alone[last])
	}
	if alone[len(alone)-1] > alone[0]/2 {
		t.Errorf("without a shortcut the error went from %.4f to %.4f, want at most half", alone[0], alone[len(alone)-1])
	}
}

func TestLearnIsReproducible(t *testing.T) {
	task := Task{Distance: 1, Steps: 5, LearningRate: 0.1, Seed: 2}
	if first, second := learn(t, task, true), learn(t, task, true); !slices.Equal(first, second) {
		t.Errorf("the same task gave %v and %v", first, second)
	}
	other := task
	other.Seed = 3
	if first, second := learn(t, task, true), learn(t, other, true); slices.Equal(first, second) {
		t.Error("two seeds gave the same errors")
	}
}

// TestSignalMeans: with the ReLU before the addition, every block adds the mean of a ReLU's
// output, which is 1/√(2π) for normal values, about 0.4.
func TestSignalMeans(t *testing.T) {
	engine, err := backend.New(backend.Auto)
	if err != nil {
		t.Fatal(err)
	}
	const blocks = 6
	last := map[Placement]float64{}
	for _, placement := range Placements {
		means, err := SignalMeans(engine, placement, blocks, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(means) != blocks+1 {
			t.Fatalf("%d means, want one before the first block and one after each block", len(means))
		}
		if means[0] < 0.35 || means[0] > 0.45 {
			t.Errorf("%s: the mean starts at %.3f, want about 0.4", placement, means[0])
		}
		last[placement] = means[blocks]
	}
	if climb := (last[ReLUBefore] - 0.4) / blocks; climb < 0.35 || climb > 0.45 {
		t.Errorf("with the ReLU before the addition, the mean grows by %.3f per block, want about 0.4", climb)
	}
	if !(last[ReLUNowhere] < last[ReLUAfter] && last[ReLUAfter] < last[ReLUBefore]) {
		t.Errorf("the means are %v, want the largest with the ReLU before the addition and the smallest without one", last)
	}
}
