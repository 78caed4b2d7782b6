package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/words"
	"github.com/rivo/uniseg"
)

// overlaid makes Go compile text as the answer to the exercise, whatever the file contains.
func overlaid(t *testing.T, name string, text []byte) checker {
	t.Helper()
	root, err := checkout.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	answer, overlay := filepath.Join(dir, "answer.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, filepath.FromSlash(exercises.Folder), name, name+".go"): answer,
	}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{answer: text, overlay: replace} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOFLAGS", "-overlay="+overlay)
	return checker{root: root, folder: dir, limit: checkLimit, language: words.English}
}

func TestCheck(t *testing.T) {
	solution, err := os.ReadFile(filepath.Join("..", "exercises", "outputsize", "solution", "outputsize.go"))
	if err != nil {
		t.Fatal(err)
	}
	stub, err := exercises.Stub(solution, "outputsize")
	if err != nil {
		t.Fatal(err)
	}
	// answer is the solution with another body, which may use fmt and os.
	answer := func(body string) []byte {
		return []byte("package outputsize\n\nimport (\n\"fmt\"\n\"os\"\n)\n\nvar _, _ = fmt.Sprint, os.Exit\n\nfunc OutputSize(in, kernel, stride, padding int) int {\n" + body + "\n}\n")
	}
	const title = "outputsize  The size of a convolution's output  "
	for _, c := range []struct {
		name   string
		answer []byte
		limit  time.Duration
		right  bool
		words  []string
	}{
		{"right", solution, checkLimit, true, []string{title + "10 of 10 points\n"}},
		{"stub", stub, checkLimit, false, []string{title + "not done yet\n", "  lesson/exercises/outputsize/README.md says what to do\n"}},
		{"wrong", answer("return (in+2*padding-kernel)/stride + 1"), checkLimit, false,
			[]string{title + "7 of 10 points\n", "  what cannot be: OutputSize(2, 3, 2, 0)\n      expected: 0\n      got:      1\n", "(kernel-larger-than-image)"}},
		{"endless", answer("for {\nprintln(in)\n}"), time.Second, false, []string{title + "timed out\n", "stopped after 1s"}},
		{"does not compile", answer("return half"), checkLimit, false, []string{title + "compile error\n", "undefined: half"}},
		{"ends the process", answer("go func() { panic(\"too late\") }()\nselect {}"), checkLimit, false,
			[]string{title + "crashed\n", "  panic: too late\n"}},
		// Ends like watchMemory does, but without taking the memory.
		{"takes all memory", answer("println(\"fatal error: " + check.OutOfMemory + "\")\nos.Exit(2)\nreturn 0"), checkLimit, false,
			[]string{title + "out of memory\n", "Does a loop append without end?\n"}},
		{"go vet finds something", answer("_ = fmt.Sprintf(\"%d\", \"x\")\nif kernel > in+2*padding {\nreturn 0\n}\nreturn (in+2*padding-kernel)/stride + 1"), checkLimit, true, []string{title + "10 of 10 points\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := overlaid(t, "outputsize", c.answer)
			checker.limit = c.limit
			list, err := exercisesNamed([]string{"outputsize"})
			if err != nil {
				t.Fatal(err)
			}
			var output strings.Builder
			err = checker.check(t.Context(), &output, list, true)
			if (err == nil) != c.right {
				t.Errorf("got error %v, want one: %t", err, !c.right)
			}
			for _, words := range c.words {
				if !strings.Contains(output.String(), words) {
					t.Errorf("want %q in the output, got\n%s", words, &output)
				}
			}

			if c.name != "right" && c.name != "stub" {
				return
			}
			// Without names: only the table, and what to do next.
			output.Reset()
			if err := checker.check(t.Context(), &output, list, false); err != nil {
				t.Errorf("without names: %v", err)
			}
			next := "\n0 of 1 exercises are done. The next one belongs to notebook 3; its task:\n  lesson/exercises/outputsize/README.md\n\nTry next:\n  go run .. check outputsize\n"
			if c.right {
				next = "\nAll exercises are done.\n"
			}
			if got := output.String(); !strings.HasPrefix(got, title) || !strings.HasSuffix(got, next) || strings.Count(got, "\n") != 1+strings.Count(next, "\n") {
				t.Errorf("without names: want one line and%s\ngot\n%s", next, got)
			}
		})
	}
}

