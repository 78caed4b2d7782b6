package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryHintHasItsWrongAnswer reads the source of this package: each hint in an
// exercise's file must have a wrong answer in that exercise's test, and each shared hint in
// any of the tests.
func TestEveryHintHasItsWrongAnswer(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	hints, caught, anywhere := map[string][]string{}, map[string]map[string]bool{}, map[string]bool{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutSuffix(path, "_test.go"); ok {
			caught[name] = map[string]bool{}
			for _, hint := range hintsTried(file) {
				caught[name][hint], anywhere[hint] = true, true
			}
			continue
		}
		hints[strings.TrimSuffix(path, ".go")] = hintsGiven(file)
	}
	count := 0
	for _, name := range slices.Sorted(maps.Keys(hints)) {
		tried := caught[name]
		if len(tried) == 0 {
			tried = anywhere
		}
		for _, hint := range hints[name] {
			count++
			if !tried[hint] {
				t.Errorf("%s.go: no test has a wrong answer for the hint %s", name, hint)
			}
		}
	}
	if count < 150 {
		t.Errorf("found only %d hints", count)
	}
}

// hintsGiven returns the hint names in literals of type Hint, in maps of hints, and in calls
// of the functions that make a mistake out of a name and a text.
func hintsGiven(file *ast.File) (names []string) {
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CompositeLit:
			switch kind := node.Type.(type) {
			case *ast.Ident:
				if kind.Name == "Hint" && len(node.Elts) > 0 {
					names = append(names, literals(node.Elts[:1])...)
				}
			case *ast.MapType:
				for _, element := range node.Elts {
					if pair, ok := element.(*ast.KeyValueExpr); ok {
						names = append(names, literals([]ast.Expr{pair.Key})...)
					}
				}
			}
		case *ast.CallExpr:
			function, ok := node.Fun.(*ast.Ident)
			if texts := literals(node.Args); ok && len(texts) > 0 && (function.Name == "varied" || strings.HasSuffix(function.Name, "Mistake")) {
				names = append(names, texts[0])
			}
		}
		return true
	})
	return names
}

// hintsTried returns the hint names in literals of type wrong and in calls of testBug.
func hintsTried(file *ast.File) (names []string) {
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CompositeLit:
			if kind, ok := node.Type.(*ast.Ident); ok && kind.Name == "wrong" {
				names = append(names, literals(node.Elts[:1])...)
			}
		case *ast.CallExpr:
			if function, ok := node.Fun.(*ast.Ident); ok && function.Name == "testBug" {
				names = append(names, literals(node.Args)...)
			}
		}
		return true
	})
	return names
}

// literals returns the values of the expressions that are string literals.
func literals(expressions []ast.Expr) (texts []string) {
	for _, expression := range expressions {
		if literal, ok := expression.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				texts = append(texts, text)
			}
		}
	}
	return texts
}
