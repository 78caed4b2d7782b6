package check

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

var bugHeadHints = map[string]string{
	"reshaped-not-pooled":  "Reshape moves no number: it cuts the same row of them into other pieces. In [batch, height, width, channels] the numbers of one place are neighbours, so what is averaged here is a strip of the image over all channels",
	"pooled-over-channels": "the mean is over the channels, which leaves a number for each place. It is to be the other way round: a number for each channel",
	"flatten":              "all numbers go into the linear layer, which then has weights for each place and so cares where things are",
	"wrong-axes":           "axis 3 is the channels, which are to stay; height and width are axes 1 and 2",
	"pooled-over-one-axis": "the mean is over the height alone or the width alone; the network still cares where things are along the other",
	"max-pool":             "the maximum does not care where things are either, but it is the mean that is to be taken",
	"sum-not-mean":         "the sum grows with the size of the image; it is the mean that is to be taken",
	"one-place-only":       "all places but one are thrown away",
}

// BugHead checks the exercise bughead.
func BugHead(t T, answer func(scope *model.Scope, x *graph.Node, classes int) *graph.Node) {
	t.Helper()
	head := comparison{
		"Head(scope, x, 3)",
		func(scope *model.Scope, x *graph.Node) *graph.Node { return answer(scope, x, 3) },
		graphCases("bughead")[0], bugHeadHints,
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
			head.Input = []int{1, 1, 1, 2}
			o, err := head.run()
			if err == nil && fmt.Sprint(o.shape) != "[1 3]" {
				err = &Failure{What: "the shape of " + head.call(), Want: "[1 3]", Got: fmt.Sprint(o.shape)}
			}
			return err
		}},
	)
}

// placesDoNotMatter checks that the logits stay when the maps are moved by a pixel down
// and one to the right, and what leaves on one side comes in on the other.
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
	failure := difference("y = "+head.call()+", moved by a pixel", "y", after.shape, after.values, before.values)
	if failure == nil {
		return nil
	}
	failure.Want += ", as before"
	failure.Hint = head.reason(before)
	return failure
}
