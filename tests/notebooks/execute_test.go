package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nb "github.com/residual-go/residual/lesson/notebook"
)

// ready returns the course, ready to run notebooks. If Jupyter is missing, it skips the test with a message
// that says what to install.
func ready(t *testing.T, ctx context.Context) *course {
	t.Helper()
	if testing.Short() {
		t.Skip("runs notebooks")
	}
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.setup(ctx); err != nil {
		if !c.hasJupyter(ctx) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	return c
}

// TestNotebooksRun runs two notebooks from the first cell to the last, without the network: Chinese ones,
// which have the code of the English ones.
func TestNotebooksRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	c := ready(t, ctx)
	for _, name := range []string{"zh/1-deeper.ipynb", "zh/4-resnet18.ipynb"} {
		t.Run(name, func(t *testing.T) {
			into := t.TempDir()
			content, err := c.run(ctx, c.path("notebooks", filepath.FromSlash(name)), nb.OutputVariable+"="+into)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range problems(content, name, into) {
				t.Error(problem)
			}
		})
	}
}

// TestFailingNotebookIsAnError: a failing cell must fail the run, with the cell's output.
func TestFailingNotebookIsAnError(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := ready(t, ctx)
	for name, test := range map[string]struct{ source, want string }{
		"a compile error":     {"%%\nundefinedName()", "undefinedName"},
		"a lesson's error":    {"import (\n\"errors\"\n\"github.com/residual-go/residual/lesson/notebook\"\n)\n\n%%\nnotebook.Check(errors.New(\"out of luck\"))", "out of luck"},
		"an exercise's error": {"import (\n\"testing\"\n\"github.com/residual-go/residual/lesson/exercises/check\"\n)\nfunc TestIt(t *testing.T) { check.OutputSize(t, func(in, kernel, stride, padding int) int { return in }) }\n\n%test", "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "broken.ipynb")
			writeNotebook(t, path, test.source)
			if _, err := c.run(ctx, path); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// writeNotebook writes a notebook with one code cell.
func writeNotebook(t *testing.T, path, source string) {
	t.Helper()
	content, err := json.Marshal(map[string]any{
		"cells": []any{map[string]any{"cell_type": "code", "id": "a", "metadata": map[string]any{}, "execution_count": nil,
			"outputs": []any{}, "source": source}},
		"metadata": map[string]any{"kernelspec": map[string]string{"name": "gonb", "display_name": "Go (gonb)", "language": "go"}},
		"nbformat": 4, "nbformat_minor": 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
