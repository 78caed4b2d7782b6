package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/exercises"
)

// The tests check every sample-th mutant, always the same ones. make mutate checks all.
const sample = 12

// root is the root of the module.
var root = filepath.Join("..", "..")

// TestSample checks some mutants, and all answers that people wrote, of every exercise.
func TestSample(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program of a few hundred answers")
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	names, others, err := reviewed(absolute)
	if err != nil {
		t.Fatal(err)
	}
	if len(others) > 0 {
		t.Errorf("equivalent.txt has no part for %v: read what survives, and list it with the reason", others)
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

// TestWrittenAnswersAreRead: a file of answers that belongs to no exercise would not be noticed.
func TestWrittenAnswersAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %q, %v", files, err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".txt"); !slices.Contains(exercises.Names(), name) {
			t.Errorf("%s: there is no exercise %s", file, name)
		}
	}
}

func TestChanged(t *testing.T) {
	const solution = "package p\n\nfunc F(x int) int {\n\tif x > 0 {\n\t\treturn 1\n\t}\n\treturn x\n}\n"
	got, err := changed([]byte(solution), "# comment\n-if x > 0 {\n-return 1\n+\tif x >= 0 {\n+\t\treturn 2\n\n-return x\n+\treturn -x\n")
	want := "package p\n\nfunc F(x int) int {\n\tif x >= 0 {\n\t\treturn 2\n\t}\n\treturn -x\n}\n"
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	for changes, want := range map[string]string{
		"-return 3\n+return 4":  "0 times",
		"-}\n+}":                "2 times",
		"+return 4":             "want once",
		"return x\n+return -x":  "begins with none",
		"-return x\n+return (x": "expected",
	} {
		if _, err := changed([]byte(solution), changes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one that says %q", changes, err, want)
		}
	}
}

func TestMutations(t *testing.T) {
	types, err := newTypeChecker(t.Context(), root, []string{"slices"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := tidy([]byte(`package p

import "slices"

// F is here to be changed.
func F(x []int, n int) int {
	y := make([]int, len(x))
	copy(y, x)
	if n > 0 && slices.Contains(y, n) {
		n = n - 1
	}
	return n
}
`))
	if err != nil {
		t.Fatal(err)
	}
	solution, found := types.check(text)
	if len(found) > 0 {
		t.Fatal(found)
	}
	var keys []string
	for _, edits := range mutations(solution) {
		changed, err := tidy(apply(text, edits))
		if err != nil {
			continue
		}
		if answer, err := types.mend(changed); err == nil {
			keys = append(keys, difference(solution, &source{text: changed}))
			if renamed := string(answer.renamed("q", "_7")); !strings.Contains(renamed, "package q") || !strings.Contains(renamed, "func F_7(") {
				t.Errorf("renamed to\n%s", renamed)
			}
		}
	}
	const condition = "F: if n > 0 && slices.Contains(y, n) { → "
	for _, want := range []string{
		"F: y := make([]int, len(x)) → y := x", "F: copy(y, x) → nothing", "F: copy(y, x) → copy(x, y)",
		condition + "if (n >= 0) && slices.Contains(y, n) {", condition + "if n > 0 || slices.Contains(y, n) {",
		condition + "if n > 0 {", condition + "if !(n > 0 && slices.Contains(y, n)) {", condition + "if n > 1 && slices.Contains(y, n) {",
		condition + "if n > 0 && slices.Contains(x, n) {", "F: n = n - 1 → n := n - 1", "F: n = n - 1 → n = (n + 1)",
		"F: return n → return 0",
	} {
		if !slices.Contains(keys, want) {
			t.Errorf("no mutant %s", want)
		}
	}
	if t.Failed() {
		t.Logf("the mutants are\n%s", strings.Join(keys, "\n"))
	}
}

func TestReadExpected(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	read := func(text string) (expected, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readExpected(file)
	}
	list, err := read("# a comment\n\nexercise a\nbecause\n\tone → two\n\tthree\nexercise b\n")
	if err != nil || list["a"]["one → two"] != "because" || len(list["a"]) != 2 || list["b"] == nil || list["c"] != nil {
		t.Errorf("got %v, %v", list, err)
	}
	for _, wrong := range []string{"because\n", "exercise a\n\tkey\n", "exercise a\nwhy\n\tk\n\tk\n", "exercise a\nexercise a\n"} {
		if list, err := read(wrong); err == nil {
			t.Errorf("%q gives %v, want an error", wrong, list)
		}
	}
}

// TestFaults has one answer of each kind that a run must report.
func TestFaults(t *testing.T) {
	at := func(key, how, hint string) *job {
		return &job{mutant: &mutant{exercise: "e", key: key}, outcome: outcome{how: how, hint: hint}}
	}
	r := &result{
		every: 1, exercises: []*exercise{{name: "e"}},
		equivalent: expected{"e": {"same": "why", "was same": "why", "gone": "why"}},
		hinted:     expected{"e": {"known": "hint"}},
		jobs: map[string][]*job{"e": {
			at("the solution", survived, ""), at("same", survived, ""), at("known", killed, "hint"), at("symptom", killed, "slices-not-made"),
			at("survivor", survived, ""), at("was same", killed, ""), at("new hint", killed, "hint"), at("right/a", killed, ""), at("wrong/b", survived, ""),
		}},
	}
	faults := strings.Join(r.faults(), "\n")
	for _, key := range []string{"survivor", "was same", "new hint", "right/a", "wrong/b", "gone"} {
		if !strings.Contains(faults, "\t"+key) {
			t.Errorf("no fault about %q", key)
		}
	}
	for _, key := range []string{"same", "known", "symptom", "the solution"} {
		if strings.Contains(faults, "\t"+key+"\n") {
			t.Errorf("a fault about %q:\n%s", key, faults)
		}
	}
}
