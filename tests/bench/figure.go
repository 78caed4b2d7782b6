package main

import (
	"fmt"
	"path/filepath"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/tests/internal/measure"
)

// saveFigure draws the speeds relative to PyTorch as bars and saves them in dir as
// cpu-speed.svg and cpu-speed.png. Of several peers with one version, the fastest counts.
func saveFigure(r report, dir string) (paths []string, err error) {
	programs := r.programs()
	var bars []figure.Bar
	for _, program := range programs {
		for _, c := range r.Speed {
			k := r.fastest(c, program)
			if k == nil || k.Speed == nil {
				continue
			}
			group := modeName(c.Mode)
			if len(programs) > 1 {
				group += ", over " + program
			}
			bars = append(bars, figure.Bar{Name: c.Network, Group: group, Label: measure.Number(k.Speed.Median),
				Value: k.Speed.Median, Low: k.Speed.Low, High: k.Speed.High})
		}
	}
	f, err := figure.Bars("Speed on the CPU, relative to PyTorch", "images per second, over PyTorch's", bars,
		figure.Reference(1, "PyTorch"), figure.Caption(caption(r)))
	if err != nil {
		return nil, err
	}
	paths = []string{filepath.Join(dir, "cpu-speed.svg"), filepath.Join(dir, "cpu-speed.png")}
	return paths, f.Save(paths...)
}

func caption(r report) string {
	s := fmt.Sprintf("%s against %s; float32, %d×%d pixels, batch %d, threads: %d; %s", r.description(), r.versus(), size, size,
		r.Batch, r.Threads, r.median())
	if r.Rounds > 1 {
		s += ", thin lines from the lowest to the highest"
	}
	return s + "; " + r.Machine.CPU
}
