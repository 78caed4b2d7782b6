package record

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/run"
)

type trial struct {
	Rate float64 `json:"rate"`
}

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trials.jsonl")
	if _, err := Read[trial](path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, want := range [][]trial{{{1}, {0.5}}, nil} {
		if err := Write(path, want); err != nil {
			t.Fatal(err)
		}
		if got, err := Read[trial](path); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if err := Write(path, []trial{{math.NaN()}}); err == nil {
		t.Error("no error from a number that JSON does not have")
	}
	if err := os.WriteFile(path, []byte("{\"rate\": 1}\n\n{\"rate\": \n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read[trial](path); err == nil || !strings.Contains(err.Error(), "trials.jsonl, line 3") {
		t.Errorf("a damaged line: %v", err)
	}
}

func TestPoints(t *testing.T) {
	for difference, want := range map[float64]string{-0.013: "−1.3 points", 0.025: "+2.5 points", 0: "+0.0 points"} {
		if got := Points(difference); got != want {
			t.Errorf("%g is %q, want %q", difference, got, want)
		}
	}
}

// The programs say what to do about a run of another recipe; other errors stay as they are.
func TestMessage(t *testing.T) {
	if got, want := message(fmt.Errorf("runs/a %w: batch is 64 there", run.ErrOtherRecipe)),
		"runs/a holds a run of a different recipe: batch is 64 there; remove that folder, or choose another"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := message(errors.New("no\nspace")); strings.Contains(got, "\n") || strings.Contains(got, "remove") {
		t.Errorf("got %q", got)
	}
}
