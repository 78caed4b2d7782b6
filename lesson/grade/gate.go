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

// pure are the packages that any submission may import: they compute and, but for the names
// that forbidden has, know no way to a file, the network, another process or memory that
// is not theirs.
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

// Of these modules a submission may import what the worked solution of its exercise does.
var solutionModules = []string{"github.com/gomlx/compute", "github.com/gomlx/gomlx", checkout.Module}

// never are packages of this module that no submission may import, whatever the solution
// does: check could report points, the others have the answers.
func never(path string) bool {
	return path == checkPath || path == checkout.Module+"/pkg/resnet" || strings.HasSuffix(path, "/solution")
}

// forbidden says why a submission may not have an identifier, "" if it may. GoMLX's tensors
// can save themselves to files and be loaded from them; and its functions that make slices
// of any memory need but an [unsafe.Pointer], which package reflect, whose types it hands
// out, can make. Calling them takes their names, whatever they are called on.
func forbidden(name string, imports []string) string {
	switch {
	case strings.HasPrefix(name, "Unsafe"):
		return "it may lead to any memory"
	case name == "Save":
		return "tensors write files by it"
	case name == "Load" && slices.Contains(imports, "github.com/gomlx/gomlx/core/tensors"):
		return "package tensors reads files by it"
	}
	return ""
}

// directives begin comments that mean something to the compiler or the go command.
var directives = []string{"//go:", "//line ", "/*line ", "//export ", "//extern ", "//+build", "// +build"}

// gate is what the submissions of an exercise are let through by.
type gate struct {
	exercise string
	// solution are the packages that the worked solution imports.
	solution []string
}

// refusal is why the gate does not let a submission through.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// Gate says why the grader would refuse an answer to the exercise, for those who check
// their own; "" if it would not. The error is of reading the course, whose root is root.
func Gate(root, exercise string, source []byte) (why string, err error) {
	t, err := openTask(root, exercise)
	if err != nil {
		return "", err
	}
	// What is no Go the compiler sees to.
	if refused, ok := errors.AsType[*refusal](t.gate.pass(source)); ok {
		return refused.reason, nil
	}
	return "", nil
}

// pass looks at a submission without running it. The error is a *refusal, or a
// scanner.ErrorList if the source is no Go.
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
		return &refusal{fmt.Sprintf("its package is %s, but has to be %s", file.Name.Name, g.exercise)}
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
				return &refusal{fmt.Sprintf("line %d: comments that begin with %s are not allowed: they change what the compiler does", line(comment), word)}
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

// rule is the one that a package that may not be imported comes nearest to.
func rule(path string) string {
	const list = "lesson/TEACHING.md has the list"
	first, _, _ := strings.Cut(path, "/")
	switch {
	case path == "log":
		return "package fmt prints too"
	case never(path):
		return "the answer has to be one's own"
	case ofSolutionModules(path):
		return "of GoMLX and this module an answer may import what its solution does, and a few packages more: " + list
	case strings.Contains(first, "."):
		return "an answer may import no other modules than GoMLX and this one"
	}
	return "of the standard library an answer may import what only computes, such as math, slices and strings: " + list
}

func directive(comment *ast.Comment) (word string, ok bool) {
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
