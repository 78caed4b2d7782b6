package main

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/exercises"
)

// sample is which mutants the tests check: every sample-th, always the same. make mutate checks
// all.
const sample = 12

// root is the root of the module.
var root = filepath.Join("..", "..")

// TestSample checks some mutants, and all answers that people wrote, of every exercise that
// equivalent.txt has a part for.
func TestSample(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program of a few hundred answers")
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	reviewed, err := readExpected(filepath.Join("testdata", "equivalent.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range exercises.Names() {
		if reviewed[name] != nil {
			names = append(names, name)
		}
	}
	if len(names) < 16 {
		t.Errorf("equivalent.txt has parts for %d exercises", len(names))
	}
	r, err := mutate(t.Context(), absolute, names, sample, runtime.GOMAXPROCS(0), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range r.faults() {
		t.Error(fault)
	}
	var table strings.Builder
	r.table(&table)
	t.Log("\n" + table.String())
	for _, e := range r.exercises {
		if c := r.counts(e); c.checked < 2 || c.killed+c.timedOut == 0 {
			t.Errorf("%s: %d mutants checked, %d of them killed", e.name, c.checked, c.killed+c.timedOut)
		}
	}
}
