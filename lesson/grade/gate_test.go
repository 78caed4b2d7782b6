package grade

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/exercises"
)

// TestGateOpensForTheCourse passes the solutions and the stubs of all exercises.
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

// TestGate has imports and comments that are not to pass, whatever the solution has.
func TestGate(t *testing.T) {
	g := gate{"outputsize", []string{"os", checkPath, ModulePath + "/pkg/resnet", ModulePath + "/pkg/layers", "example.com/x",
		ModulePath + "/lesson/exercises/outputsize/solution", "github.com/gomlx/gomlx/ml/train/loss"}}
	for _, path := range []string{"os", "os/exec", "syscall", "unsafe", "reflect", "runtime", "runtime/debug", "net", "net/http", "testing",
		"flag", "log", "log/slog", "plugin", "embed", "C", "io/ioutil", "io/fs", "path/filepath", "encoding/json", "go/build", "internal/cpu",
		"golang.org/x/sys/unix", "example.com/x", "../check", "/etc", ".", checkPath, ModulePath + "/pkg/resnet", ModulePath + "/pkg/run",
		ModulePath + "/lesson/exercises/outputsize/solution", "github.com/gomlx/gomlx/ml/train/checkpoint"} {
		for _, name := range []string{"", "_ ", ". ", "fmt "} {
			err := g.pass([]byte(answer("outputsize", "import (\n\t\"fmt\"\n\t"+name+"\""+path+"\"\n)", right)))
			if err == nil || !strings.Contains(err.Error(), "line 5: the import of") || !strings.Contains(err.Error(), path) {
				t.Errorf("import %s%q: %v, want it refused by name", name, path, err)
			}
		}
	}
	for _, path := range []string{"math", "math/rand/v2", ModulePath + "/pkg/layers", "github.com/gomlx/gomlx/core/graph", "github.com/gomlx/gomlx/ml/train/loss"} {
		if err := g.pass([]byte(answer("outputsize", "import \""+path+"\"", right))); err != nil {
			t.Errorf("import %q: %v", path, err)
		}
	}
	for _, comment := range []string{"//go:build linux", "//go:linkname a b", "//go:embed x", "//go:debug x=1", "//line x.go:1", "/*line x.go:1*/",
		"//export x", "// +build x", "//go:nosplit"} {
		if err := g.pass([]byte(comment + "\n" + answer("outputsize", "", right))); err == nil || !strings.Contains(err.Error(), "line 1: comments") {
			t.Errorf("comment %s: %v, want it refused", comment, err)
		}
	}
	if err := g.pass([]byte("// go: line by line\n" + answer("outputsize", "", right))); err != nil {
		t.Errorf("a plain comment: %v", err)
	}
}
