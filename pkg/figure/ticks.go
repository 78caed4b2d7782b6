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
// frame. A range of positive values that comes near 0 is extended to 0, so that
// values can be compared by their distance from 0.
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

// logTicks returns ticks from low to high for a logarithmic axis of the given length, whose
// labels each take room: at 1, 2 and 5 times the powers of ten if these fit, otherwise at
// every power of ten, or every second, third … one. Minor ticks divide the decades unless
// these are too short. In a range too narrow for four such labels the steps are linear.
func logTicks(low, high, length, room float64, percent bool) []plot.Tick {
	decades := math.Log10(high / low)
	all := length*math.Log10(2) >= room*decades // from 1 to 2 is the narrowest step
	stride := max(1, math.Ceil(1.4*room*decades/length))
	var ticks []plot.Tick
	labels := 0
	first := math.Ceil(math.Log10(low) - 1e-9)
	for e := first - 1; e <= math.Log10(high)+1e-9; e++ {
		for m := 1.0; m == 1 || m <= 9 && stride == 1; m++ {
			t := plot.Tick{Value: m * math.Pow(10, e)}
			if t.Value < low*(1-1e-9) || t.Value > high*(1+1e-9) {
				continue
			}
			if m == 1 && math.Mod(e-first, stride) == 0 || all && (m == 2 || m == 5) {
				t.Label = shortNumber(t.Value, percent)
				labels++
			}
			ticks = append(ticks, t)
		}
	}
	if labels < 2 || all && labels < 4 {
		return linearTicks(low, high, int(length/(2*room)), false, percent)
	}
	return ticks
}

// shortNumber writes a value of one significant digit, as a percentage or with k for
// thousands and M for millions. Each value has its own unit, because no unit suits all values of a logarithmic axis.
func shortNumber(v float64, percent bool) string {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	switch {
	case percent:
		return numbers(power, v, true)(v)
	case v >= 1e9:
		return fmt.Sprintf("%ge+%.0f", math.Round(v/power), math.Log10(power))
	case v >= 1e6:
		return numbers(power/1e6, v/1e6, false)(v/1e6) + "M"
	case v >= 1e4:
		return numbers(power/1e3, v/1e3, false)(v/1e3) + "k"
	}
	return numbers(power, v, false)(v)
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
