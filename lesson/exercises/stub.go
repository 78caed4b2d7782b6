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

// go generate stops at a file that is not its stub: it may have an answer in it.
//
//go:generate go run ./gen

// The marks are those of nbgrader, so that teachers who know it know them, and one of our
// own, stubMark, for what the student finds in place of the region.
const (
	beginMark = "// BEGIN SOLUTION"
	endMark   = "// END SOLUTION"
	stubMark  = "// STUB:"
)

// Stub makes the file that students edit from the worked solution of the named exercise.
//
// Every region from a line BEGIN SOLUTION to a line END SOLUTION becomes a panic that says
// where the task is; or, if it has lines "// STUB: code", that code. Imports that the
// stub does not need are left out. Doc comments stay: they say what to write.
func Stub(solution []byte, name string) ([]byte, error) {
	var stub bytes.Buffer
	fmt.Fprintf(&stub, "// This file is yours to edit. The task: README.md in this folder. To check it: go test ./%s/%s\n// Hand in this file alone.\n\n", Folder, name)

	var begin int // line of the open region's mark, from 1; 0 outside
	var indent string
	var code []string
	regions := 0
	for i, line := range strings.Split(string(solution), "\n") {
		number, text := i+1, strings.TrimSpace(line)
		margin := line[:strings.Index(line, text)]
		switch {
		case text == beginMark && begin != 0:
			return nil, fmt.Errorf("solution of %s, line %d: BEGIN SOLUTION in the region of line %d", name, number, begin)
		case text == beginMark:
			begin, indent, code = number, margin, nil
		case text == endMark && begin == 0:
			return nil, fmt.Errorf("solution of %s, line %d: END SOLUTION without its BEGIN SOLUTION", name, number)
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
			return nil, fmt.Errorf("solution of %s, line %d: STUB outside of a region", name, number)
		case strings.HasPrefix(text, stubMark):
			code = append(code, margin+strings.TrimPrefix(strings.TrimPrefix(text, stubMark), " "))
		case begin == 0:
			stub.WriteString(line + "\n")
		}
	}
	switch {
	case begin != 0:
		return nil, fmt.Errorf("solution of %s, line %d: BEGIN SOLUTION without its END SOLUTION", name, begin)
	case regions == 0:
		return nil, fmt.Errorf("solution of %s: no line %q", name, beginMark)
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

// WriteStub makes the named exercise's file, in the folder of that name. A file that is the
// stub already keeps its time. One that is something else may have an answer in it, and
// that is an error, or, if overwrite says so, lost.
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
		return fmt.Errorf("%s is not the stub of today and may have an answer in it; to lose what it has: go run ./gen %s", path, name)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	if err := os.WriteFile(path, stub, 0o644); err != nil {
		return fmt.Errorf("stub of %s: %w", name, err)
	}
	return nil
}

// pruneImports cuts out the lines of imports that the file does not use.
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

	drop := map[int]bool{} // lines, from 1
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

// version is the last element of the path of a module at version 2 or above.
var version = regexp.MustCompile(`^v[0-9]+$`)

// importName is the name by which the file knows the import. Without its package at hand
// the path has to tell; of the packages that exercises import, every path does.
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
