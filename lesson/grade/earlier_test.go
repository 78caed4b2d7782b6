package grade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/residual-go/residual/lesson/exercises"
)

// reread returns the grades as a later run reads them.
func reread(t *testing.T, g *Grades) *Grades {
	t.Helper()
	var b bytes.Buffer
	if err := g.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	again, err := ReadGrades(&b)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// marksOf returns the points in a line: those of each exercise, or − if there are none.
func marksOf(g *Grades) string {
	var rows []string
	for _, s := range g.Students {
		row := s.Name
		for _, m := range s.Marks {
			if m.given() {
				row += fmt.Sprint(" ", m.Points)
			} else {
				row += " -"
			}
		}
		rows = append(rows, row)
	}
	return strings.Join(rows, ", ")
}

// TestSecondRun grades a class again and again: what has not changed is not marked again, and no
// mark is lost.
func TestSecondRun(t *testing.T) {
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	put(t, class, "ada/convolution.go", answer("convolution", "", right))
	put(t, class, "bob/outputsize.go", answer("outputsize", "", wrong))
	put(t, class, "bob/convolution.go", answer("convolution", "", wrong+"\n// bob's"))
	put(t, class, "cleo/outputsize.go", answer("outputsize", "", `func Add(a, b int) int { panic("x") }`))
	o := smallOptions(t, class)
	run := func(want string, change func(*Options)) *Grades {
		t.Helper()
		o := o
		if change != nil {
			change(&o)
		}
		g, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := marksOf(g); got != want {
			t.Errorf("marks %s; want %s", got, want)
		}
		if g.Incomplete || g.Graded != 3 || g.NotGraded != 0 {
			t.Errorf("incomplete %t, %d graded, %d not", g.Incomplete, g.Graded, g.NotGraded)
		}
		return g
	}
	first := run("ada 10 10, bob 4 4, cleo 0 -", nil)

	// A mark that is in the earlier grades and that no check would give shows where it is from.
	o.Earlier = reread(t, first)
	for i := range o.Earlier.Students {
		o.Earlier.Students[i].Marks[0].Points = 7
	}
	run("ada 7 10, bob 7 4, cleo 7 -", nil)
	run("ada 10 10, bob 4 4, cleo 0 -", func(o *Options) { o.Again = true })
	run("ada 7 10, bob 7 4, cleo 7 -", func(o *Options) { o.Timeout *= 2 }) // no limit was reached
	put(t, class, "bob/outputsize.go", answer("outputsize", "", right+"\n// better"))
	second := run("ada 7 10, bob 10 4, cleo 7 -", nil)
	if second.Students[0].Points != 17 || second.Students[0].Of != 20 {
		t.Errorf("%d of %d points", second.Students[0].Points, second.Students[0].Of)
	}
	at := filepath.Join(o.Course, exercises.Folder, "check", "add.go")
	original, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	put(t, o.Course, exercises.Folder+"/check/add.go", string(original)+"\n// Changed.\n")
	run("ada 10 10, bob 10 4, cleo 0 -", nil)
	put(t, o.Course, exercises.Folder+"/check/add.go", string(original))

	// Marks that a run does not give are kept.
	one := run("ada 7 10, bob 10 4, cleo 7 -", func(o *Options) { o.Exercises = smallExercises[:1] })
	if len(one.Exercises) != 2 || one.Solutions[1].Of != 10 {
		t.Errorf("exercises %q, solutions %+v", one.Exercises, one.Solutions)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(class, "ada")), os.Remove(filepath.Join(class, "bob", "convolution.go"))); err != nil {
		t.Fatal(err)
	}
	put(t, class, "dan/outputsize.go", answer("outputsize", "", right+"\n// dan's"))
	kept := run("ada 7 10, bob 10 4, cleo 7 -, dan 10 -", nil)
	if !slices.ContainsFunc(kept.Warnings, func(w string) bool { return strings.Contains(w, "kept from the earlier grades: ada") }) {
		t.Errorf("warnings %q say nothing about ada", kept.Warnings)
	}
	if w := kept.student("bob").Warning; !strings.Contains(w, "convolution: the mark is from an earlier run") {
		t.Errorf("the warning about bob is %q", w)
	}

	other := t.TempDir()
	put(t, other, "zoe/outputsize.go", answer("outputsize", "", right))
	o.Folders = []string{other}
	if _, err := Run(t.Context(), o); err != ErrOtherClass {
		t.Errorf("grades of another class: %v", err)
	}
}

