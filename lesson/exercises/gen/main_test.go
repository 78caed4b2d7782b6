package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/exercises"
)

func TestWriteKeepsAnswers(t *testing.T) {
	t.Chdir(t.TempDir())
	solution := []byte("package half\n\nfunc Half(x int) int {\n\t// BEGIN SOLUTION\n\treturn x / 2\n\t// END SOLUTION\n}\n")
	stub, err := exercises.Stub(solution, "half")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join("half", "solution"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("half", "half.go")
	put := func(path string, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := func(want []byte) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
			t.Errorf("%v; the file is\n%s\nwant\n%s", err, got, want)
		}
	}
	put(filepath.Join("half", "solution", "half.go"), solution)
	for range 2 { // it is not there, and then it is
		if err := write("half", false); err != nil {
			t.Fatal(err)
		}
		want(stub)
	}
	answer := []byte("package half\n\nfunc Half(x int) int { return x >> 1 }\n")
	put(path, answer)
	if err := write("half", false); err == nil || !strings.Contains(err.Error(), "go run ./gen half") {
		t.Errorf("got the error %v, want one that says how to overwrite", err)
	}
	want(answer)
	if err := write("half", true); err != nil {
		t.Error(err)
	}
	want(stub)
}
