package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/checkout"
	"github.com/residual-go/residual/lesson/exercises"
)

// mutant is a changed solution.
type mutant struct {
	exercise string
	// key says what is changed, such as "Linear: return in*out + out → return in*out - out".
	// It is the same in every run.
	key    string
	answer *source
}

// exercise is an exercise with its mutants.
type exercise struct {
	name     string
	solution *source // tidy
	// check is the call in the exercise's test, and where it names the student's package.
	check []byte
	named []edit
	// made is the number of different texts, of which only those in mutants compile.
	made    int
	mutants []mutant
	// wrong and right are the answers in testdata, which people wrote.
	wrong, right []mutant
}

// newExercises reads the named exercises and makes all their mutants.
func newExercises(ctx context.Context, root, testdata string, names []string) ([]*exercise, error) {
	folder := checkout.Module + "/" + exercises.Folder
	var paths []string
	for _, name := range exercises.Names() {
		paths = append(paths, folder+"/"+name+"/solution")
	}
	// Further packages that answers in testdata import.
	types, err := newTypeChecker(ctx, root, append(paths, "bytes", "sort", "fmt"))
	if err != nil {
		return nil, err
	}
	var list []*exercise
	for _, name := range names {
		e, err := newExercise(types, root, name)
		if err != nil {
			return nil, err
		}
		if e.wrong, err = e.written(types, testdata, "wrong"); err != nil {
			return nil, err
		}
		if e.right, err = e.written(types, testdata, "right"); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func newExercise(types *typeChecker, root, name string) (*exercise, error) {
	e := &exercise{name: name}
	folder := filepath.Join(root, filepath.FromSlash(exercises.Folder), name)
	text, err := os.ReadFile(filepath.Join(folder, "solution", name+".go"))
	if err != nil {
		return nil, fmt.Errorf("solution of %s: %w", name, err)
	}
	if text, err = tidy(text); err != nil {
		return nil, fmt.Errorf("solution of %s: %w", name, err)
	}
	var found []error
	if e.solution, found = types.check(text); len(found) > 0 {
		return nil, fmt.Errorf("solution of %s: %w", name, found[0])
	}
	if err := e.readCheck(filepath.Join(folder, name+"_test.go")); err != nil {
		return nil, err
	}
	seen, keys := map[string]bool{string(text): true}, map[string]int{}
	for _, edits := range mutations(e.solution) {
		changed, err := tidy(apply(text, edits))
		if err != nil || seen[string(changed)] {
			continue
		}
		seen[string(changed)] = true
		e.made++
		answer, err := types.mend(changed)
		if err != nil {
			continue
		}
		key := difference(e.solution, &source{text: changed})
		if keys[key]++; keys[key] > 1 {
			key = fmt.Sprintf("%s (place %d)", key, keys[key])
		}
		e.mutants = append(e.mutants, mutant{name, key, answer})
	}
	return e, nil
}

// readCheck finds the call of package check in the exercise's test.
func (e *exercise) readCheck(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("check of %s: %w", e.name, err)
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("check of %s: %w", e.name, err)
	}
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		from := files.Position(function.Body.Lbrace).Offset
		e.check = text[from : files.Position(function.Body.Rbrace).Offset+1]
		ast.Inspect(function.Body, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == e.name {
					e.named = append(e.named, edit{files.Position(selector.Pos()).Offset - from, files.Position(selector.End()).Offset - from, selector.Sel.Name})
				}
			}
			return true
		})
	}
	if len(e.named) == 0 {
		return fmt.Errorf("check of %s: %s does not call it with the answer", e.name, file)
	}
	return nil
}

// call returns the body of the test for the answer whose names have the suffix.
func (e *exercise) call(suffix string) []byte {
	named := slices.Clone(e.named)
	for i := range named {
		named[i].text += suffix
	}
	return apply(e.check, named)
}

// written reads the answers in a folder of testdata, which are the solution with some lines changed;
// see [changed].
func (e *exercise) written(types *typeChecker, testdata, folder string) ([]mutant, error) {
	file := filepath.Join(testdata, folder, e.name+".txt")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []mutant
	for i, part := range strings.Split("\n"+string(text), "\n= ") {
		if i == 0 {
			continue // what stands before the first answer
		}
		name, changes, _ := strings.Cut(part, "\n")
		answer, err := changed(e.solution.text, changes)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, name, err)
		}
		checked, found := types.check(answer)
		if len(found) > 0 {
			return nil, fmt.Errorf("%s: %s: %w", file, name, found[0])
		}
		list = append(list, mutant{e.name, path.Join(folder, name), checked})
	}
	return list, nil
}

// changed returns a solution with changes. A change is lines of the solution, each after a minus sign,
// and the lines that replace them, each after a plus sign. Changes are separated by empty lines; lines
// that begin with # are comments. The solution has its lines once, if empty lines and indentation do not
// count.
func changed(solution []byte, changes string) ([]byte, error) {
	var lines []string
	for line := range strings.SplitSeq(string(solution), "\n") {
		if strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	for change := range strings.SplitSeq(changes, "\n\n") {
		var from, to []string
		for line := range strings.SplitSeq(change, "\n") {
			if old, ok := strings.CutPrefix(line, "-"); ok {
				from = append(from, old)
			} else if replacement, ok := strings.CutPrefix(line, "+"); ok {
				to = append(to, replacement)
			} else if line != "" && line[0] != '#' {
				return nil, fmt.Errorf("%q begins with none of -, + and #", line)
			}
		}
		if len(from)+len(to) == 0 {
			continue
		}
		var places []int
		for i := range len(lines) - len(from) + 1 {
			if slices.EqualFunc(lines[i:i+len(from)], from, sameLine) {
				places = append(places, i)
			}
		}
		if len(from) == 0 || len(places) != 1 {
			return nil, fmt.Errorf("the solution has these lines %d times, want once: %q", len(places), from)
		}
		lines = slices.Replace(lines, places[0], places[0]+len(from), to...)
	}
	return tidy([]byte(strings.Join(lines, "\n")))
}

func sameLine(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }
