package nn

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/support/exceptions"
)

// lossAndGradient returns the loss of logits [len(labels), classes], and its gradient.
func lossAndGradient(t *testing.T, smoothing float64, labels []int32, logits []float32) (float64, []float32) {
	t.Helper()
	n := len(labels)
	outputs, err := graph.CallOnceN(gobackend.GetBackend(), func(labels, logits *graph.Node) []*graph.Node {
		loss := CrossEntropy(smoothing)([]*graph.Node{labels}, []*graph.Node{logits})
		return append(graph.Gradient(loss, logits), loss)
	}, tensors.FromFlatDataAndDimensions(labels, n, 1), tensors.FromFlatDataAndDimensions(logits, n, len(logits)/n))
	if err != nil {
		t.Fatal(err)
	}
	return float64(tensors.ToScalar[float32](outputs[1])), tensors.MustCopyFlatData[float32](outputs[0])
}

func TestCrossEntropyByHand(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	for name, test := range map[string]struct {
		smoothing float64
		labels    []int32
		logits    []float32
		want      float64
	}{
		"equal logits": {0, []int32{2}, []float32{5, 5, 5, 5}, math.Log(4)},
		// The probabilities are 1/2, 1/3 and 1/6.
		"one image":                      {0, []int32{1}, []float32{ln(3), ln(2), 0}, math.Log(3)},
		"a constant added to all logits": {0, []int32{1}, []float32{ln(3) - 9, ln(2) - 9, -9}, math.Log(3)},
		"the mean of two":                {0, []int32{0, 2}, []float32{ln(3), ln(2), 0, ln(3), ln(2), 0}, (math.Log(2) + math.Log(6)) / 2},
		// The target is 0.8 for the label and 0.1 for each of the others.
		"smoothed by 0.3":               {0.3, []int32{0}, []float32{ln(3), ln(2), 0}, 0.8*math.Log(2) + 0.1*math.Log(3) + 0.1*math.Log(6)},
		"smoothing and equal logits":    {0.3, []int32{0}, []float32{1, 1, 1}, math.Log(3)},
		"one class":                     {0.1, []int32{0}, []float32{3}, 0},
		"a label of no class":           {0, []int32{3, 2}, []float32{ln(3), ln(2), 0, ln(3), ln(2), 0}, math.Log(6) / 2},
		"a negative label":              {0, []int32{-1, 2}, []float32{ln(3), ln(2), 0, ln(3), ln(2), 0}, math.Log(6) / 2},
		"confident and right":           {0, []int32{0}, []float32{200, -200}, 0},
		"confident and wrong":           {0, []int32{1}, []float32{200, -200}, 400},
		"logits whose exp overflows":    {0, []int32{1}, []float32{1e4, 1e4}, math.Log(2)},
		"logits whose exp underflows":   {0, []int32{0}, []float32{-1e4, -1e4}, math.Log(2)},
		"smoothed, confident and wrong": {0.5, []int32{0}, []float32{-1e4, 1e4}, 0.75 * 2e4},
	} {
		got, _ := lossAndGradient(t, test.smoothing, test.labels, test.logits)
		if !(math.Abs(got-test.want) <= 1e-6*max(1, test.want)) {
			t.Errorf("%s: loss %g, want %g", name, got, test.want)
		}
	}
}

func TestGradientIsSoftmaxLessTarget(t *testing.T) {
	const classes = 4
	labels := []int32{3, 0, 1}
	logits := []float32{0.5, -1, 2, 0, 30, 1, -30, 4, 1e4, -1e4, 0, 1e4}
	for _, smoothing := range []float64{0, 0.1, 0.9} {
		_, gradient := lossAndGradient(t, smoothing, labels, logits)
		for image, label := range labels {
			row := logits[image*classes:][:classes]
			largest, total, sum := 0.0, 0.0, 0.0
			for _, x := range row {
				largest = max(largest, float64(x))
			}
			for _, x := range row {
				total += math.Exp(float64(x) - largest)
			}
			for class, x := range row {
				target := smoothing / classes
				if class == int(label) {
					target += 1 - smoothing
				}
				want := (math.Exp(float64(x)-largest)/total - target) / float64(len(labels))
				got := float64(gradient[image*classes+class])
				if !(math.Abs(got-want) < 1e-6) {
					t.Errorf("smoothing %g: gradient to class %d of image %d is %g, want %g", smoothing, class, image, got, want)
				}
				sum += got
			}
			if math.Abs(sum) > 1e-6 {
				t.Errorf("smoothing %g: the gradients of image %d add up to %g, want 0", smoothing, image, sum)
			}
		}
	}
}

func TestImpossibleSmoothingPanics(t *testing.T) {
	for _, smoothing := range []float64{-0.1, 1, 2, math.NaN()} {
		err := exceptions.TryCatch[error](func() { CrossEntropy(smoothing) })
		if want := fmt.Sprintf("label smoothing %g, want 0 ≤ smoothing < 1", smoothing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("smoothing %g: panicked with %v, want %q", smoothing, err, want)
		}
	}
}

func TestWrongShapesPanic(t *testing.T) {
	integers := func(dims ...int) *tensors.Tensor { return tensors.FromScalarAndDimensions(int32(0), dims...) }
	floats := func(dims ...int) *tensors.Tensor { return tensors.FromScalarAndDimensions(float32(0), dims...) }
	for name, test := range map[string]struct {
		labels, logits *tensors.Tensor
	}{
		"labels [batch]":               {integers(4), floats(4, 3)},
		"labels [batch, 2]":            {integers(4, 2), floats(4, 3)},
		"labels that are not integers": {floats(4, 1), floats(4, 3)},
		"fewer labels than images":     {integers(3, 1), floats(4, 3)},
		"logits of rank 3":             {integers(4, 1), floats(4, 1, 3)},
	} {
		_, err := graph.CallOnce(gobackend.GetBackend(), func(labels, logits *graph.Node) *graph.Node {
			return CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{logits})
		}, test.labels, test.logits)
		if want := "want integers [batch, 1] and [batch, classes]"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	err := exceptions.TryCatch[error](func() { CrossEntropy(0)(nil, make([]*graph.Node, 2)) })
	if want := "0 tensors of labels and 2 of logits, want one of each"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("no labels and two logits: panicked with %v, want %q", err, want)
	}
}
