package check

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	convolution "github.com/residual-go/residual/lesson/exercises/convolution/solution"
	outputsize "github.com/residual-go/residual/lesson/exercises/outputsize/solution"
	shortcut "github.com/residual-go/residual/lesson/exercises/shortcut/solution"
	"github.com/residual-go/residual/lesson/words"
)

// TestMain makes the tests, whose texts are English, independent of the language of the machine.
func TestMain(m *testing.M) {
	os.Setenv(words.Variable, string(words.English))
	os.Exit(m.Run())
}

// wrong is an answer with a usual mistake, and the name of its hint.
type wrong struct {
	hint string
	try  func(T)
}

// test checks that the worked solution of an exercise earns all points, that the stub earns
// none, and that each wrong answer gets the hint of its mistake.
func test(t *testing.T, exercise string, solution, stub func(T), answers ...wrong) {
	t.Run("stub", func(t *testing.T) {
		result, log := grade(t, stub)
		if earned, _ := result.Points(); earned != 0 {
			t.Errorf("the stub earns %d points, want 0:\n%s", earned, log)
		}
		if task := NotDone + "lesson/exercises/" + exercise + "/README.md"; !strings.Contains(result.Steps[0].Message, task) {
			t.Errorf("the stub's failure does not say %q:\n%s", task, log)
		}
	})
	testAnswers(t, exercise, solution, answers...)
}

// testAnswers is test without the stub.
func testAnswers(t *testing.T, exercise string, solution func(T), answers ...wrong) {
	t.Run("solution", func(t *testing.T) {
		result, log := grade(t, solution)
		if earned, of := result.Points(); earned != of || of != 10 {
			t.Errorf("the worked solution earns %d of %d points, want 10 of 10:\n%s", earned, of, log)
		}
		if result.Exercise != exercise {
			t.Errorf("the result is for exercise %q, want %q", result.Exercise, exercise)
		}
	})
	for _, answer := range answers {
		t.Run(answer.hint, func(t *testing.T) {
			result, log := grade(t, answer.try)
			if earned, of := result.Points(); earned == of {
				t.Fatalf("earns all %d points", of)
			}
			for _, step := range result.Steps {
				if step.Message == "" {
					continue
				}
				if step.Hint == nil || step.Hint.Name != answer.hint {
					t.Errorf("want the hint %s, got:\n%s", answer.hint, log)
				}
			}
		})
	}
}

// grade runs a check and returns its result and its log.
func grade(t *testing.T, try func(T)) (Result, string) {
	t.Helper()
	var r recording
	try(&r)
	if len(r.results) != 1 {
		t.Fatalf("the check reported %d results, want 1", len(r.results))
	}
	return r.results[0], r.log.String()
}

// recording is a T that keeps everything that a check reports.
type recording struct {
	results []Result
	log     strings.Builder
}

func (r *recording) record(result Result)              { r.results = append(r.results, result) }
func (r *recording) Helper()                           {}
func (r *recording) Logf(format string, args ...any)   { fmt.Fprintf(&r.log, format+"\n", args...) }
func (r *recording) Errorf(format string, args ...any) { r.Logf(format, args...) }

func TestRunStopsAtTheFirstFailure(t *testing.T) {
	reached := false
	result, log := grade(t, func(t T) {
		run(t, "some",
			step{"shape", 2, func() error { return nil }},
			step{"values", 5, func() error {
				return &Failure{What: "f(1)", Want: "2\n3", Got: "4", Hint: Hint{"off", "it is off"}}
			}},
			step{"behaviour", 3, func() error { reached = true; return nil }},
		)
	})
	if reached {
		t.Error("the step after the failed one ran")
	}
	if earned, of := result.Points(); earned != 2 || of != 10 {
		t.Errorf("%d of %d points, want 2 of 10", earned, of)
	}
	want := `some: shape is right
some, values: f(1)
    expected: 2
              3
    got:      4
    usual reason (off): it is off
`
	if log != want {
		t.Errorf("the log is\n%s\nwant\n%s", log, want)
	}
	last := result.Steps[2]
	if last.Passed || last.Message != "" || last.Hint != nil {
		t.Errorf("the step that did not run is %+v", last)
	}
}

func TestRunSpeaksChinese(t *testing.T) {
	try := func(t T) {
		run(t, "batchnorm",
			step{"shape", 2, func() error { return nil }},
			step{"values", 8, func() error {
				return &Failure{What: "f(1)", Want: "2\n3", Got: "4", Hint: Hint{"x-changed", "x belongs to the caller: make new slices for the result"}}
			}},
		)
	}
	for _, c := range []struct{ variable, value, want string }{
		{"LANG", "zh_CN.UTF-8", `batchnorm：形状 正确
batchnorm，数值：f(1)
    期望：    2
              3
    得到：    4
    常见原因（x-changed）：x 属于调用者：结果要放进新建的切片
`},
		{words.Variable, "en", `batchnorm: shape is right
batchnorm, values: f(1)
    expected: 2
              3
    got:      4
    usual reason (x-changed): x belongs to the caller: make new slices for the result
`},
	} {
		for _, name := range []string{words.Variable, "LC_ALL", "LC_MESSAGES", "LANG"} {
			t.Setenv(name, "")
		}
		t.Setenv(c.variable, c.value)
		result, log := grade(t, try)
		if log != c.want {
			t.Errorf("with %s=%s, the log is\n%s\nwant\n%s", c.variable, c.value, log, c.want)
		}
		// The grader reads the name of the hint, and lesson check the message.
		failed := result.Steps[1]
		if failed.Hint == nil || failed.Hint.Name != "x-changed" || !strings.Contains(c.want, failed.Hint.Text) || !strings.Contains(c.want, failed.Message) {
			t.Errorf("with %s=%s, the step is %+v", c.variable, c.value, failed)
		}
	}
	// The text of a hint that is not in the catalogue stays English.
	failure := &Failure{What: "f(1)", Hint: Hint{"off", "it is off"}}
	if text := failure.in(words.Chinese, "batchnorm"); !strings.HasSuffix(text, "常见原因（off）：it is off") {
		t.Errorf("got %q", text)
	}
}

