package figure

import (
	"fmt"
	"math"
)

// Option changes how a figure is drawn. An option that means nothing for a figure, such
// as [LogY] for a grid of images, has no effect on it.
type Option func(*options)

type options struct {
	caption    string
	logX       bool
	logY       bool
	percent    bool
	rangeSet   bool
	yLow, yTop float64

	xLabel, yLabel, zLabel string
	logZ                   bool
	zRangeSet              bool
	zLow, zTop             float64
}

// Caption puts a line under the figure. Say there which data the figure is about:
// "data: Shapes-10 (built-in), not CIFAR-10".
func Caption(text string) Option { return func(o *options) { o.caption = text } }

// LogX makes the x axis of curves logarithmic. Points whose x is not positive become gaps.
func LogX() Option { return func(o *options) { o.logX = true } }

// LogY makes the y axis logarithmic. Values that are not positive become gaps.
func LogY() Option { return func(o *options) { o.logY = true } }

// YRange fixes the ends of the y axis; lines are cut off there. Without it the axis holds
// all the data, and reaches down to 0 where the data comes near.
func YRange(low, high float64) Option {
	return func(o *options) { o.rangeSet, o.yLow, o.yTop = true, low, high }
}

// LogZ makes the scale of the heights of [Contours] logarithmic. Heights that are not
// positive are left white.
func LogZ() Option { return func(o *options) { o.logZ = true } }

// ZRange fixes the ends of the scale of the heights of [Contours]; heights beyond have the
// colour of the nearer end. Without it the scale holds all heights of all panels.
func ZRange(low, high float64) Option {
	return func(o *options) { o.zRangeSet, o.zLow, o.zTop = true, low, high }
}

// AxisLabels says what the axes of [Contours] are, and what the heights.
func AxisLabels(x, y, z string) Option {
	return func(o *options) { o.xLabel, o.yLabel, o.zLabel = x, y, z }
}

// Percent says that y is a fraction, and writes it in percent: 0.25 as 25%.
func Percent() Option { return func(o *options) { o.percent = true } }

func gather(opts []Option) (options, error) {
	var o options
	for _, set := range opts {
		set(&o)
	}
	if o.rangeSet {
		if err := checkRange("y", o.yLow, o.yTop, o.logY); err != nil {
			return o, err
		}
	}
	if o.zRangeSet {
		return o, checkRange("z", o.zLow, o.zTop, o.logZ)
	}
	return o, nil
}

// checkRange reports whether an axis can reach from low to high.
func checkRange(name string, low, high float64, log bool) error {
	if !drawable(low) || !drawable(high) || low >= high {
		return fmt.Errorf("%s range %g to %g, want two numbers, the smaller first", name, low, high)
	}
	if log && low < smallest {
		return fmt.Errorf("%s range from %g on a logarithmic axis, which has no 0", name, low)
	}
	return nil
}

// Beyond these no axis can be drawn in float64 arithmetic, and no run has anything to say.
const (
	largest  = 1e100
	smallest = 1e-100
)

// drawable reports whether v has a place on a linear axis: no NaN, no infinity.
func drawable(v float64) bool { return math.Abs(v) <= largest }
