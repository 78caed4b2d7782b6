package grade

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"github.com/residual-go/residual/lesson/checkout"
)

// pure are the packages that any submission may import. They only compute: apart from the
// names in forbidden, they give no access to files, the network, other processes or foreign
// memory.
var pure = []string{
	"bytes", "cmp", "container/heap", "container/list", "container/ring", "context", "errors", "fmt", "io",
	"iter", "maps", "math", "math/big", "math/bits", "math/cmplx", "math/rand", "math/rand/v2", "regexp",
	"slices", "sort", "strconv", "strings", "sync", "sync/atomic", "time", "unicode",
	"unicode/utf8",

	"github.com/gomlx/compute/dtypes",
	"github.com/gomlx/compute/shapes",
	"github.com/gomlx/gomlx/core/graph",
	"github.com/gomlx/gomlx/core/tensors",
	"github.com/gomlx/gomlx/ml/model",
	"github.com/gomlx/gomlx/ml/model/initializer",
}

// solutionModules are the modules from which a submission may also import what the worked
// solution of its exercise imports.
var solutionModules = []string{"github.com/gomlx/compute", "github.com/gomlx/gomlx", checkout.Module}

// never reports whether no submission may import a package, whatever the solution imports:
// package check can report points, and the others contain the answers.
func never(path string) bool {
	return path == checkPath || path == checkout.Module+"/pkg/resnet" || strings.HasSuffix(path, "/solution")
}

// forbidden says why a submission may not use an identifier; it returns "" if it may. GoMLX
// tensors can be saved to files and loaded from them. And GoMLX has functions that turn any
// memory into a slice, given an [unsafe.Pointer], which can be had from package reflect,
// whose types GoMLX returns. All of these are called by their names, so the names are enough.
func forbidden(name string, imports []string) string {
	switch {
	case strings.HasPrefix(name, "Unsafe"):
		return "it could give access to any memory"
	case name == "Save":
		return "tensors can write files with it"
	case name == "Load" && slices.Contains(imports, "github.com/gomlx/gomlx/core/tensors"):
		return "package tensors can read files with it"
	}
	return ""
}

// directives are the beginnings of comments that the compiler or the go command obeys.
var directives = []string{"//go:", "//line ", "/*line ", "//export ", "//extern "}

// gate decides which submissions of an exercise may be compiled and run.
type gate struct {
	exercise string
	// solution are the packages that the worked solution imports.
	solution []string
}

// refusal is the error of a submission that is refused.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// Gate says why the grader would refuse an answer to the exercise, or "" if it would not, so
// that students can check their own. It returns an error if it cannot read the course, which
// is checked out at root.
func Gate(root, exercise string, source []byte) (why string, err error) {
	t, err := openTask(root, exercise)
	if err != nil {
		return "", err
	}
	// A syntax error is for the compiler to report.
	if refused, ok := errors.AsType[*refusal](t.gate.pass(source)); ok {
		return refused.reason, nil
	}
	return "", nil
}

// pass checks a submission without running it. The error is a *refusal, or a
// scanner.ErrorList if the source is not valid Go.
func (g gate) pass(source []byte) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, g.exercise+".go", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		var list scanner.ErrorList
		if errors.As(err, &list) {
			return list
		}
		return &refusal{err.Error()}
	}
	if file.Name.Name != g.exercise {
		return &refusal{fmt.Sprintf("the package is called %s, but must be %s", file.Name.Name, g.exercise)}
	}
	line := func(node ast.Node) int { return files.PositionFor(node.Pos(), false).Line }
	var imports []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !g.allows(path) {
			return &refusal{fmt.Sprintf("line %d: the import of %s is not allowed in this exercise; %s", line(spec), spec.Path.Value, rule(path))}
		}
		imports = append(imports, path)
	}
	for node := range ast.Preorder(file) {
		if name, ok := node.(*ast.Ident); ok {
			if why := forbidden(name.Name, imports); why != "" {
				return &refusal{fmt.Sprintf("line %d: the name %s is not allowed: %s", line(name), name.Name, why)}
			}
		}
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if word, ok := directive(comment); ok {
				return &refusal{fmt.Sprintf("line %d: comments that begin with %s are not allowed: the compiler obeys them", line(comment), word)}
			}
		}
	}
	return nil
}

func (g gate) allows(path string) bool {
	if slices.Contains(pure, path) {
		return true
	}
	if never(path) || !slices.Contains(g.solution, path) {
		return false
	}
	return ofSolutionModules(path)
}

func ofSolutionModules(path string) bool {
	return slices.ContainsFunc(solutionModules, func(module string) bool { return strings.HasPrefix(path, module+"/") || path == module })
}

// rule explains why a package may not be imported.
func rule(path string) string {
	const list = "lesson/TEACHING.md has the list"
	first, _, _ := strings.Cut(path, "/")
	switch {
	case path == "log":
		return "to print, use package fmt"
	case never(path):
		return "the answer must be your own"
	case ofSolutionModules(path):
		return "from GoMLX and this module, an answer may import what the exercise's solution imports and a few other packages: " + list
	case strings.Contains(first, "."):
		return "an answer may import no modules other than GoMLX and this one"
	}
	return "from the standard library, an answer may import packages that only compute, such as math, slices and strings: " + list
}

// directive returns the beginning of a comment that is a directive.
func directive(comment *ast.Comment) (word string, ok bool) {
	// The old form of a build constraint may have any space before its plus sign.
	if line, ok := strings.CutPrefix(comment.Text, "//"); ok && strings.HasPrefix(strings.TrimSpace(line), "+build") {
		return "// +build", true
	}
	for _, begin := range directives {
		if strings.HasPrefix(comment.Text, begin) {
			return strings.TrimSpace(begin), true
		}
	}
	return "", false
}

// importsOf returns the packages that a Go file imports.
func importsOf(source []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
