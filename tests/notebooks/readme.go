package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	nb "github.com/residual-go/residual/lesson/notebook"
	"github.com/residual-go/residual/lesson/notebook/origin"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
)

// chineseSuffix is the end of the names of figures on README.zh.md. The English one is beside it:
// degradation.png and degradation.zh.png.
const chineseSuffix = ".zh.png"

// writeReadmeFigures writes those Chinese figures of README.zh.md for which there is a new one: those of
// notebooks are among figures, and those of commands are in figures/zh, where make figures draws them.
func (c *course) writeReadmeFigures(figures translations) error {
	paths, err := filepath.Glob(c.path("figures", "*"+chineseSuffix))
	if err != nil {
		return err
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), chineseSuffix)
		english, err := os.ReadFile(c.path("figures", name+".png"))
		if err != nil {
			return fmt.Errorf("read the English figure of %s: %w", filepath.Base(path), err)
		}
		content := figures[origin.Sum(english)]
		used := ""
		if content == nil {
			used = c.path(nb.Figures(words.Chinese), name+".png")
			drawn, err := os.ReadFile(used)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read a Chinese figure: %w", err)
			}
			if content, err = origin.Mark(drawn, english); err != nil {
				return fmt.Errorf("mark %s: %w", filepath.Base(path), err)
			}
		}
		if err := atomicfile.WriteBytes(path, content); err != nil {
			return fmt.Errorf("write a figure of README.zh.md: %w", err)
		}
		if used != "" {
			if err := os.Remove(used); err != nil {
				return fmt.Errorf("remove a Chinese figure that is in the README now: %w", err)
			}
		}
	}
	return nil
}
