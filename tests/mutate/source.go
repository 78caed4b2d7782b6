package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// source is a Go file that passed the type checker.
type source struct {
	text  []byte
	files *token.FileSet
	file  *ast.File
	info  *types.Info
	pkg   *types.Package
}

// offset returns the place of pos in the text.
func (s *source) offset(pos token.Pos) int { return s.files.Position(pos).Offset }

// of returns the text of a node.
func (s *source) of(node ast.Node) string {
	return string(s.text[s.offset(node.Pos()):s.offset(node.End())])
}

// typeChecker checks single files. It reads the compiler's export data of what they import.
type typeChecker struct {
	exports map[string]string // file by import path
	imports types.Importer
	files   *token.FileSet
}

// newTypeChecker returns a typeChecker for files that import the given packages of the
// module at root.
func newTypeChecker(ctx context.Context, root string, paths []string) (*typeChecker, error) {
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, paths...)...)
	list.Dir = root
	var stderr bytes.Buffer
	list.Stderr = &stderr
	output, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list what the solutions import: %w\n%s", err, stderr.String())
	}
	c := &typeChecker{exports: map[string]string{}, files: token.NewFileSet()}
	for line := range strings.Lines(string(output)) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
		c.exports[path] = export
	}
	c.imports = importer.ForCompiler(c.files, "gc", func(path string) (io.ReadCloser, error) {
		if c.exports[path] == "" {
			return nil, fmt.Errorf("no package %s", path)
		}
		return os.Open(c.exports[path])
	})
	return c, nil
}

// check parses a file and checks its types. It returns all errors of the type checker.
func (c *typeChecker) check(text []byte) (*source, []error) {
	s := &source{text: text, files: c.files, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{}, Scopes: map[ast.Node]*types.Scope{},
	}}
	var err error
	if s.file, err = parser.ParseFile(c.files, "", text, parser.SkipObjectResolution); err != nil {
		return s, []error{err}
	}
	var found []error
	config := types.Config{Importer: c.imports, Error: func(err error) { found = append(found, err) }}
	s.pkg, _ = config.Check("answer", c.files, []*ast.File{s.file}, s.info)
	return s, found
}

// mend is check for a file that may have variables and imports that are no longer used: a
// student would not leave them there. It uses the variables and removes the imports.
func (c *typeChecker) mend(text []byte) (*source, error) {
	for {
		s, found := c.check(text)
		if len(found) == 0 {
			return s, nil
		}
		var edits []edit
		for _, err := range found {
			fault, ok := errors.AsType[types.Error](err)
			switch {
			case ok && strings.HasPrefix(fault.Msg, "declared and not used"):
				if e, ok := s.use(fault.Pos); ok {
					edits = append(edits, e)
					continue
				}
			case ok && strings.HasSuffix(fault.Msg, "imported and not used"):
				edits = append(edits, s.imports(fault.Pos))
				continue
			}
			return nil, err
		}
		text = apply(text, edits)
	}
}

// imports returns the edit that removes the import at pos.
func (s *source) imports(pos token.Pos) edit {
	for _, declaration := range s.file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || pos < group.Pos() || group.End() <= pos {
			continue
		}
		if !group.Lparen.IsValid() {
			return edit{s.offset(group.Pos()), s.offset(group.End()), ""}
		}
		for _, spec := range group.Specs {
			if spec.Pos() <= pos && pos < spec.End() {
				return edit{s.offset(spec.Pos()), s.offset(spec.End()), ""}
			}
		}
	}
	panic("no import there")
}

// use returns the edit that uses the variable that is declared at pos.
func (s *source) use(pos token.Pos) (e edit, ok bool) {
	var stack []ast.Node
	ast.Inspect(s.file, func(node ast.Node) bool {
		if node == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, node)
		name, is := node.(*ast.Ident)
		if !is || name.Pos() != pos {
			return true
		}
		for i := len(stack) - 1; i > 0 && !ok; i-- {
			statement, is := stack[i].(ast.Stmt)
			if !is {
				continue
			}
			at := token.NoPos
			switch parent := stack[i-1].(type) {
			case *ast.ForStmt:
				at = parent.Body.Lbrace + 1
			case *ast.IfStmt:
				at = parent.Body.Lbrace + 1
			case *ast.BlockStmt, *ast.CaseClause:
				at = statement.End()
				if loop, is := statement.(*ast.RangeStmt); is {
					at = loop.Body.Lbrace + 1
				}
			default:
				return true
			}
			place := s.offset(at)
			e, ok = edit{place, place, "\n_ = " + name.Name + "\n"}, true
		}
		return true
	})
	return e, ok
}

// edit replaces part of a text.
type edit struct {
	from, to int
	text     string
}

func apply(text []byte, edits []edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	var result []byte
	at := 0
	for _, e := range edits {
		result = append(append(result, text[at:e.from]...), e.text...)
		at = e.to
	}
	return append(result, text[at:]...)
}

// tidy formats a file and removes comments, so that files that differ in nothing else
// become equal.
func tidy(text []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var tidied bytes.Buffer
	if err := format.Node(&tidied, files, file); err != nil {
		return nil, err
	}
	return format.Source(tidied.Bytes())
}

// renamed returns the file with a suffix on the names of everything that it declares in the
// package, so that many answers fit into one package.
func (s *source) renamed(pkg, suffix string) []byte {
	edits := []edit{{s.offset(s.file.Name.Pos()), s.offset(s.file.Name.End()), pkg}}
	rename := func(name *ast.Ident, object types.Object) {
		if object != nil && object.Parent() == s.pkg.Scope() {
			edits = append(edits, edit{s.offset(name.Pos()), s.offset(name.End()), name.Name + suffix})
		}
	}
	for name, object := range s.info.Defs {
		rename(name, object)
	}
	for name, object := range s.info.Uses {
		rename(name, object)
	}
	return apply(s.text, edits)
}

// difference describes how two tidy files differ: the function, and its lines before and
// after.
func difference(before, after *source) string {
	a, b := strings.Split(string(before.text), "\n"), strings.Split(string(after.text), "\n")
	start := 0
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < min(len(a), len(b))-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	show := func(lines []string) string {
		var parts []string
		for _, line := range lines[start : len(lines)-end] {
			if line = strings.TrimSpace(line); line != "" {
				parts = append(parts, line)
			}
		}
		switch {
		case len(parts) == 0:
			return "nothing"
		case len(parts) > 3:
			parts = []string{parts[0], fmt.Sprintf("(%d lines)", len(parts)-2), parts[len(parts)-1]}
		}
		return strings.Join(parts, " ⏎ ")
	}
	function := "declarations"
	for _, declaration := range before.file.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if ok && before.files.Position(f.Pos()).Line <= start+1 && start+1 <= before.files.Position(f.End()).Line {
			function = f.Name.Name
		}
	}
	return fmt.Sprintf("%s: %s → %s", function, show(a), show(b))
}
