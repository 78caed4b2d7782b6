package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
)

// TestGrade grades a class that handed in as people do: everybody has a row, which has the mark
// or says why there is none.
func TestGrade(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles GoMLX")
	}
	t.Parallel()
	root, err := checkout.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	solution, err := os.ReadFile(filepath.Join(root, "lesson", "exercises", "outputsize", "solution", "outputsize.go"))
	if err != nil {
		t.Fatal(err)
	}
	unpadded := []byte("package outputsize\n\nfunc OutputSize(in, kernel, stride, padding int) int { return (in-kernel)/stride + 1 }\n")
	function := string(solution[bytes.Index(solution, []byte("func OutputSize")):])
	notebook, err := json.Marshal(map[string]any{"cells": []any{map[string]any{"cell_type": "code", "source": function}}})
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	for name, content := range map[string][]byte{
		"ada/outputsize.go": solution,
		"Ben Lee_12_assignsubmission_file_outputsize.go":   append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(solution, []byte("\n"), []byte("\r\n"))...),
		"Cleo Roy_13_assignsubmission_file_/OutputSize.GO": unpadded,
		"doedan_LATE_123_456_outputsize.go.txt":            solution,
		"eve.zip":                                          zipped(t, "residual-main/lesson/exercises/outputsize/outputsize.go", solution),
		"finn/outputsize.ipynb":                            notebook,
		"gina.zip":                                         zipped(t, "../outputsize.go", solution),
		"hal/a/outputsize.go":                              solution,
		"hal/b/outputsize.go":                              unpadded,
		"ida.rar":                                          nil,
		" ada/outputsize.go":                               unpadded,
		"x\nzoe,10/notes.txt":                              nil,
		"=1+1/outputsize.py":                               nil,
		"README.md":                                        nil,
	} {
		writeFile(t, p.path("class", name), content)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "grade", "--exercises", "outputsize", "--out", p.path("out"), p.path("class"))
	temporary := t.TempDir()
	cmd.Dir, cmd.Env = root, append(p.env, "TMPDIR="+temporary)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	content, err := os.ReadFile(p.path("out", "grades.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][3]string{
		{"student", "outputsize", "outputsize_note"},
		{`" ada"`, "", ""},
		{"'=1+1", "", "not marked: found outputsize.py, but no file with the name or package of an exercise"},
		{"Ben Lee", "10", ""},
		{"Cleo Roy", "", ""},
		{"ada", "10", ""},
		{"doedan", "10", ""},
		{"eve", "10", ""},
		{"finn", "10", ""},
		{"gina", "", "not marked: the archive gina.zip has a file with the path ../outputsize.go, which leads out of it"},
		{"hal", "", "not marked: there are 2 different answers, and nothing says which one to mark: a/outputsize.go, b/outputsize.go"},
		{"ida", "", "not marked: ida.rar is an archive that is not opened; unpack it, or ask for a zip"},
		{`"x\nzoe,10"`, "", "not marked: found notes.txt, but no file with the name or package of an exercise"},
	} {
		if i >= len(rows) {
			t.Fatalf("%d rows:\n%s", len(rows), content)
		}
		got := rows[i][:3]
		if slices.Contains([]string{`" ada"`, "Cleo Roy"}, want[0]) { // marked, and wrong
			if got[0] != want[0] || got[1] == "" || got[1] == "10" || got[2] == "" {
				t.Errorf("row %d is %q, want an answer of %s with a hint", i, got, want[0])
			}
		} else if !slices.Equal(got, want[:]) {
			t.Errorf("row %d is %q, want %q", i, got, want)
		}
	}
	if len(rows) != 13 {
		t.Errorf("%d rows, want 13:\n%s", len(rows), content)
	}
	has(t, string(output), "handed in late, as the file name says: doedan_LATE_123_456_outputsize.go.txt", "taken from the cells of outputsize.ipynb",
		"ignored, because no student handed it in: README.md", "outputsize: not marked: there are 2 different answers")
	// A second run finds all marks in the first one's grades.
	again := exec.CommandContext(ctx, binary, cmd.Args[1:]...)
	again.Dir, again.Env = cmd.Dir, cmd.Env
	if output, err = again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	has(t, string(output), "the solutions are known", "eve: 10 of 10 points, as before")
	if second, err := os.ReadFile(p.path("out", "grades.csv")); err != nil || !bytes.Equal(second, content) {
		t.Errorf("the second run gave %v\n%s, and the first\n%s", err, second, content)
	}
	// If the grades cannot be written, they are at least printed.
	table := p.path("out", "grades.csv")
	if err := os.Remove(table); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(table, "file"), nil)
	third := exec.CommandContext(ctx, binary, cmd.Args[1:]...)
	third.Dir, third.Env = cmd.Dir, cmd.Env
	if output, err = third.CombinedOutput(); err == nil {
		t.Error("no error although grades.csv is a folder")
	}
	has(t, string(output), "doedan", "maximum", "grades.csv", "choose another folder with --out")
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	if left, err := filepath.Glob(p.path("class", "*.go")); err != nil || len(left) != 1 {
		t.Errorf("grading changed the folder of the class: %q, %v", left, err)
	}
}

// zipped returns a zip archive with one file.
func zipped(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
