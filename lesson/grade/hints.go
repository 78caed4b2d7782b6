package grade

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/residual-go/residual/lesson/exercises"
)

// hintsFor returns the hints that the check of an exercise can give, their texts by their names.
// It reads them in the source of package check, given by path: in the file of the exercise, and
// in those that are no exercise's. So what a test reports, which a submission might have forged,
// needs to be no more than a name.
func hintsFor(exercise string, files map[string][]byte) (map[string]string, error) {
	hints := map[string]string{}
	for name, source := range files {
		stem, isGo := strings.CutSuffix(path.Base(name), ".go")
		if path.Dir(name) != exercises.Folder+"/check" || !isGo || stem != exercise && slices.Contains(exercises.Names(), stem) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for node := range ast.Preorder(file) {
			for _, pair := range pairsIn(node) {
				hint, text := constant(pair[0]), constant(pair[1])
				if hint != "" && text != "" && hints[hint] == "" && !strings.ContainsAny(hint, " \n") {
					hints[hint] = text
				}
			}
		}
	}
	return hints, nil
}

// pairsIn returns neighbours that may be the name and the text of a hint: in a literal like
// Hint{"name", "text"}, in a map of hints, or among the arguments of a function.
func pairsIn(node ast.Node) (pairs [][2]ast.Expr) {
	var list []ast.Expr
	switch node := node.(type) {
	case *ast.KeyValueExpr:
		return [][2]ast.Expr{{node.Key, node.Value}}
	case *ast.CompositeLit:
		list = node.Elts
	case *ast.CallExpr:
		list = node.Args
	}
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		// The fields of a literal may be named.
		if x, ok := a.(*ast.KeyValueExpr); ok {
			if y, ok := b.(*ast.KeyValueExpr); ok {
				a, b = x.Value, y.Value
			}
		}
		pairs = append(pairs, [2]ast.Expr{a, b})
	}
	return pairs
}

// constant returns the value of an expression of string literals, or "" if it is another.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, _ := strconv.Unquote(e.Value)
			return text
		}
	case *ast.BinaryExpr:
		if a, b := constant(e.X), constant(e.Y); e.Op == token.ADD && a != "" && b != "" {
			return a + b
		}
	}
	return ""
}
