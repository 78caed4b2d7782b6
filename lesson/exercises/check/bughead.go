package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

var bugHeadHints = map[string]string{
	"reshaped-not-pooled":  "Reshape moves no values; it only cuts the same sequence into other pieces. In [batch, height, width, channels] the channels of one place are neighbours, so each mean here is over a strip of the image, across all channels",
	"pooled-over-channels": "the mean is over the channels, which leaves one value per place; it should be the other way round, one value per channel",
	"flatten":              "every value goes into the linear layer, which then has separate weights for each place and so cares where things are",
	"wrong-axes":           "axis 3 holds the channels, which should stay; height and width are axes 1 and 2",
	"pooled-over-one-axis": "the mean is over height alone or width alone, so the network still cares where things are along the other",
	"max-pool":             "the maximum does not care where things are either, but the task asks for the mean",
	"sum-not-mean":         "this is the sum, which grows with the size of the image; take the mean",
	"one-place-only":       "all places but one are thrown away; take the mean over all of them",
}

// BugHead checks the exercise bughead.
func BugHead(t T, answer func(scope *model.Scope, x *graph.Node, classes int) *graph.Node) {
	t.Helper()
	head := comparison{
		"Head(scope, x, 3)",
		func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, 3) },
		graphCases("bughead")[0], bugHeadHints,
	}
	other := comparison{
		"Head(scope, x, 6)",
		func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, 6) },
		graphCases("bughead")[1], bugHeadHints,
	}
	run(t, "bughead",
		step{"values", 4, func() error {
			if err := head.values(); err != nil {
				return err
			}
			return head.names()
		}},
		step{"places", 4, func() error { return placesDoNotMatter(head) }},
		step{"other sizes", 2, func() error {
			if err := other.values(); err != nil {
				return err
			}
			head.Input = []int{1, 1, 1, 2}
			o, err := head.run()
			if err == nil && fmt.Sprint(o.shape) != "[1 3]" {
				err = &Failure{What: "the shape of " + head.call(), Want: "[1 3]", Got: fmt.Sprint(o.shape)}
			}
			return err
		}},
	)
}

// placesDoNotMatter checks that the logits stay the same when the maps are moved one pixel
// down and one to the right, wrapping around the edges.
func placesDoNotMatter(head comparison) error {
	before, err := head.run()
	if err != nil {
		return err
	}
	batch, height, width, channels := head.Input[0], head.Input[1], head.Input[2], head.Input[3]
	x := weightValues("input", head.Input)
	moved := make([]float32, len(x))
	for image := range batch {
		for row := range height {
			for column := range width {
				from := ((image*height+row)*width + column) * channels
				to := ((image*height+(row+1)%height)*width + (column+1)%width) * channels
				copy(moved[to:to+channels], x[from:])
			}
		}
	}
	after, err := evaluate(head.answer, tensors.FromFlatDataAndDimensions(moved, head.Input...), nil)
	if err != nil {
		return err
	}
	failure := difference("y = "+head.call()+", moved by one pixel", "y", after.shape, after.values, before.values)
	if failure == nil {
		return nil
	}
	failure.Want += ", as without the move"
	failure.Hint = head.reason(before)
	return failure
}
