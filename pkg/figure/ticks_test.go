package figure

import (
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

// labels returns the labels of the ticks that have one.
func labels(ticks []plot.Tick) string {
	var all []string
	for _, t := range ticks {
		if t.Label != "" {
			all = append(all, t.Label)
		}
	}
	return strings.Join(all, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name  string
		ticks []plot.Tick
		want  string
	}{
		{"round", linearTicks(0, 1, 5, false, false), "0 0.2 0.4 0.6 0.8 1.0"},
		{"percent", linearTicks(0, 0.3, 3, false, true), "0% 10% 20% 30%"},
		{"half percent", linearTicks(0.01, 0.02, 2, false, true), "1.0% 1.5% 2.0%"},
		{"thousands", linearTicks(0, 64000, 4, false, false), "0 20k 40k 60k"},
		{"millions", linearTicks(0, 2e7, 2, false, false), "0 10M 20M"},
		{"whole", linearTicks(1, 3, 10, true, false), "1 2 3"},
		{"negative", linearTicks(-1, 1, 2, false, false), "−1 0 1"},
		{"tiny", linearTicks(0, 2e-6, 2, false, false), "0 1e−6 2e−6"},
		{"decades", logTicks(0.0005, 200, plotHeight, 30, false), "0.001 0.01 0.1 1 10 100"},
		{"many decades", logTicks(1e-12, 1, plotHeight, 40, false), "1e−12 1e−10 1e−8 1e−6 1e−4 0.01 1"},
		{"one decade", logTicks(0.15, 3, plotHeight, 30, false), "0.2 0.5 1 2"},
		{"within a decade", logTicks(1.1, 1.9, plotHeight, 40, false), "1.2 1.4 1.6 1.8"},
		{"huge counts", logTicks(5e8, 3e9, 700, 40, false), "500M 1000M 1500M 2000M 2500M 3000M"},
		{"levels", levels(extent{0.04, 190, true}, true), "0.05 0.1 0.2 0.5 1 2 5 10 20 50 100"},
		{"near levels", levels(extent{1.8, 3.1, true}, true), "1.8 2.0 2.2 2.4 2.6 2.8 3.0"},
		{"far levels", levels(extent{0.3, 1e7, true}, true), "1 10 100 1000 10k 100k 1M 10M"},
		{"linear levels", levels(extent{0, 20, true}, false), "0 5 10 15 20"},
		{"counts", logTicks(5, 500, 700, 40, false), "5 10 20 50 100 200 500"},
		{"parameters", logTicks(2e5, 6e7, 700, 40, false), "200k 500k 1M 2M 5M 10M 20M 50M"},
		{"rates", logTicks(0.01, 3, 700, 40, false), "0.01 0.02 0.05 0.1 0.2 0.5 1 2"},
		{"wide", logTicks(1, 1e8, 700, 40, false), "1 10 100 1000 10k 100k 1M 10M 100M"},
		{"huge", logTicks(1, 1e12, 350, 40, false), "1 100 10k 1M 100M 1e+10 1e+12"},
		{"narrow", logTicks(11, 19, 320, 40, false), "12 14 16 18"},
		{"log percent", logTicks(0.005, 0.2, plotHeight, 30, true), "0.5% 1% 2% 5% 10% 20%"},
	} {
		if got := labels(c.ticks); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
