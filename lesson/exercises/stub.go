package exercises

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/lesson/exercises/check"
)

// go generate refuses to overwrite a file that may hold an answer.
//
//go:generate go run ./gen

// The first two marks are nbgrader's, which teachers may know. stubMark is our own: the code
// that the student finds in place of the solution.
const (
	beginMark = "// BEGIN SOLUTION"
	endMark   = "// END SOLUTION"
	stubMark  = "// STUB:"
)

// Stub generates the file that students edit from the worked solution of the named exercise.
//
// Every region between the lines BEGIN SOLUTION and END SOLUTION becomes a panic that says
// where the task is or, if the region has lines "// STUB: code", that code. Unused imports
// are removed. Doc comments stay: they say what to write.
func Stub(solution []byte, name string) ([]byte, error) {
	var stub bytes.Buffer
	fmt.Fprintf(&stub, "// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./%s/%s\n// Hand in only this file.\n\n", Folder, name)

	var begin int // line number of the open region's mark; 0 outside a region
	var indent string
	var code []string
	regions := 0
	for i, line := range strings.Split(string(solution), "\n") {
		number, text := i+1, strings.TrimSpace(line)
		margin := line[:strings.Index(line, text)]
		switch {
		case text == beginMark && begin != 0:
			return nil, fmt.Errorf("solution of %s, line %d: BEGIN SOLUTION inside the region that begins at line %d", name, number, begin)
		case text == beginMark:
			begin, indent, code = number, margin, nil
		case text == endMark && begin == 0:
			return nil, fmt.Errorf("solution of %s, line %d: END SOLUTION without BEGIN SOLUTION", name, number)
		case text == endMark:
			if code == nil {
				code = []string{fmt.Sprintf("%spanic(%q)", indent, check.NotDone+Folder+"/"+name+"/README.md says what to do")}
			}
			for _, line := range code {
				stub.WriteString(line + "\n")
			}
			begin = 0
			regions++
		case strings.HasPrefix(text, stubMark) && begin == 0:
			return nil, fmt.Errorf("solution of %s, line %d: STUB outside a region", name, number)
		case strings.HasPrefix(text, stubMark):
			code = append(code, margin+strings.TrimPrefix(strings.TrimPrefix(text, stubMark), " "))
		case begin == 0:
			stub.WriteString(line + "\n")
		}
	}
	switch {
	case begin != 0:
		return nil, fmt.Errorf("solution of %s, line %d: BEGIN SOLUTION without END SOLUTION", name, begin)
	case regions == 0:
		return nil, fmt.Errorf("solution of %s has no line %q", name, beginMark)
	}

	pruned, err := pruneImports(stub.Bytes())
	if err == nil {
		pruned, err = format.Source(pruned)
	}
	if err != nil {
		return nil, fmt.Errorf("stub of %s: %w", name, err)
	}
	return pruned, nil
}

// ErrAnswer is returned by WriteStub for a file that may hold an answer.
var ErrAnswer = errors.New("differs from the stub and may hold an answer")

// WriteStub writes the stub of the named exercise to NAME/NAME.go, below the working
// folder. A file that already is the stub is left alone. Any other file may hold an answer:
// WriteStub returns ErrAnswer, wrapped, unless overwrite is true.
func WriteStub(name string, overwrite bool) error {
	solution, err := os.ReadFile(filepath.Join(name, "solution", name+".go"))
	if err != nil {
		return fmt.Errorf("solution of %s: %w", name, err)
	}
	stub, err := Stub(solution, name)
	if err != nil {
		return err
	}
	path := filepath.Join(name, name+".go")
	there, err := os.ReadFile(path)
	there = bytes.ReplaceAll(there, []byte("\r\n"), []byte("\n")) // as checked out on Windows
	switch {
	case err == nil && bytes.Equal(there, stub):
		return nil
	case err == nil && !overwrite:
		return fmt.Errorf("%s %w", path, ErrAnswer)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	if err := os.WriteFile(path, stub, 0o644); err != nil {
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	return nil
}

// pruneImports removes the lines of imports that the file does not use.
func pruneImports(source []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})

	drop := map[int]bool{} // by line number
	cut := func(doc *ast.CommentGroup, node ast.Node) {
		from := node.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		for line := files.Position(from).Line; line <= files.Position(node.End()).Line; line++ {
			drop[line] = true
		}
	}
	for _, decl := range file.Decls {
		imports, ok := decl.(*ast.GenDecl)
		if !ok || imports.Tok != token.IMPORT {
			continue
		}
		kept := 0
		for _, spec := range imports.Specs {
			spec := spec.(*ast.ImportSpec)
			name := importName(spec)
			if name == "_" || name == "." || used[name] {
				kept++
				continue
			}
			cut(spec.Doc, spec)
		}
		if kept == 0 {
			cut(imports.Doc, imports)
		}
	}

	var result bytes.Buffer
	for i, line := range bytes.SplitAfter(source, []byte("\n")) {
		if !drop[i+1] {
			result.Write(line)
		}
	}
	return result.Bytes(), nil
}

// version matches the last element of the import path of a module at version 2 or above.
var version = regexp.MustCompile(`^v[0-9]+$`)

// importName returns the name that the file uses for the import. It guesses it from the
// path, which is right for every package that the exercises import.
func importName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	imported := strings.Trim(spec.Path.Value, "\"`")
	if version.MatchString(path.Base(imported)) {
		imported = path.Dir(imported)
	}
	return path.Base(imported)
}
