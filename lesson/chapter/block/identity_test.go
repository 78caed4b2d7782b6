package block

import (
	"math"
	"slices"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
)

func learn(t *testing.T, task Task, learner Learner) []float64 {
	t.Helper()
	engine, err := backend.New(backend.Auto)
	if err != nil {
		t.Fatal(err)
	}
	errors, err := Learn(engine, task, learner)
	if err != nil {
		t.Fatal(err)
	}
	return errors
}

func TestShortcutHelpsNearTheIdentity(t *testing.T) {
	task := Task{Distance: 0.1, Steps: 200, LearningRate: 0.1, Seed: 1}
	alone, beside := learn(t, task, Alone), learn(t, task, Beside)
	if last := len(alone) - 1; beside[last] > alone[last]/2 {
		t.Errorf("after %d steps the error is %.4f with a shortcut and %.4f without, want at most half as much with it", last+1, beside[last], alone[last])
	}
	if alone[len(alone)-1] > alone[0]/2 {
		t.Errorf("without a shortcut the error went from %.4f to %.4f, want at most half", alone[0], alone[len(alone)-1])
	}
}

// TestCopy: what does nothing has an error of d²/(1 + d²), since x and t are hardly correlated.
func TestCopy(t *testing.T) {
	for _, rectified := range []bool{false, true} {
		for _, d := range []float64{0, 0.1, 1} {
			task := Task{Distance: d, Rectified: rectified, Steps: 3, LearningRate: 0.1, Seed: 1}
			for _, e := range learn(t, task, Copy) {
				if want := d * d / (1 + d*d); math.Abs(e-want) > want/10 {
					t.Errorf("d = %g, rectified %v: error %.4f, want %.4f", d, rectified, e, want)
				}
			}
		}
	}
}

// TestTwiceTheChannelsRepresentTheIdentity: on input of either sign, 32 channels between the
// convolutions learn in 1000 steps what 16 cannot represent.
func TestTwiceTheChannelsRepresentTheIdentity(t *testing.T) {
	task := Task{Steps: 1000, LearningRate: 0.1, Seed: 1}
	narrow := learn(t, task, Alone)
	task.Middle = 2 * channels
	wide := learn(t, task, Alone)
	if last := task.Steps - 1; narrow[last] < 0.2 || wide[last] > 0.05 {
		t.Errorf("the error is %.3f with %d channels and %.3f with %d, want at least 0.2 and at most 0.05",
			narrow[last], channels, wide[last], task.Middle)
	}
}

func TestLearnIsReproducible(t *testing.T) {
	task := Task{Distance: 1, Steps: 5, LearningRate: 0.1, Seed: 2}
	if first, second := learn(t, task, Beside), learn(t, task, Beside); !slices.Equal(first, second) {
		t.Errorf("the same task gave %v and %v", first, second)
	}
	other := task
	other.Seed = 3
	if first, second := learn(t, task, Beside), learn(t, other, Beside); slices.Equal(first, second) {
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
