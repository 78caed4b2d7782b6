package grade

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
)

// TestCourse grades the solutions of the real course, so every exercise's test must fit its
// solution. It also grades answers to two exercises, one in plain Go and one that builds a
// network: solutions get all points, and an answer with a usual mistake gets its hint.
func TestCourse(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles GoMLX")
	}
	root, err := checkout.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"outputsize", "basicblock"}
	class := t.TempDir()
	for _, name := range names {
		solution, err := os.ReadFile(filepath.Join(root, exercises.Folder, name, "solution", name+".go"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, class, "ada/"+name+".go", string(solution))
		put(t, class, "bob/"+name+".go", "package "+name+"\n")
	}
	put(t, class, "bob/outputsize.go", "package outputsize\n\nfunc OutputSize(in, kernel, stride, padding int) int { return (in-kernel)/stride + 1 }\n")
	grades, err := Run(t.Context(), Options{Course: root, Folders: []string{class}, Timeout: time.Minute, Memory: 4 << 30, WithoutSandbox: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := len(exercises.All()); len(grades.Exercises) != want {
		t.Errorf("%d exercises, want %d", len(grades.Exercises), want)
	}
	ada, bob := grades.Students[0], grades.Students[1]
	first, second := slices.Index(grades.Exercises, names[0]), slices.Index(grades.Exercises, names[1])
	for _, i := range []int{first, second} {
		if mark := ada.Marks[i]; mark.Status != Passed || mark.Points != mark.Of || mark.Of == 0 {
			t.Errorf("a solution: %+v", mark)
		}
	}
	if mark := bob.Marks[first]; mark.Status != Failed || len(mark.Hints) != 1 || mark.Points >= mark.Of {
		t.Errorf("an answer that forgets the padding: %+v", mark)
	}
	if mark := bob.Marks[second]; mark.Status != CompileError || !strings.Contains(mark.CompileError, "undefined: basicblock.") {
		t.Errorf("an answer without the function: %+v", mark)
	}
}
