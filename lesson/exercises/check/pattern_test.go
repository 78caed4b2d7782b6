package check

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	want := []float64{1, 2, 4, -3, 5, 0, 7, 9, -2, 6, 11, 3}
	of := func(change func(i int, x float64) float64) []float64 {
		got := make([]float64, len(want))
		for i, x := range want {
			got[i] = change(i, x)
		}
		return got
	}
	at := func(from func(i int) int) []float64 {
		return of(func(i int, _ float64) float64 { return want[from(i)] })
	}
	for _, c := range []struct {
		name, want string
		shape      []int
		got        []float64
	}{
		{"right", "", []int{3, 4}, want},
		{"scale", "every value is 2 times the right one", nil, of(func(_ int, x float64) float64 { return 2 * x })},
		{"a negative scale", "every value is -0.5 times", nil, of(func(_ int, x float64) float64 { return -x / 2 })},
		{"sign", "opposite sign", nil, of(func(_ int, x float64) float64 { return -x })},
		{"shift", "off by the same, -1.5", nil, of(func(_ int, x float64) float64 { return x - 1.5 })},
		{"zero", "every value is 0", nil, make([]float64, len(want))},
		{"constant", "all values are equal", nil, of(func(int, float64) float64 { return 3 })},
		{"one value is right", "", nil, of(func(i int, x float64) float64 {
			if i == 3 {
				return x
			}
			return 2 * x
		})},
		{"neither scale nor shift", "", []int{3, 4}, of(func(_ int, x float64) float64 { return 2*x + 1 })},
		{"axes", "axes 1 and 2 swapped", []int{3, 2, 2}, at(func(i int) int { return i/4*4 + i%2*2 + i/2%2 })},
		{"order", "opposite order along axis 0", []int{3, 4}, at(func(i int) int { return (2-i/4)*4 + i%4 })},
		{"off by one", "one place too far along axis 1", []int{2, 6}, at(func(i int) int { return i/6*6 + min(i%6+1, 5) })},
		{"other values", "", []int{3, 4}, at(func(i int) int { return i * 5 % 12 })},
		{"fewer values", "", nil, want[1:]},
	} {
		got := pattern(want, c.got, c.shape)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := pattern([]float64{2, 2, 2}, []float64{4, 4, 4}, nil); got != "" {
		t.Errorf("of equal values, which are scaled and shifted: got %q", got)
	}
}
