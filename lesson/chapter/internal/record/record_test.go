package record

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
