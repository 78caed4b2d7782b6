package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	if err == nil && language == words.Chinese {
		f, err = f.Translated(language.NewPhrasebook(chinese...).Translate)
	}
	if err != nil {
		return nil, err
	}
	paths = []string{filepath.Join(dir, "cpu-speed.svg"), filepath.Join(dir, "cpu-speed.png")}
	return paths, f.Save(paths...)
}

// chinese has the words of the figure.
var chinese = []words.Phrase{
	{English: `"Speed on the CPU, relative to PyTorch"`, Text: "CPU 上的速度，以 PyTorch 为 1"},
	{English: `"images per second, over PyTorch's"`, Text: "每秒图像数，除以 PyTorch 的"},
	{English: `"training"`, Text: "训练"},
	{English: `"inference"`, Text: "推断"},
	{English: "%s, over %s", Text: "%s，与 %s 相比"},
	{English: "%s against %s", Text: "%s 与 %s 相比"},
	{English: "Residual CPU backend (%s kernels, %d cores)", Text: "Residual 的 CPU 后端（%s 内核，%d 个核）"},
	{English: "%s and %s", Text: "%s 和 %s"},
	{English: "%s (the fastest of %s)", Text: "%s（取最快的：%s）"},
	{English: "float32, %d×%d pixels, batch %d, threads: %d", Text: "float32，%d×%d 像素，批量大小 %d，%d 个线程"},
	{English: "median of %d rounds, thin lines from the lowest to the highest", Text: "%d 次的中位数，细线从最低到最高"},
	{English: `"one round"`, Text: "一次"},
}

func caption(r report) string {
	s := fmt.Sprintf("%s against %s; float32, %d×%d pixels, batch %d, threads: %d; %s", r.description(), r.versus(), size, size,
		r.Batch, r.Threads, r.median())
	if r.Rounds > 1 {
		s += ", thin lines from the lowest to the highest"
	}
	return s + "; " + r.Machine.CPU
}
