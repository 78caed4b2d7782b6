package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCellsCompile type-checks every code cell, of the Chinese notebooks too, as GoNB would compile it. This takes seconds,
// where running the notebooks takes half an hour: a renamed identifier shows up at once.
func TestCellsCompile(t *testing.T) {
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := c.notebooks()
	if err != nil {
		t.Fatal(err)
	}
	prose, err := c.chineseNotebooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range prose {
		paths = append(paths, notebookOf(path))
	}
	var all []program
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(c.path("notebooks"), path)
		if err != nil {
			t.Fatal(err)
		}
		programs, err := cellPrograms(filepath.ToSlash(name), content)
		if err != nil {
			t.Error(err)
		}
		all = append(all, programs...)
	}
	if len(all) < 8*4 {
		t.Errorf("the notebooks have %d code cells, want at least 4 each", len(all))
	}
	for _, err := range typeCheck(t, c.root, all) {
		t.Error(err)
	}
}

// A program is what GoNB compiles when a cell is run: the declarations of that cell and of
// the cells before it, and the cell's statements as main.
type program struct {
	source  string
	imports []string // paths
}

// cellPrograms returns a program for each code cell of a notebook. The programs carry line
// directives, so that errors name the cell.
func cellPrograms(name string, content []byte) ([]program, error) {
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var programs []program
	var declarations strings.Builder
	var imports importList
	for i, cell := range n.Cells {
		if cell.Type != "code" {
			continue
		}
		declared, body, lines := splitCell(string(cell.Source))
		place := fmt.Sprintf("cell %d of %s", i+1, name)
		rest, err := imports.cut(place, declared)
		if err != nil {
			return programs, err
		}
		fmt.Fprintf(&declarations, "//line %s:1\n%s\n", place, rest)
		programs = append(programs, program{
			source: fmt.Sprintf("package main\nimport (\n%s\n)\n%s\nfunc main() {\n//line %s:%d\n%s\n}\n",
				strings.Join(imports.specs, "\n"), declarations.String(), place, lines+1, body),
			imports: imports.paths,
		})
	}
	return programs, nil
}

// splitCell divides a cell at %%, where the body of main begins. lines is the number of
// lines before that body. Other GoNB commands, such as %test, are blanked.
func splitCell(source string) (declared, body string, lines int) {
	all := strings.Split(source, "\n")
	at := len(all)
	for i, line := range all {
		switch {
		case line == "%%":
			at = i
		case strings.HasPrefix(line, "%"):
			all[i] = ""
		}
	}
	declared = strings.Join(all[:at], "\n")
	if at < len(all) {
		body, lines = strings.Join(all[at+1:], "\n"), at+1
	}
	return declared, body, lines
}

// An importList is the imports of a cell and the cells before it.
type importList struct {
	paths []string
	specs []string // each with a line directive
}

// cut adds the imports among the declarations to the list and returns the declarations with
// these blanked, so that line numbers stay as they are.
func (l *importList) cut(place, declared string) (string, error) {
	const header = "package main;"
	source := []byte(header + declared)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, place, source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return "", fmt.Errorf("%s: import %s: %w", place, spec.Path.Value, err)
		}
		if !slices.Contains(l.paths, path) {
			l.paths = append(l.paths, path)
			l.specs = append(l.specs, fmt.Sprintf("//line %s:%d\n%s", place, files.Position(spec.Pos()).Line, source[spec.Pos()-1:spec.End()-1]))
		}
	}
	for _, decl := range file.Decls {
		if general, ok := decl.(*ast.GenDecl); ok && general.Tok == token.IMPORT {
			for i := general.Pos() - 1; i < general.End()-1; i++ {
				if source[i] != '\n' {
					source[i] = ' '
				}
			}
		}
	}
	return string(source[len(header):]), nil
}

// typeCheck returns the type errors of the programs; root is the folder of the module.
// Unused imports are allowed, because GoNB removes them.
func typeCheck(t *testing.T, root string, programs []program) []error {
	t.Helper()
	paths := map[string]bool{}
	for _, p := range programs {
		for _, path := range p.imports {
			paths[path] = true
		}
	}
	exports := exportFiles(t, root, slices.Sorted(maps.Keys(paths)))
	files := token.NewFileSet()
	packages := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		export := exports[path]
		if export == "" {
			return nil, fmt.Errorf("no package %s", path)
		}
		return os.Open(export)
	})
	var found []error
	seen := map[string]bool{} // a declaration is in the programs of all later cells
	report := func(err error) {
		if !seen[err.Error()] {
			seen[err.Error()] = true
			found = append(found, err)
		}
	}
	config := types.Config{Importer: packages, Error: report, DisableUnusedImportCheck: true}
	for _, p := range programs {
		file, err := parser.ParseFile(files, "", p.source, parser.SkipObjectResolution)
		if err != nil {
			report(err)
			continue
		}
		_, _ = config.Check("main", files, []*ast.File{file}, nil) // report receives the errors
	}
	return found
}

// exportFiles returns the files with the compiler's export data, by import path, for the
// given packages and everything they import.
func exportFiles(t *testing.T, root string, paths []string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, paths...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the packages that cells import: %v\n%s", err, tail(stderr.String(), 20))
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(output)) {
		path, export, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		exports[path] = export
	}
	return exports
}

// TestCellErrorsAreFound checks that the test above can fail.
func TestCellErrorsAreFound(t *testing.T) {
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	var cells []any
	for _, source := range []string{
		"import (\n\"fmt\"\n\"no/such/package\"\n)\n\nvar x = 1",
		"import \"math\"\n\n%%\nfmt.Println(x)", // math is unused, which is fine
		"func f() int {\n\treturn gone.X\n}\n\n%%\ny := 1",
		"func TestX() { f() }\n\n%test",
	} {
		cells = append(cells, map[string]any{"cell_type": "code", "source": source})
	}
	content, err := json.Marshal(map[string]any{"cells": cells})
	if err != nil {
		t.Fatal(err)
	}
	programs, err := cellPrograms("3-x.ipynb", content)
	if err != nil {
		t.Fatal(err)
	}
	got := errors.Join(typeCheck(t, c.root, programs)...)
	want := []string{
		"cell 1 of 3-x.ipynb:3: could not import no/such/package",
		"cell 3 of 3-x.ipynb:2: undefined: gone",
		"cell 3 of 3-x.ipynb:6: declared and not used: y",
	}
	if lines := strings.Split(fmt.Sprint(got), "\n"); len(lines) != len(want) {
		t.Errorf("got %d errors, want %d:\n%v", len(lines), len(want), got)
	}
	for _, text := range want {
		if !strings.Contains(fmt.Sprint(got), text) {
			t.Errorf("not found: %s in\n%v", text, got)
		}
	}

	if _, err := cellPrograms("3-x.ipynb", []byte(`{"cells":[{"cell_type":"code","source":"func ("}]}`)); err == nil || !strings.Contains(err.Error(), "cell 1 of 3-x.ipynb") {
		t.Errorf("a cell that does not parse: %v, want an error that names it", err)
	}
}
