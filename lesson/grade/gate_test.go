package grade

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
)

// TestGateOpensForTheCourse tests that the solutions and the stubs of all exercises pass.
func TestGateOpensForTheCourse(t *testing.T) {
	for _, exercise := range exercises.All() {
		name := exercise.Name
		solution, err := os.ReadFile(filepath.Join("..", "exercises", name, "solution", name+".go"))
		if err != nil {
			t.Error(err)
			continue
		}
		imports, err := importsOf(solution)
		if err != nil {
			t.Error(err)
			continue
		}
		stub, err := exercises.Stub(solution, name)
		if err != nil {
			t.Error(err)
			continue
		}
		g := gate{name, imports}
		for what, source := range map[string][]byte{"solution": solution, "stub": stub} {
			if err := g.pass(source); err != nil {
				t.Errorf("the %s of %s: %v", what, name, err)
			}
		}
	}
}

// TestGateForStudents tests Gate, which students call for their own answers.
func TestGateForStudents(t *testing.T) {
	root := smallCourse(t)
	for source, want := range map[string]string{
		answer("outputsize", `import "math"`, right): "", answer("outputsize", `import "log"`, right): `line 3: the import of "log"`, "no Go": "",
	} {
		why, err := Gate(root, "outputsize", []byte(source))
		if err != nil || !strings.HasPrefix(why, want) || (want == "") != (why == "") {
			t.Errorf("%q: refused for %q, %v, want %q", source, why, err, want)
		}
	}
	if _, err := Gate(root, "knitting", nil); err == nil {
		t.Error("no error for an exercise that the course does not have")
	}
}

// TestTeachingListsTheImports tests that TEACHING.md lists the packages that the gate allows.
func TestTeachingListsTheImports(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "TEACHING.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pure {
		if !strings.Contains(string(text), "`"+path+"`") {
			t.Errorf("TEACHING.md does not list %s", path)
		}
	}
}

// TestGate has imports and comments that must not pass, whatever the solution imports.
func TestGate(t *testing.T) {
	g := gate{"outputsize", []string{"os", checkPath, checkout.Module + "/pkg/resnet", checkout.Module + "/pkg/nn", "example.com/x",
		checkout.Module + "/lesson/exercises/outputsize/solution", "github.com/gomlx/gomlx/ml/train/loss"}}
	for _, path := range []string{"os", "os/exec", "syscall", "unsafe", "reflect", "runtime", "runtime/debug", "net", "net/http", "testing",
		"flag", "log", "log/slog", "plugin", "embed", "C", "io/ioutil", "io/fs", "path/filepath", "encoding/json", "go/build", "internal/cpu",
		"golang.org/x/sys/unix", "example.com/x", "../check", "/etc", ".", checkPath, checkout.Module + "/pkg/resnet", checkout.Module + "/pkg/run",
		checkout.Module + "/lesson/exercises/outputsize/solution", "github.com/gomlx/gomlx/ml/train/checkpoint"} {
		for _, name := range []string{"", "_ ", ". ", "fmt "} {
			err := g.pass([]byte(answer("outputsize", "import (\n\t\"fmt\"\n\t"+name+"\""+path+"\"\n)", right)))
			if err == nil || !strings.Contains(err.Error(), "line 5: the import of") || !strings.Contains(err.Error(), path) {
				t.Errorf("import %s%q: %v, want a refusal that names it", name, path, err)
			}
		}
	}
	for path, want := range map[string]string{
		"log": "use package fmt", "os": "only compute", "example.com/x": "no modules other than", checkPath: "your own",
		"github.com/gomlx/gomlx/ml/train/checkpoint": "what the exercise's solution imports",
	} {
		if err := g.pass([]byte(answer("outputsize", "import \""+path+"\"", right))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("import %q: %v, want %q in it", path, err, want)
		}
	}
	for _, path := range []string{"math", "math/rand/v2", checkout.Module + "/pkg/nn", "github.com/gomlx/gomlx/core/graph", "github.com/gomlx/gomlx/ml/train/loss"} {
		if err := g.pass([]byte(answer("outputsize", "import \""+path+"\"", right))); err != nil {
			t.Errorf("import %q: %v", path, err)
		}
	}
	for _, comment := range []string{"//go:build linux", "//go:linkname a b", "//go:embed x", "//go:debug x=1", "//line x.go:1", "/*line x.go:1*/",
		"//export x", "// +build x", "//+build x", "//\t+build x", "// \t  +build x", "//go:nosplit"} {
		if err := g.pass([]byte(comment + "\n" + answer("outputsize", "", right))); err == nil || !strings.Contains(err.Error(), "line 1: comments") {
			t.Errorf("comment %s: %v, want a refusal", comment, err)
		}
	}
	for _, names := range [][2]string{
		{"core/tensors", `func f(t *tensors.Tensor) { t.Save("x") }`},
		{"core/tensors", `func f(t *tensors.Tensor) { g := (*tensors.Tensor).Save; g(t, "x") }`},
		{"core/tensors", `func f(t *tensors.Tensor) { var s interface{ Save(string) error } = t; _ = s }`},
		{"core/tensors", `func f() { tensors.Load("x") }`},
		{"core/graph", `func f(x *graph.Node) { x.DType().GoType().Method(0).Func.UnsafePointer() }`},
	} {
		err := g.pass([]byte(answer("outputsize", "import \"github.com/gomlx/gomlx/"+names[0]+"\"", right+"\n"+names[1])))
		if err == nil || !strings.Contains(err.Error(), "line 6: the name ") {
			t.Errorf("%s: %v, want a refusal", names[1], err)
		}
	}
	if err := g.pass([]byte(answer("outputsize", "import . \"github.com/gomlx/gomlx/core/tensors\"", "func f() { Load(\"x\") }"))); err == nil {
		t.Error("a function that reads files passes when called without its package's name")
	}
	if err := g.pass([]byte(answer("outputsize", "import \"sync\"", right+"\nfunc f(m *sync.Map) { m.Load(0) }"))); err != nil {
		t.Errorf("Load of a sync.Map: %v", err)
	}
	if err := g.pass([]byte("// go: line by line\n" + answer("outputsize", "", right))); err != nil {
		t.Errorf("a plain comment: %v", err)
	}
}
