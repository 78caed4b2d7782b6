package exercises

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// each runs a test for every exercise.
func each(t *testing.T, test func(t *testing.T, name string)) {
	for _, exercise := range All() {
		t.Run(exercise.Name, func(t *testing.T) { test(t, exercise.Name) })
	}
}

// read returns a file of an exercise, with Unix line endings.
func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

func TestAll(t *testing.T) {
	var names []string
	last := 0
	for _, exercise := range All() {
		names = append(names, exercise.Name)
		if exercise.Notebook < last {
			t.Errorf("%s belongs to notebook %d but comes after an exercise of notebook %d", exercise.Name, exercise.Notebook, last)
		}
		last = exercise.Notebook
		if exercise.Title == "" {
			t.Errorf("%s has no title", exercise.Name)
		}
	}
	folders, err := filepath.Glob("*/solution")
	if err != nil {
		t.Fatal(err)
	}
	for i, folder := range folders {
		folders[i] = filepath.Dir(folder)
	}
	slices.Sort(names)
	if !slices.Equal(names, folders) {
		t.Errorf("All returns %v, but the folders with solutions are %v", names, folders)
	}
}

// TestStubsAreCurrent also fails where the student's file holds an answer.
func TestStubsAreCurrent(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		want, err := Stub(read(t, name, "solution", name+".go"), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, name, name+".go"); !bytes.Equal(got, want) {
			t.Errorf("%s/%s.go is out of date (run go run ./gen %s) or holds an answer; want\n%s", name, name, name, want)
		}
	})
}

func TestStubsDeclareWhatSolutionsDo(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		stub, solution := exported(t, name, name+".go"), exported(t, name, "solution", name+".go")
		if len(solution) == 0 {
			t.Error("the solution exports nothing")
		}
		if !slices.Equal(stub, solution) {
			t.Errorf("the stub declares\n%s\nbut the solution\n%s", strings.Join(stub, "\n"), strings.Join(solution, "\n"))
		}
	})
}

// exported returns the exported declarations of a file, with doc comments but without
// function bodies.
func exported(t *testing.T, path ...string) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, filepath.Join(path...), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if want := path[0]; file.Name.Name != want {
		t.Errorf("%s is in package %s, want %s", filepath.Join(path...), file.Name, want)
	}
	ast.FileExports(file)
	var declarations []string
	for _, declaration := range file.Decls {
		if general, ok := declaration.(*ast.GenDecl); ok && general.Tok == token.IMPORT {
			continue
		}
		if function, ok := declaration.(*ast.FuncDecl); ok {
			if function.Doc == nil {
				t.Errorf("%s: %s has no doc comment", filepath.Join(path...), function.Name)
			}
			function.Body = nil
		}
		var text bytes.Buffer
		if err := format.Node(&text, files, declaration); err != nil {
			t.Fatal(err)
		}
		declarations = append(declarations, text.String())
	}
	return declarations
}

// TestTestsOnlyCheck tests that the students' tests do nothing but call package check.
func TestTestsOnlyCheck(t *testing.T) {
	const module = "github.com/residual-go/residual/lesson/exercises/"
	each(t, func(t *testing.T, name string) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(name, name+"_test.go"), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if want := name + "_test"; file.Name.Name != want {
			t.Errorf("package %s, want %s", file.Name, want)
		}
		var imports []string
		for _, spec := range file.Imports {
			imports = append(imports, strings.Trim(spec.Path.Value, `"`))
		}
		for _, want := range []string{"testing", module + "check", module + name} {
			if !slices.Contains(imports, want) {
				t.Errorf("does not import %s", want)
			}
		}
		functions := 0
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			functions++
			if len(function.Body.List) != 1 || !callsCheck(function.Body.List[0]) {
				t.Errorf("%s should call one function of package check and do nothing else", function.Name)
			}
		}
		if functions != 1 {
			t.Errorf("%d functions, want 1", functions)
		}
	})
}

// callsCheck reports whether a statement calls a function of package check.
func callsCheck(statement ast.Stmt) bool {
	expression, ok := statement.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := expression.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	receiver, ok := function.X.(*ast.Ident)
	return ok && receiver.Name == "check"
}

// TestTasks tests that each README says how to check the answer, and what the check tries.
func TestTasks(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		text := string(read(t, name, "README.md"))
		for _, want := range []string{"go test ./lesson/exercises/" + name, "go run ./lesson check " + name, "\n## What the check tries\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("README.md does not say %q", want)
			}
		}
	})
}

// TestKey tests that the teacher's key has answers for each exercise, in both languages.
func TestKey(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		if !strings.Contains(string(read(t, name, "README.md")), "\n## Further\n") {
			t.Error("README.md has no questions under Further")
		}
		for file, entry := range map[string]string{"key.md": "\n**" + name + ".** ", "key.zh.md": "\n**" + name + "**。"} {
			if !strings.Contains(string(read(t, "..", "teaching", file)), entry) {
				t.Errorf("lesson/teaching/%s has no answers", file)
			}
		}
	})
}