// TestInterruptedAgain interrupts a run over grades that are complete, and one that is not.
func TestInterruptedAgain(t *testing.T) {
	class := t.TempDir()
	for _, name := range []string{"ada", "bob", "cleo"} {
		put(t, class, name+"/outputsize.go", answer("outputsize", "", right+"\n// "+name))
	}
	o := smallOptions(t, class)
	o.Exercises, o.workers = o.Exercises[:1], 1
	interrupted := func(after int, again bool) *Grades {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := o
		o.Again = again
		o.Progress = func(done, _ int, _ string) {
			if done == after {
				cancel()
			}
		}
		g, err := Run(ctx, o)
		if err != context.Canceled || g == nil || !g.Incomplete {
			t.Fatalf("grades %+v, %v, want incomplete ones", g, err)
		}
		return g
	}
	first := interrupted(2, false)
	if got := marksOf(first); got != "ada 10" || first.Graded != 1 {
		t.Errorf("the first run gave %s", got)
	}
	o.Earlier = reread(t, first)
	o.Earlier.Students[0].Marks[0].Points = 7 // shows that it is taken over
	full, err := Run(t.Context(), o)
	if err != nil || full.Incomplete || marksOf(full) != "ada 7, bob 10, cleo 10" {
		t.Fatalf("the second run gave %s, %v", marksOf(full), err)
	}
	o.Earlier = reread(t, full)
	if got := marksOf(interrupted(2, true)); got != "ada 10, bob 10, cleo 10" {
		t.Errorf("a run that was interrupted left %s", got)
	}
}

// TestSaves tests that grades are saved while the grader works.
func TestSaves(t *testing.T) {
	class := t.TempDir()
	put(t, class, "ada/outputsize.go", answer("outputsize", "", right))
	put(t, class, "cleo/outputsize.go", answer("outputsize", "", right+"// cleo's"))
	o := smallOptions(t, class)
	o.Exercises, o.workers = o.Exercises[:1], 1
	var saved []string
	o.Save = func(g *Grades) { saved = append(saved, fmt.Sprint(marksOf(g), " ", g.Incomplete)) }
	put(t, class, "bob/outputsize.go", answer("outputsize", `import "time"`, `func Add(a, b int) int { time.Sleep(3 * time.Second); return a + b }`))
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(saved, "ada 10, bob 10 true") {
		t.Errorf("saved %q", saved)
	}
}

// TestLeftovers tests that what a killed run has left is removed, and nothing else.
func TestLeftovers(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary)
	old := time.Now().Add(-time.Minute)
	for _, name := range []string{"dead", "alive", "fresh", "bare"} {
		put(t, temporary, folderPrefix+name+"/a1/answer.a", "")
		if name == "bare" {
			continue
		}
		put(t, temporary, folderPrefix+name+"/"+folderLock, "")
		if name != "fresh" {
			if err := os.Chtimes(filepath.Join(temporary, folderPrefix+name, folderLock), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(t, temporary, "mine/"+folderLock, "")
	lock := flock.New(filepath.Join(temporary, folderPrefix+"alive", folderLock))
	if locked, err := lock.TryLock(); err != nil || !locked {
		t.Skip("no locks here:", err)
	}
	defer lock.Unlock()
	dir, unlock, err := temporaryFolder()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	var left []string
	entries, err := os.ReadDir(temporary)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(dir) {
			left = append(left, strings.TrimPrefix(e.Name(), folderPrefix))
		}
	}
	if want := []string{"mine", "alive", "bare", "fresh"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}
