package check

import (
	"fmt"
	"math"
	"slices"
)

// pattern says what wrong values have in common with the right ones, such as "every value is 2
// times the right one", or returns "". It says only what holds for all values, and nothing
// unless there are enough different values to tell. shape, if not nil, is that of both.
func pattern(want, got []float64, shape []int) string {
	if len(want) != len(got) || len(want) < 2 {
		return ""
	}
	largest := 0.0
	for i := range want {
		if math.IsNaN(got[i]) || math.IsInf(got[i], 0) {
			return ""
		}
		largest = max(largest, math.Abs(want[i]))
	}
	tolerance := 1e-4*largest + 1e-9
	if spread := slices.Max(want) - slices.Min(want); spread <= 10*tolerance {
		return "" // equal values are a multiple of the right ones, and further off by a constant
	}
	all := func(holds func(i int) bool) bool {
		for i := range want {
			if !holds(i) {
				return false
			}
		}
		return true
	}
	is := func(x, y float64) bool { return math.Abs(x-y) <= tolerance }
	if all(func(i int) bool { return is(got[i], want[i]) }) {
		return ""
	}
	if all(func(i int) bool { return is(got[i], 0) }) {
		return "every value is 0"
	}
	if all(func(i int) bool { return is(got[i], got[0]) }) {
		return "all values are equal"
	}
	if all(func(i int) bool { return is(got[i], -want[i]) }) {
		return "every value has the opposite sign"
	}
	// The factor at the largest value is the most exact.
	top := 0
	for i := range want {
		if math.Abs(want[i]) > math.Abs(want[top]) {
			top = i
		}
	}
	if factor := got[top] / want[top]; math.Abs(factor) > 1e-3 && all(func(i int) bool {
		return math.Abs(got[i]-factor*want[i]) <= tolerance*max(1, math.Abs(factor))
	}) {
		return fmt.Sprintf("every value is %.4g times the right one", factor)
	}
	if shift := got[0] - want[0]; all(func(i int) bool { return is(got[i]-want[i], shift) }) {
		return fmt.Sprintf("every value is off by the same, %+.4g", shift)
	}
	if turned, name := moved(want, got, shape, is); turned {
		return name
	}
	return ""
}

// moved reports whether the values are the right ones in other places, and how they moved.
func moved(want, got []float64, shape []int, is func(x, y float64) bool) (ok bool, name string) {
	if len(shape) < 2 {
		return false, ""
	}
	strides := make([]int, len(shape))
	size := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = size
		size *= shape[axis]
	}
	if size != len(want) {
		return false, ""
	}
	// same reports whether each value is the right one of another place. Places outside do not
	// count, but most have to be inside.
	same := func(from func(index []int) bool) bool {
		index := make([]int, len(shape))
		inside := 0
		for i := range got {
			for axis := range shape {
				index[axis] = i / strides[axis] % shape[axis]
			}
			if !from(index) {
				continue
			}
			at := 0
			for axis := range shape {
				at += index[axis] * strides[axis]
			}
			if !is(got[i], want[at]) {
				return false
			}
			inside++
		}
		return 2*inside >= len(got)
	}
	for a := range shape {
		for b := a + 1; b < len(shape); b++ {
			if shape[a] == shape[b] && shape[a] > 1 && same(func(index []int) bool {
				index[a], index[b] = index[b], index[a]
				return true
			}) {
				return true, fmt.Sprintf("these are the right values with axes %d and %d swapped", a, b)
			}
		}
	}
	for a := range shape {
		if shape[a] > 1 && same(func(index []int) bool { index[a] = shape[a] - 1 - index[a]; return true }) {
			return true, fmt.Sprintf("these are the right values in the opposite order along axis %d", a)
		}
	}
	for a := range shape {
		for _, step := range []int{1, -1} {
			if shape[a] > 2 && same(func(index []int) bool {
				index[a] += step
				return index[a] >= 0 && index[a] < shape[a]
			}) {
				return true, fmt.Sprintf("these are the right values, one place too far along axis %d", a)
			}
		}
	}
	return false, ""
}

// wide converts float32 values.
func wide(values []float32) []float64 {
	list := make([]float64, len(values))
	for i, value := range values {
		list[i] = float64(value)
	}
	return list
}