// The language is that of the command, whatever the environment of the check asks for.
func TestCheckInChinese(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	c := overlaid(t, "outputsize", []byte("package outputsize\n\nfunc OutputSize(in, kernel, stride, padding int) int {\nreturn (in+2*padding-kernel)/stride + 1\n}\n"))
	c.language = words.Chinese
	list, err := exercisesNamed([]string{"outputsize"})
	if err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	err = c.check(t.Context(), &output, list, true)
	if err == nil || err.Error() != "1 个练习中还有 1 个没有做对" {
		t.Errorf("got the error %v", err)
	}
	for _, want := range []string{
		"outputsize  卷积输出的大小  7 / 10 分\n", "  不可能的情形：OutputSize(2, 3, 2, 0)\n      期望：    0\n      得到：    1\n",
		"常见原因（kernel-larger-than-image）：这个公式只对放得下的卷积核成立。",
	} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("want %q in the output, got\n%s", want, &output)
		}
	}
	output.Reset()
	if err := c.check(t.Context(), &output, list, false); err != nil {
		t.Error(err)
	}
	if want := "\n1 个练习已完成 0 个。下一个属于第 3 本笔记本，任务在：\n  " + c.task("outputsize") + "\n\n接下来可以试试：\n"; !strings.Contains(output.String(), want) {
		t.Errorf("want %q in the output, got\n%s", want, &output)
	}
}

// The columns of the table line up on a terminal, where Chinese characters take two columns.
func TestTitlesLineUp(t *testing.T) {
	for _, l := range []words.Language{words.English, words.Chinese} {
		c := overlaid(t, "outputsize", []byte("package outputsize\n"))
		c.language = l
		var output strings.Builder
		list, err := exercisesNamed([]string{"outputsize", "bottleneck"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.check(t.Context(), &output, list, false); err != nil {
			t.Fatal(err)
		}
		var starts []int
		for _, line := range strings.SplitN(output.String(), "\n", 3)[:2] {
			for _, state := range []string{l.Text("compile error"), l.Text("not done yet")} {
				if before, ok := strings.CutSuffix(line, state); ok {
					starts = append(starts, uniseg.StringWidth(before))
				}
			}
		}
		if len(starts) != 2 || starts[0] != starts[1] {
			t.Errorf("the last column starts at %v:\n%s", starts, &output)
		}
	}
}

// A correct answer that the grader would refuse is reported.
func TestRefusal(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, filepath.FromSlash(exercises.Folder), "outputsize")
	solution, err := os.ReadFile(filepath.Join("..", "exercises", "outputsize", "solution", "outputsize.go"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, "solution"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := checker{root: root}
	file := filepath.Join(folder, "outputsize.go")
	for _, step := range []struct{ path, text, want string }{
		{file, "package outputsize\n\nimport \"log\"\n", ""}, // without a solution
		{filepath.Join(folder, "solution", "outputsize.go"), string(solution), `line 3: the import of "log" is not allowed`},
		{file, string(solution), ""},
	} {
		if err := os.WriteFile(step.path, []byte(step.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := c.refusal("outputsize"); !strings.HasPrefix(got, step.want) || (got == "") != (step.want == "") {
			t.Errorf("refused because of %q, want %q", got, step.want)
		}
	}
}

// An answer in two files passes here, but the grader reads only one of them.
func TestAnswerInTwoFiles(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, filepath.FromSlash(exercises.Folder), "outputsize")
	if err := os.MkdirAll(filepath.Join(folder, "solution"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		filepath.Join(root, "go.mod"):               "module " + checkout.Module + "\n\ngo 1.26\n",
		filepath.Join(folder, "outputsize.go"):      "package outputsize\n\nfunc OutputSize(in int) int { return half(in) }\n",
		filepath.Join(folder, "outputsize_test.go"): "package outputsize\n",
	}
	list, err := exercisesNamed([]string{"outputsize"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "the grader reads only outputsize.go, not half.go; put everything into that file\n"} {
		for path, text := range files {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var output strings.Builder
		c := checker{root: root, folder: t.TempDir(), limit: checkLimit}
		_ = c.check(t.Context(), &output, list, true) // there are no tests to pass
		if !strings.Contains(output.String(), want) || (want == "") == strings.Contains(output.String(), "warning") {
			t.Errorf("want %q in the output, got\n%s", want, &output)
		}
		files[filepath.Join(folder, "half.go")] = "package outputsize\n\nfunc half(n int) int { return n / 2 }\n"
	}
}

func TestCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checker := overlaid(t, "outputsize", nil)
	if _, err := checker.run(ctx, "outputsize"); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

func TestExercisesNamed(t *testing.T) {
	all, err := exercisesNamed(nil)
	if err != nil || len(all) != len(exercises.All()) {
		t.Errorf("without names: %d exercises and error %v", len(all), err)
	}
	some, err := exercisesNamed([]string{"momentum", "./lesson/exercises/batchnorm/"})
	if err != nil || len(some) != 2 || some[0].Name != "momentum" || some[1].Name != "batchnorm" {
		t.Errorf("got %v and error %v", some, err)
	}
	for name, want := range map[string]string{
		"momentun":    `no exercise "momentun"; did you mean momentum? the exercises are classes, `,
		"Convolution": "did you mean convolution? ",
		"batch-norm":  "did you mean batchnorm? ",
		"resnet50":    "did you mean resnet18? ",
		"chess":       `no exercise "chess"; the exercises are classes, `,
		"":            `no exercise ""; the exercises are classes, `,
	} {
		if _, err := exercisesNamed([]string{name}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got error %v, want %q in it", name, err, want)
		}
	}
}
