package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
	nb "github.com/residual-go/residual/lesson/notebook"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
)

// course is a checkout of this repository.
type course struct {
	root string
}

// findCourse returns the checkout that contains the working directory.
func findCourse() (*course, error) {
	root, err := checkout.Root(".")
	if err != nil {
		return nil, err
	}
	return &course{root}, nil
}

// path returns the path of a file or folder in the checkout.
func (c *course) path(elements ...string) string {
	return filepath.Join(append([]string{c.root}, elements...)...)
}

// notebooks returns the paths of all notebooks, in order.
func (c *course) notebooks() ([]string, error) {
	paths, err := filepath.Glob(c.path("notebooks", "[1-9]-*.ipynb"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no notebooks in %s", c.path("notebooks"))
	}
	return paths, err
}

// named returns the notebooks whose names begin with one of the prefixes, or all notebooks if
// there are no prefixes.
func (c *course) named(prefixes []string) ([]string, error) {
	all, err := c.notebooks()
	if err != nil || len(prefixes) == 0 {
		return all, err
	}
	var chosen []string
	for _, prefix := range prefixes {
		found := false
		for _, path := range all {
			if strings.HasPrefix(filepath.Base(path), prefix) {
				chosen, found = append(chosen, path), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no notebook's name begins with %q; to list them, run: ls notebooks", prefix)
		}
	}
	return chosen, nil
}

// execute runs notebooks one after the other and writes each back after it succeeds. Their figures are
// drawn in Chinese too, for the command zh; words in figures that have no translation are printed.
func (c *course) execute(ctx context.Context, paths []string) error {
	untranslated := c.path(nb.Figures(words.Chinese), nb.UntranslatedFile)
	if err := os.Remove(untranslated); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the list of an earlier run: %w", err)
	}
	// Earlier runs would be reused instead of trained again.
	if err := os.RemoveAll(c.path("runs", "course")); err != nil {
		return fmt.Errorf("remove earlier runs: %w", err)
	}
	for _, path := range paths {
		fmt.Printf("%s ", filepath.Base(path))
		started := time.Now()
		content, err := c.run(ctx, path, nb.BothVariable+"=1", words.Variable+"="+string(words.English))
		if err != nil {
			fmt.Println()
			return err
		}
		if err := atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		}); err != nil {
			return fmt.Errorf("write back %s: %w", filepath.Base(path), err)
		}
		fmt.Printf("%s\n", time.Since(started).Round(time.Second))
	}
	return printUntranslated(untranslated)
}

// printUntranslated prints what is in the list of words without translation, each line once.
func printUntranslated(path string) error {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the words without translation: %w", err)
	}
	list := slices.Sorted(strings.Lines(string(content)))
	if len(list) > 0 {
		fmt.Println("Texts in figures that have no Chinese words, or not all; put them into notebooks/zh/*.md or lesson/words/zh/figures.po:")
		fmt.Print(strings.Join(slices.Compact(list), ""))
	}
	return nil
}

// run runs all cells of a notebook and returns it with its outputs. If a cell fails, the error
// contains the cell's output. extra lists additional environment variables.
func (c *course) run(ctx context.Context, path string, extra ...string) (content []byte, err error) {
	s, err := newSession()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	var stdout, stderr bytes.Buffer
	cmd := s.jupyter(ctx, c, "nbconvert", "--to", "notebook", "--execute", "--stdout",
		"--ExecutePreprocessor.timeout=3600", "--ExecutePreprocessor.record_timing=False", path)
	cmd.Env = append(cmd.Env, extra...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run %s: %w\n%s", filepath.Base(path), err, tail(stderr.String(), 30))
	}
	if err := failure(stdout.Bytes()); err != nil {
		return nil, fmt.Errorf("run %s: %w", filepath.Base(path), err)
	}
	return withLanguage(stdout.Bytes())
}

// open runs Jupyter on the notebooks until it is interrupted.
func (c *course) open(ctx context.Context) (err error) {
	s, err := newSession()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	cmd := s.jupyter(ctx, c, append([]string{"notebook"}, asRoot()...)...)
	cmd.Dir = c.path("notebooks")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("jupyter notebook: %w", err)
	}
	return nil
}

// asRoot returns the option that Jupyter requires to run as root, which in a container is
// often the only user.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return []string{"--allow-root"}
	}
	return nil
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
