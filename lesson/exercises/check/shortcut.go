package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var shortcutHints = map[string]string{
	"shortcut-without-norm":     "the projection is a convolution and a batch norm; the norm is missing",
	"shortcut-without-stride":   "the convolution moves one pixel at a time; give it the stride, as the branch has it",
	"relu-on-shortcut":          "the projection ends with its norm: the ReLU comes after the addition, once, for branch and shortcut together",
	"three-by-three-kernel":     "the kernel is 3×3; the shortcut is there to bring x through as it is, so it looks at one pixel, 1×1, at a ninth of the cost",
	"average-pooling":           "x is pooled before it is projected. That is a later invention (ResNet-D); here the convolution itself has the stride",
	"channels-not-changed":      "the result has as many channels as x; give the convolution the number that is asked for",
	"never-projecting":          "x comes back though neither its size nor its channels are those asked for: that cannot be added",
	"projects-on-stride-only":   "with a stride of 1 x comes back though it has another number of channels than asked for: look at both",
	"projects-on-channels-only": "with a stride of 2 x comes back though it is twice as large as asked for: look at stride and channels both",
	"takes-every-other-pixel":   "every other pixel of x, without weights, has the right shape and is shortcut A of the paper; here it is B, a convolution and a norm",
	"always-projecting":         "where the shape does not change the shortcut is to be x itself. A convolution there costs weights and, worse, is one more layer for the signal and its gradient to get through",
	"copies-input":              "where the shape does not change return x: nothing is to be computed",
}

// Shortcut checks the exercise shortcut.
func Shortcut(t T, answer nn.Shortcut) {
	t.Helper()
	var changing []comparison
	for i, c := range graphCases("shortcut") {
		channels, stride := []int{6, 6, 4}[i], []int{2, 1, 2}[i]
		changing = append(changing, comparison{
			fmt.Sprintf("Shortcut(scope, x, %d, %d)", channels, stride),
			func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, channels, stride) },
			c, shortcutHints,
		})
	}
	run(t, "shortcut",
		step{"shape", 2, onEach(changing, comparison.shape)},
		step{"weights", 2, onEach(changing, comparison.names)},
		step{"values", 3, onEach(changing, comparison.values)},
		step{"identity", 3, func() error { return sameShape(answer) }},
	)
}

// sameShape checks the shortcut where nothing changes.
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
		return &Failure{What: same.call(), Want: "x, and no weights", Got: "weights: " + unlike(o.weights, nil), Hint: same.hint("always-projecting")}
	case !o.returnsInput:
		return &Failure{What: same.call(), Want: "x itself", Got: fmt.Sprintf("another node, of shape %v", o.shape), Hint: same.hint("copies-input")}
	}
	return nil
}
