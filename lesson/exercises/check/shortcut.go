package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var shortcutHints = map[string]string{
	"shortcut-without-norm":     "the norm is missing: the projection is a convolution and a batch norm",
	"shortcut-without-stride":   "the convolution moves one pixel at a time; give it the same stride as the branch",
	"relu-on-shortcut":          "the projection ends with its norm; the ReLU comes after the addition, once, for branch and shortcut together",
	"three-by-three-kernel":     "the kernel is 3×3; the shortcut should pass x on with as little change as possible, so it is 1×1, one pixel at a time and a ninth of the cost",
	"average-pooling":           "x is pooled before it is projected. That is a later idea (ResNet-D); here the convolution itself has the stride",
	"channels-not-changed":      "the result has as many channels as x; give the convolution the number of channels asked for",
	"never-projecting":          "x is returned although its size or its channels are not those asked for, so it cannot be added",
	"projects-on-stride-only":   "with stride 1, x is returned even if it has the wrong number of channels; look at both stride and channels",
	"projects-on-channels-only": "with stride 2, x is returned even though it is twice as large as it should be; look at both stride and channels",
	"takes-every-other-pixel":   "taking every other pixel, without weights, gives the right shape, but that is shortcut A of the paper; the task asks for B, a convolution and a norm",
	"always-projecting":         "where the shape does not change, return x itself. A convolution there costs weights and, worse, is one more layer for the signal and its gradient to pass through",
	"copies-input":              "where the shape does not change, return x itself; there is nothing to compute",
}

// Shortcut checks the exercise shortcut.
func Shortcut(t T, answer nn.Shortcut) {
	t.Helper()
	changing := comparisons("shortcut", shortcutHints, func(i int) (string, network) {
		channels, stride := []int{6, 6, 4, 4, 2}[i], []int{2, 1, 2, 3, 1}[i]
		return fmt.Sprintf("Shortcut(scope, x, %d, %d)", channels, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, channels, stride) }
	})
	run(t, "shortcut",
		step{"shape", 2, onEach(changing, comparison.shape)},
		step{"weights", 2, onEach(changing, comparison.names)},
		step{"values", 3, inBothModes(changing...)},
		step{"identity", 3, func() error { return sameShape(answer) }},
	)
}

// sameShape checks the shortcut where the shape does not change.
func sameShape(answer nn.Shortcut) error {
	shape := []int{2, 3, 5, 4}
	same := comparison{
		"Shortcut(scope, x, 4, 1)",
		func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, 4, 1) },
		graphCase{Input: shape, Right: graphOutput{Shape: shape}}, shortcutHints,
	}
	o, err := same.run()
	switch {
	case err != nil:
		return err
	case len(o.weights) > 0:
		return &Failure{What: same.call(), Want: "x, and no weights", Got: "the weights " + unlike(o.weights, nil), Hint: same.hint("always-projecting")}
	case !o.returnsInput:
		return &Failure{What: same.call(), Want: "x itself", Got: fmt.Sprintf("a new node, of shape %v", o.shape), Hint: same.hint("copies-input")}
	}
	return nil
}
