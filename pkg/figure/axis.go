package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// axis maps values to 0 … 1 and knows its ticks.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
}

// tick is a mark at a value; a minor one has no label.
type tick struct {
	value float64
	label string
}

// part returns how far along the axis v is, 0 at its low end and 1 at its high end.
func (a axis) part(v float64) float64 {
	if a.log {
		return (math.Log10(v) - math.Log10(a.low)) / (math.Log10(a.high) - math.Log10(a.low))
	}
	return (v - a.low) / (a.high - a.low)
}

// extent is a range of values, empty until the first is taken in.
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
// frame. A range of positive values that comes near 0 is taken down to it: distances
// from 0 can then be compared by eye.
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

// linearTicks returns about count ticks at round values between low and high. whole keeps
// them at whole numbers, for epochs; percent writes fractions in percent.
func linearTicks(low, high float64, count int, whole, percent bool) []tick {
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
	ticks := make([]tick, len(values))
	for i, v := range values {
		ticks[i] = tick{v, write(v)}
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

// numbers returns how to write values that are step apart and at most largest: all with
// as many decimals as the step needs, thousands as k and millions as M.
func numbers(step, largest float64, percent bool) func(v float64) string {
	unit, suffix := 1.0, ""
	percent = percent && largest < 1e6 // beyond, a fraction is no longer one
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
		return strings.ReplaceAll(s, "-", "−")
	}
}

// logTicks returns the powers of ten from low to high, thinned to about count, and minor
// ticks between neighbours. A range with fewer than two powers of ten in it gets labels at
// 2 and 5 as well, or, if it is narrower still, at linear steps.
func logTicks(low, high float64, count int, percent bool) []tick {
	first, last := math.Ceil(math.Log10(low)-1e-9), math.Floor(math.Log10(high)+1e-9)
	var ticks []tick
	if last-first >= 1 {
		stride := math.Ceil((last - first + 1) / float64(max(count, 2)))
		for e := first - 1; e <= last; e++ {
			power := math.Pow(10, e)
			if e >= first && math.Mod(e-first, stride) == 0 {
				ticks = append(ticks, tick{power, powerOfTen(e, percent)})
			} else {
				ticks = append(ticks, tick{power, ""})
			}
			for m := 2.0; m <= 9 && stride == 1; m++ {
				ticks = append(ticks, tick{m * power, ""})
			}
		}
		return within(ticks, low, high)
	}
	for e := first - 1; e <= last+1; e++ {
		for _, m := range [...]float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			ticks = append(ticks, tick{v, numbers(math.Pow(10, e), v, percent)(v)})
		}
	}
	if ticks = within(ticks, low, high); len(ticks) >= 2 {
		return ticks
	}
	return linearTicks(low, high, count, false, percent)
}

// fullLogTicks is logTicks for an axis of the given length, which has room for labels at 2
// and 5 between the powers of ten as well unless there are many of these.
func fullLogTicks(low, high, length float64) []tick {
	const room = 42 // for a label
	decades := math.Log10(high / low)
	if length*math.Log10(2) < room*decades {
		return logTicks(low, high, int(length/60), false)
	}
	var ticks []tick
	labelled := 0
	for e := math.Floor(math.Log10(low) + 1e-9); e <= math.Log10(high)+1e-9; e++ {
		for m := 1.0; m <= 9; m++ {
			t := tick{value: m * math.Pow(10, e)}
			if m == 1 || m == 2 || m == 5 {
				t.label = shortNumber(t.value)
			}
			ticks = append(ticks, t)
		}
	}
	ticks = within(ticks, low, high)
	for _, t := range ticks {
		if t.label != "" {
			labelled++
		}
	}
	if labelled < 2 {
		return linearTicks(low, high, int(length/80), false, false)
	}
	return ticks
}

// shortNumber writes a value of one digit by itself, thousands as k and millions as M. On
// a logarithmic axis no unit is good for all.
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

func within(ticks []tick, low, high float64) []tick {
	kept := ticks[:0]
	for _, t := range ticks {
		if t.value >= low*(1-1e-9) && t.value <= high*(1+1e-9) {
			kept = append(kept, t)
		}
	}
	return kept
}

func powerOfTen(e float64, percent bool) string {
	if !percent && (e < -4 || e > 3) {
		return strings.ReplaceAll(fmt.Sprintf("1e%+.0f", e), "-", "−")
	}
	v := math.Pow(10, e)
	return numbers(v, 1, percent)(v)
}
