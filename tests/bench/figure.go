package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/tests/internal/measure"
)

// redraw draws the figure from a report that -json has written.
func redraw(o options, w io.Writer) error {
	content, err := os.ReadFile(o.from)
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	var r report
	if err := json.Unmarshal(content, &r); err != nil {
		return fmt.Errorf("-from %s: this is not what -json writes: %w", o.from, err)
	}
	if len(r.Speed) == 0 || len(r.Peers) == 0 {
		return fmt.Errorf("-from %s: the figure shows ratios to PyTorch, and none are in this file", o.from)
	}
	for _, c := range r.Speed {
		if len(c.Contenders) == 0 || len(c.Contenders[0].Rounds) == 0 {
			return fmt.Errorf("-from %s: %s has no measurements", o.from, c.Network)
		}
	}
	paths, err := saveFigure(r, o.figures, o.language)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "wrote %s and %s\n", paths[0], paths[1])
	return err
}

// saveFigure draws the speeds relative to PyTorch as bars and saves them in dir as
// cpu-speed.svg and cpu-speed.png. Of several peers with one version, the fastest counts.
func saveFigure(r report, dir string, language words.Language) (paths []string, err error) {
	programs := r.programs()
	var bars []figure.Bar
	for _, program := range programs {
		for _, c := range r.Speed {
			k := r.fastest(c, program)
			if k == nil || k.Speed == nil {
				continue
			}
			bars = append(bars, figure.Bar{Name: c.Network, Group: group(c.Mode, program, len(programs) > 1), Label: measure.Number(k.Speed.Median),
				Value: k.Speed.Median, Low: k.Speed.Low, High: k.Speed.High})
		}
	}
	f, err := figure.Bars(title, axis, bars, figure.Reference(1, "PyTorch"), figure.Caption(caption(r)))
	if err == nil && language == words.Chinese {
		f, err = f.Translated(chinese(r))
	}
	if err != nil {
		return nil, err
	}
	paths = []string{filepath.Join(dir, "cpu-speed.svg"), filepath.Join(dir, "cpu-speed.png")}
	return paths, f.Save(paths...)
}

// The texts of the figure that chinese looks up.
const (
	title = "Speed on the CPU, relative to PyTorch"
	axis  = "images per second, over PyTorch's"
)

// group names the bars of a mode; several is whether there is more than one program to compare with.
func group(mode, program string, several bool) string {
	if several {
		return modeName(mode) + ", over " + program
	}
	return modeName(mode)
}

// chinese returns the function that translates the texts of the figure.
func chinese(r report) func(string) string {
	modes := map[string]string{trainMode: "训练", evalMode: "推断"}
	ours := strings.NewReplacer("Residual CPU backend", "Residual 的 CPU 后端", " kernels", " 内核", " cores", " 个核", " core", " 个核").Replace(r.description())
	rounds := ""
	if r.Rounds > 1 {
		rounds = fmt.Sprintf("%d 次的中位数，细线从最低到最高；", r.Rounds)
	}
	texts := map[string]string{
		title: "CPU 上的速度，以 PyTorch 为 1",
		axis:  "每秒图像数，除以 PyTorch 的",
		caption(r): fmt.Sprintf("%s 与 %s 相比；float32，%d×%d 像素，批量大小 %d，%d 个线程；%s%s",
			ours, strings.NewReplacer("the fastest of ", "取最快的：", " and ", " 和 ", " compiled", " 编译").Replace(r.versus()),
			size, size, r.Batch, r.Threads, rounds, r.Machine.CPU),
	}
	programs := r.programs()
	for mode, name := range modes {
		for _, program := range programs {
			several := len(programs) > 1
			texts[group(mode, program, several)] = name
			if several {
				texts[group(mode, program, several)] = name + "，与 " + program + " 相比"
			}
		}
	}
	return func(text string) string {
		if translated, ok := texts[text]; ok {
			return translated
		}
		return text
	}
}

func caption(r report) string {
	s := fmt.Sprintf("%s against %s; float32, %d×%d pixels, batch %d, threads: %d; %s", r.description(), r.versus(), size, size,
		r.Batch, r.Threads, r.median())
	if r.Rounds > 1 {
		s += ", thin lines from the lowest to the highest"
	}
	return s + "; " + r.Machine.CPU
}
