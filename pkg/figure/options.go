package figure

import (
	"fmt"
	"math"
)

// Option changes how a figure is drawn. An option that does not apply to a figure, such as
// [LogY] to a grid of images, has no effect on it.
type Option func(*options)

type options struct {
	caption    string
	logX       bool
	logY       bool
	logZ       bool
	percent    bool
	rangeSet   bool
	yLow, yTop float64
	reference  *reference
	translate  func(english string) string

	xLabel, yLabel, zLabel string

	heatScale *HeatScale
}

// Caption puts a line below the figure. It should name the data that the figure shows:
// "data: Shapes-10 (built-in), not CIFAR-10".
func Caption(text string) Option { return func(o *options) { o.caption = text } }

// LogX makes the x axis of curves logarithmic. Points whose x is not positive become gaps.
func LogX() Option { return func(o *options) { o.logX = true } }

// LogY makes the y axis of curves logarithmic. Values that are not positive become gaps.
func LogY() Option { return func(o *options) { o.logY = true } }

// YRange fixes the ends of the y axis of curves and bars; lines are cut off there. Without
// it the axis holds all data, and starts at 0 if the data comes near.
func YRange(low, high float64) Option {
	return func(o *options) { o.rangeSet, o.yLow, o.yTop = true, low, high }
}

// reference is a value that bars are compared with.
type reference struct {
	value float64
	name  string
}

// Reference draws a dashed line across [Bars] at the value they are compared with, and
// lists its name in the legend.
func Reference(value float64, name string) Option {
	return func(o *options) { o.reference = &reference{value, name} }
}

// LogZ makes the colour scale of [Contours] logarithmic. Heights that are not positive are
// left white.
func LogZ() Option { return func(o *options) { o.logZ = true } }

// AxisLabels names the axes and the heights of [Contours].
func AxisLabels(x, y, z string) Option {
	return func(o *options) { o.xLabel, o.yLabel, o.zLabel = x, y, z }
}

// Percent writes y as a percentage: 0.25 as 25%.
func Percent() Option { return func(o *options) { o.percent = true } }

// Translate draws a figure with its words in another language. The function gets every text: those
// that a constructor is given, such as titles, names and captions, and those of this package, such
// as "true class" and the format "%d of %d wrong: framed, with a cross". It returns the translation,
// or the text itself if it has none. To draw a figure in a second language, see [Figure.Translated].
func Translate(translate func(text string) string) Option {
	return func(o *options) { o.translate = translate }
}

// Text returns a text in the reader's language.
func (o options) Text(english string) string {
	if o.translate == nil || english == "" {
		return english
	}
	return o.translate(english)
}

// all returns texts in the reader's language.
func (o options) all(english []string) []string {
	texts := make([]string, len(english))
	for i, s := range english {
		texts[i] = o.Text(s)
	}
	return texts
}

func gather(opts []Option) (options, error) {
	var o options
	for _, set := range opts {
		set(&o)
	}
	if r := o.reference; r != nil && !drawable(r.value) {
		return o, fmt.Errorf("the reference %q is %g, want a finite number", r.name, r.value)
	}
	if s := o.heatScale; s != nil {
		if err := checkRange("colour", s.Low, s.High, false); err != nil {
			return o, err
		}
	}
	if !o.rangeSet {
		return o, nil
	}
	return o, checkRange("y", o.yLow, o.yTop, o.logY)
}

// checkRange reports whether an axis can reach from low to high.
func checkRange(name string, low, high float64, log bool) error {
	if !drawable(low) || !drawable(high) || low >= high {
		return fmt.Errorf("%s range from %g to %g, want two finite numbers, the smaller one first", name, low, high)
	}
	if log && low < smallest {
		return fmt.Errorf("%s range from %g on a logarithmic axis, want a positive number", name, low)
	}
	return nil
}

// Beyond these limits float64 arithmetic fails to place ticks, and no measurement means
// anything.
const (
	largest  = 1e100
	smallest = 1e-100
)

// drawable reports whether v has a place on a linear axis: it is neither NaN nor infinite
// nor huge.
func drawable(v float64) bool { return math.Abs(v) <= largest }
