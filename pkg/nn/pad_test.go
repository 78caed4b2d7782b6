package nn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

const fill = 7.5

func pad(axes ...compute.PadAxis) func(*model.Scope, []*graph.Node) []*graph.Node {
	return func(_ *model.Scope, inputs []*graph.Node) []*graph.Node {
		return []*graph.Node{Pad(inputs[0], scalar(inputs[0].Graph(), fill), axes...)}
	}
}

func TestPadValues(t *testing.T) {
	x := []float64{1, 2, 3}
	for name, test := range map[string]struct {
		pad  [3]int // start, end, interior
		want []float64
	}{
		"none":                      {[3]int{}, []float64{1, 2, 3}},
		"start":                     {[3]int{2, 0, 0}, []float64{fill, fill, 1, 2, 3}},
		"end":                       {[3]int{0, 1, 0}, []float64{1, 2, 3, fill}},
		"both":                      {[3]int{1, 2, 0}, []float64{fill, 1, 2, 3, fill, fill}},
		"interior":                  {[3]int{0, 0, 2}, []float64{1, fill, fill, 2, fill, fill, 3}},
		"all three":                 {[3]int{1, 1, 1}, []float64{fill, 1, fill, 2, fill, 3, fill}},
		"cut start":                 {[3]int{-1, 0, 0}, []float64{2, 3}},
		"cut end":                   {[3]int{0, -2, 0}, []float64{1}},
		"cut both":                  {[3]int{-1, -1, 0}, []float64{2}},
		"shift":                     {[3]int{1, -1, 0}, []float64{fill, 1, 2}},
		"shift back":                {[3]int{-1, 1, 0}, []float64{2, 3, fill}},
		"cut into the interior":     {[3]int{-1, -2, 1}, []float64{fill, 2}},
		"cut into the padding":      {[3]int{3, -4, 0}, []float64{fill, fill}},
		"cut all of it":             {[3]int{-3, 2, 0}, []float64{fill, fill}},
		"interior and nothing else": {[3]int{-1, -1, 1}, []float64{fill, 2, fill}},
	} {
		got := mustRun(t, model.NewStore(), false, pad(axes(test.pad)...), x)[0]
		checkClose(t, name, got, test.want, 0)
	}
}

// Each element of x goes to one place or is cut off, and everything else is fill. The gradient of
// a weighted sum is the weight at that place, or 0. (GoMLX's own Pad has no gradient, and its Go
// backend panics on cuts, so there is nothing to compare with.)
func TestPadAndItsGradientOnTwoAxes(t *testing.T) {
	numbers := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		height, width := 1+numbers.IntN(3), 1+numbers.IntN(3)
		var pads [2][3]int
		sizes := [2]int{height, width}
		empty := false
		for axis := range pads {
			pads[axis] = [3]int{numbers.IntN(6) - 2, numbers.IntN(6) - 2, numbers.IntN(3)}
			sizes[axis] += (sizes[axis]-1)*pads[axis][2] + pads[axis][0] + pads[axis][1]
			empty = empty || sizes[axis] <= 0
		}
		values := random(height*width*2, 1)
		x := tensors.FromFlatDataAndDimensions(values, height, width, 2)
		what := fmt.Sprintf("%d×%d×2 padded by %v", height, width, pads)
		if empty {
			_, err := run(model.NewStore(), false, pad(axes(pads[:]...)...), x)
			errorContains(t, what, err, "leaves nothing of axis")
			continue
		}
		weights := random(sizes[0]*sizes[1]*2, 2)
		got := mustRun(t, model.NewStore(), false, func(_ *model.Scope, inputs []*graph.Node) []*graph.Node {
			fill := scalar(inputs[0].Graph(), fill)
			padded := Pad(inputs[0], fill, axes(pads[:]...)...)
			gradients := graph.Gradient(graph.ReduceAllSum(graph.Mul(padded, inputs[1])), inputs[0], fill)
			return append(gradients, padded)
		}, x, tensors.FromFlatDataAndDimensions(weights, sizes[0], sizes[1], 2))
		padded, gradient := slices.Repeat([]float64{fill}, len(weights)), make([]float64, len(values))
		for i := range values {
			y, x := i/2/width*(pads[0][2]+1)+pads[0][0], i/2%width*(pads[1][2]+1)+pads[1][0]
			if y >= 0 && y < sizes[0] && x >= 0 && x < sizes[1] {
				at := (y*sizes[1]+x)*2 + i%2
				padded[at], gradient[i] = values[i], weights[at]
			}
		}
		checkClose(t, what, got[2], padded, 0)
		checkClose(t, what+": gradient", got[0], gradient, 0)
		checkClose(t, what+": gradient to the fill", got[1], []float64{0}, 0)
	}
}

func TestImpossiblePaddingPanics(t *testing.T) {
	x := tensors.FromFlatDataAndDimensions([]float64{1, 2, 3, 4, 5, 6}, 2, 3)
	for name, test := range map[string]struct {
		pads []compute.PadAxis
		want string
	}{
		"too many axes":     {axes([3]int{1}, [3]int{1}, [3]int{1}), "padding for 3 axes"},
		"negative interior": {axes([3]int{0, 0, -1}), "interior padding of -1 on axis 0"},
		"nothing left":      {axes([3]int{}, [3]int{-2, -1, 0}), "(-2, -1) leaves nothing of axis 1"},
	} {
		_, err := run(model.NewStore(), false, pad(test.pads...), x)
		errorContains(t, name, err, test.want)
	}
}
