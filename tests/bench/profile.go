package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/cpu"
)

// part is the time of a step that went into one part of the work.
type part struct {
	Part string `json:"part"`
	// Milliseconds is the time of all cores together, and Idle that of cores which had no work meanwhile.
	Milliseconds float64 `json:"milliseconds"`
	Idle         float64 `json:"idle"`
}

// profiler is a backend that measures the parts of steps, such as pkg/cpu with the option "profile".
type profiler interface{ Profile() []cpu.PartTime }

// profiled returns a stepper that forgets the profile of the warm-up steps.
func profiled(b compute.Backend, step stepper, warmUps int) stepper {
	p, ok := b.(profiler)
	if !ok {
		return step
	}
	n := 0
	return func() (seconds, value float64, err error) {
		if n == warmUps {
			p.Profile()
		}
		n++
		return step()
	}
}

// partsOf returns the profile of steps that took the given seconds. The last part is the time that the
// backend did not work.
func partsOf(b compute.Backend, steps []float64) []part {
	p, ok := b.(profiler)
	if !ok {
		return nil
	}
	var parts []part
	threads, n := runtime.GOMAXPROCS(0), float64(len(steps))
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 / n }
	outside := 0.0
	for _, seconds := range steps {
		outside += 1e3 * seconds / n
	}
	for _, t := range p.Profile() {
		parts = append(parts, part{t.Part, ms(t.Busy), float64(threads)*ms(t.Elapsed) - ms(t.Busy)})
		outside -= ms(t.Elapsed)
	}
	if len(parts) == 0 {
		return nil
	}
	return append(parts, part{"between the steps: GoMLX", outside, float64(threads-1) * outside})
}

// writeProfile writes the parts of a step as two tables: their kinds, then all parts.
func (r result) writeProfile(w io.Writer) error {
	var kinds []part
	total := 0.0
	idle := part{Part: "idle"}
	for _, p := range r.Profile {
		kind, _, _ := strings.Cut(p.Part, ":")
		i := slices.IndexFunc(kinds, func(k part) bool { return k.Part == kind })
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, part{Part: kind})
		}
		kinds[i].Milliseconds += p.Milliseconds
		kinds[i].Idle += p.Idle
		idle.Milliseconds += p.Idle
		total += p.Milliseconds + p.Idle
	}
	slices.SortStableFunc(kinds, func(a, b part) int { return cmp.Compare(b.Milliseconds, a.Milliseconds) })
	heading := fmt.Sprintf("Where the time of all cores goes: %s of %s on %s, milliseconds per step", modeName(r.Mode), r.Network, r.Backend)
	for i, parts := range [][]part{append(kinds, idle), r.Profile} {
		rows := [][]string{{"ms", "share", "idle meanwhile", "part"}}
		for _, p := range parts {
			rows = append(rows, []string{fmt.Sprintf("%.2f", p.Milliseconds), fmt.Sprintf("%.1f%%", 100*p.Milliseconds/total),
				fmt.Sprintf("%.2f", p.Idle), p.Part})
		}
		if err := writeTable(w, heading+[]string{"", ", in detail"}[i], rows); err != nil {
			return err
		}
	}
	return nil
}