func TestGuard(t *testing.T) {
	long := 10 * time.Second
	for _, c := range []struct {
		name, want, hint string
		limit            time.Duration
		try              func() error
	}{
		{"an error", "no", "", long, func() error { return errors.New("no") }},
		{"a panic", "panic: lines\none", "", long, func() error { panic("lines\none") }},
		{"a panic with an error", "panic: no", "", long, func() error { panic(errors.New("no")) }},
		{"a panic with nil", "panic: panic called with nil argument", "", long, func() error { panic(nil) }},
		{"an index out of range", "index out of range [3]", "", long, func() error {
			values := make([]int, 3)
			values[len(values)]++
			return nil
		}},
		{"an index into an empty slice", "index out of range [0] with length 0", "slices-not-made", long, func() error {
			rows := make([][]int, 3)
			rows[1][0]++
			return nil
		}},
		{"a failure", "expected: 2", "off", long, func() error { panic(&Failure{Want: "2", Hint: Hint{Name: "off"}}) }},
		{"a stub", "the stub", "", long, func() error { panic(NotDone + "read this") }},
		{"an end of the goroutine", "the goroutine ended", "", long, func() error { runtime.Goexit(); return nil }},
		{"an endless loop", "a result within 20ms", "no-end", 20 * time.Millisecond, func() error {
			<-t.Context().Done()
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := guard(c.limit, c.try)
			if err == nil {
				t.Fatal("no error")
			}
			if text := strings.ReplaceAll(err.Error(), "\n              ", "\n"); !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q in it", text, c.want)
			}
			if failure, ok := errors.AsType[*Failure](err); ok && failure.Hint.Name != c.hint {
				t.Errorf("got the hint %q, want %q", failure.Hint.Name, c.hint)
			}
		})
	}
	if err := guard(long, func() error { return nil }); err != nil {
		t.Errorf("a step without an error: %v", err)
	}
}

// TestPanicsSayWhere uses panics in the worked solutions, which are outside package check.
func TestPanicsSayWhere(t *testing.T) {
	divide := func() error { return fmt.Errorf("a size of %d", outputsize.OutputSize(5, 3, 0, 0)) }
	read := trial[int, int]{
		cases:  []int{0},
		want:   func(int) int { return 0 },
		answer: func(int) int { convolution.Convolution(nil, nil, 1, 0); return 0 },
		what:   func(int) string { return "f" },
	}
	node := comparison{answer: func(scope *model.Scope, x *graph.Node) *graph.Node {
		return shortcut.Shortcut(nil, x, 7, 2)
	}, graphCase: graphCases("shortcut")[0]}
	for file, try := range map[string]func() error{
		"outputsize.go": divide, "convolution.go": read.try,
		"shortcut.go": func() error { _, err := node.run(); return err },
	} {
		err := guard(Limit, try)
		failure, ok := errors.AsType[*Failure](err)
		if !ok || !regexp.MustCompile(`panic: (?s:.)*\nat `+file+`:[0-9]+$`).MatchString(failure.Got) {
			t.Errorf("got %v, want a panic with a line of %s", err, file)
		}
	}
	if failure := panicked("no", panicPlace()); failure.Got != "panic: no" {
		t.Errorf("with no answer on the stack, got %q", failure.Got)
	}
}

// TestTrialTellsMistakesApart uses two mistakes with the same value for the first case that fails.
func TestTrialTellsMistakesApart(t *testing.T) {
	double := func(x int) int { return 2 * x }
	square := func(x int) int { return x * x }
	try := func(answer func(int) int) string {
		err := trial[int, int]{
			cases: []int{2, 3}, answer: answer, want: func(x int) int { return x + 1 },
			same:     func(a, b int) bool { return a == b },
			what:     func(int) string { return "f" },
			explain:  func(_, _, _ int) *Failure { return &Failure{What: "f"} },
			mistakes: []mistake[int, int]{{Hint{Name: "double"}, double}, {Hint{Name: "square"}, square}},
			outside:  Hint{Name: "outside"},
		}.try()
		failure, _ := errors.AsType[*Failure](err)
		if failure == nil {
			return "passed"
		}
		return failure.Hint.Name
	}
	for _, c := range []struct {
		want   string
		answer func(int) int
	}{
		{"passed", func(x int) int { return x + 1 }},
		{"double", double},
		{"square", square},
		{"", func(int) int { return 0 }},
		{"", func(x int) int { return 1 / (3 - x) }},              // panics after the failure
		{"outside", func(x int) int { return []int{0, 0, 3}[x] }}, // 3 is right, then it panics
		{"", func(x int) int { return 3 + 0/(3-x) }},              // the same, but it panics for another reason
		{"slices-not-made", func(x int) int { return make([][]int, 4)[x][0] }},
	} {
		if got := try(c.answer); got != c.want {
			t.Errorf("got the hint %q, want %q", got, c.want)
		}
	}
}
