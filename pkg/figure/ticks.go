package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// extent is a range of values. It is empty until a value is included.
type extent struct {
	low, high float64
	some      bool
}

func (e *extent) include(v float64) {
	if !e.some {
		*e = extent{v, v, true}
		return
	}
	e.low, e.high = min(e.low, v), max(e.high, v)
}

// widened returns the extent with room around the data, so that no line runs along the
// frame. A range of positive values that comes near 0 is extended to 0, so that the eye can
// compare distances from it.
func (e extent) widened(log bool) extent {
	switch {
	case log:
		room := max(0.04*math.Log10(e.high/e.low), 0.05)
		e.low, e.high = e.low*math.Pow(10, -room), e.high*math.Pow(10, room)
	case e.low == e.high:
		room := max(math.Abs(e.low)/2, 1e-9)
		if e.low == 0 {
			room = 1
		}
		e.low, e.high = e.low-room, e.high+room
	default:
		room := 0.05 * (e.high - e.low)
		if e.low >= 0 && e.low < 0.35*e.high {
			e.low = 0
		} else {
			e.low -= room
		}
		e.high += room
	}
	return e
}

// linearTicks returns about count ticks at round values between low and high. whole
// restricts them to whole numbers, for epochs; percent writes fractions as percentages.
func linearTicks(low, high float64, count int, whole, percent bool) []plot.Tick {
	step := niceStep((high - low) / float64(max(count, 1)))
	if whole {
		step = max(step, 1)
	}
	var values []float64
	slack := step * 1e-9
	first := math.Ceil((low - slack) / step)
	for i := 0.0; i < 100 && (first+i)*step <= high+slack; i++ {
		values = append(values, (first+i)*step)
	}
	write := numbers(step, max(math.Abs(low), math.Abs(high)), percent)
	ticks := make([]plot.Tick, len(values))
	for i, v := range values {
		ticks[i] = plot.Tick{Value: v, Label: write(v)}
	}
	return ticks
}

// niceStep returns the smallest of 1, 2 and 5 times a power of ten that is at least raw.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range [...]float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// numbers returns a function that writes values which are step apart and at most largest:
// all with as many decimals as the step needs, thousands with k and millions with M.
func numbers(step, largest float64, percent bool) func(v float64) string {
	unit, suffix := 1.0, ""
	percent = percent && largest < 1e6 // larger values are hardly fractions
	switch {
	case percent:
		unit, suffix = 0.01, "%"
	case largest >= 1e10 || largest < 1e-3:
		exponent := math.Floor(math.Log10(largest) + 1e-9)
		unit, suffix = math.Pow(10, exponent), fmt.Sprintf("e%+.0f", exponent)
	case largest >= 1e7:
		unit, suffix = 1e6, "M"
	case largest >= 1e4:
		unit, suffix = 1e3, "k"
	}
	decimals := -int(math.Floor(math.Log10(step/unit) + 1e-9))
	decimals = max(0, min(decimals, 12))
	return func(v float64) string {
		if math.Abs(v) < step*1e-6 {
			if percent {
				return "0%"
			}
			return "0"
		}
		s := strconv.FormatFloat(v/unit, 'f', decimals, 64) + suffix
		return minus(s)
	}
}

// logTicks returns ticks at the powers of ten from low to high, thinned to about count, and
// minor ticks between them. A range that contains fewer than two powers of ten gets labels
// at 2 and 5 as well or, if it is narrower still, at linear steps.
func logTicks(low, high float64, count int, percent bool) []plot.Tick {
	first, last := math.Ceil(math.Log10(low)-1e-9), math.Floor(math.Log10(high)+1e-9)
	var ticks []plot.Tick
	if last-first >= 1 {
		stride := math.Ceil((last - first + 1) / float64(max(count, 2)))
		for e := first - 1; e <= last; e++ {
			power := math.Pow(10, e)
			if e >= first && math.Mod(e-first, stride) == 0 {
				ticks = append(ticks, plot.Tick{Value: power, Label: powerOfTen(e, percent)})
			} else {
				ticks = append(ticks, plot.Tick{Value: power})
			}
			for m := 2.0; m <= 9 && stride == 1; m++ {
				ticks = append(ticks, plot.Tick{Value: m * power})
			}
		}
		return within(ticks, low, high)
	}
	for e := first - 1; e <= last+1; e++ {
		for _, m := range [...]float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			ticks = append(ticks, plot.Tick{Value: v, Label: numbers(math.Pow(10, e), v, percent)(v)})
		}
	}
	if ticks = within(ticks, low, high); len(ticks) >= 2 {
		return ticks
	}
	return linearTicks(low, high, count, false, percent)
}

// fullLogTicks is logTicks for an axis of the given length. Unless the powers of ten are
// many, there is room for labels at 2 and 5 between them.
func fullLogTicks(low, high, length float64) []plot.Tick {
	const room = 42 // for a label
	decades := math.Log10(high / low)
	if length*math.Log10(2) < room*decades {
		return logTicks(low, high, int(length/60), false)
	}
	var ticks []plot.Tick
	labelled := 0
	for e := math.Floor(math.Log10(low) + 1e-9); e <= math.Log10(high)+1e-9; e++ {
		for m := 1.0; m <= 9; m++ {
			t := plot.Tick{Value: m * math.Pow(10, e)}
			if m == 1 || m == 2 || m == 5 {
				t.Label = shortNumber(t.Value)
			}
			ticks = append(ticks, t)
		}
	}
	ticks = within(ticks, low, high)
	for _, t := range ticks {
		if t.Label != "" {
			labelled++
		}
	}
	if labelled < 2 {
		return linearTicks(low, high, int(length/80), false, false)
	}
	return ticks
}

// shortNumber writes a value of one significant digit, thousands with k and millions with
// M. Each value has its own unit, because no unit suits all values of a logarithmic axis.
func shortNumber(v float64) string {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	switch {
	case v >= 1e9:
		return fmt.Sprintf("%ge+%.0f", math.Round(v/power), math.Log10(power))
	case v >= 1e6:
		return numbers(power/1e6, v/1e6, false)(v/1e6) + "M"
	case v >= 1e4:
		return numbers(power/1e3, v/1e3, false)(v/1e3) + "k"
	}
	return numbers(power, v, false)(v)
}

// within returns the ticks from low to high. It reuses the slice.
func within(ticks []plot.Tick, low, high float64) []plot.Tick {
	kept := ticks[:0]
	for _, t := range ticks {
		if t.Value >= low*(1-1e-9) && t.Value <= high*(1+1e-9) {
			kept = append(kept, t)
		}
	}
	return kept
}

// powerOfTen writes 10 to the power of e.
func powerOfTen(e float64, percent bool) string {
	if !percent && (e < -4 || e > 3) {
		return minus(fmt.Sprintf("1e%+.0f", e))
	}
	v := math.Pow(10, e)
	return numbers(v, 1, percent)(v)
}

// threeDigits writes v with three significant digits, without zeros at the end.
func threeDigits(v float64) string {
	if v == 0 {
		return "0"
	}
	magnitude := math.Abs(v)
	if magnitude >= 1e7 || magnitude < 1e-3 {
		return minus(strconv.FormatFloat(v, 'g', 3, 64))
	}
	decimals := max(0, 2-int(math.Floor(math.Log10(magnitude))))
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return minus(s)
}

// minus writes the minus signs of a number as such, not as hyphens.
func minus(number string) string { return strings.ReplaceAll(number, "-", "−") }
