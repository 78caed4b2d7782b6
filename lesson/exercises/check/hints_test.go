package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/words"
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
		for _, hint := range hintsGiven(file) {
			name := strings.TrimSuffix(path, ".go")
			hints[name] = append(hints[name], hint.Name)
		}
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

// hintsGiven returns the hints in literals of type Hint, in maps of hints, and in calls of the
// functions that make a mistake out of a name and a text.
func hintsGiven(file *ast.File) (hints []Hint) {
	add := func(expressions ...ast.Expr) {
		if texts := literals(expressions); len(texts) >= 2 {
			hints = append(hints, Hint{texts[0], texts[1]})
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CompositeLit:
			switch kind := node.Type.(type) {
			case *ast.Ident:
				if kind.Name == "Hint" {
					add(node.Elts...)
				}
			case *ast.MapType:
				for _, element := range node.Elts {
					if pair, ok := element.(*ast.KeyValueExpr); ok {
						add(pair.Key, pair.Value)
					}
				}
			}
		case *ast.CallExpr:
			function, ok := node.Fun.(*ast.Ident)
			if ok && (function.Name == "varied" || strings.HasSuffix(function.Name, "Mistake")) {
				add(node.Args...)
			}
		}
		return true
	})
	return hints
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

// TestEveryHintHasItsTranslation compares the hints in the source of this package with the
// catalogue of the translated ones.
func TestEveryHintHasItsTranslation(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string][]string{} // the texts by the contexts of package words
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		exercise := strings.TrimSuffix(path, ".go")
		if _, err := os.Stat(filepath.Join("..", exercise, "solution")); err != nil {
			exercise = words.Shared
		}
		for _, hint := range hintsGiven(file) {
			context := exercise + "/" + hint.Name
			given[context] = append(given[context], hint.Text)
		}
	}
	entries, err := words.Entries(words.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	translated := map[string][]string{}
	for _, e := range entries {
		if e.File != "hints" {
			continue
		}
		if e.Text == "" || e.Text == e.English {
			t.Errorf("zh/hints.po:%d: the hint %s has no Chinese text", e.Line, e.Context)
		}
		if slices.Contains(translated[e.Context], e.English) {
			t.Errorf("zh/hints.po:%d: the hint %s is there twice with the same text", e.Line, e.Context)
		}
		translated[e.Context] = append(translated[e.Context], e.English)
		if !slices.Contains(given[e.Context], e.English) {
			t.Errorf("zh/hints.po:%d: no hint %s has the English text %q any more; see whether the Chinese text is still right", e.Line, e.Context, e.English)
		}
	}
	count := 0
	for _, context := range slices.Sorted(maps.Keys(given)) {
		for _, text := range given[context] {
			count++
			if !slices.Contains(translated[context], text) {
				t.Errorf("lesson/words/zh/hints.po lacks the hint %s:\n\nmsgctxt %q\nmsgid %q\nmsgstr \"\"", context, context, text)
			}
		}
	}
	if count < 400 {
		t.Errorf("found only %d hints", count)
	}
}

// notSaid are texts in this package with words that no student reads.
var notSaid = []string{
	"fatal error: %s: more than %d MiB\n", "out of memory", // the grader reads it
	"already visited", "out of range", "with length 0", "with capacity 0", // in panics
	"train loss ", "train loss %g", "test loss ", "test loss", "evaluate %d %d", // data
	"Parameters(bottleneck false, blocks [2 2 2 2], 10)", // Go
	NotDone,
}

// TestEveryFailureHasItsTranslation compares the words in the source of this package that are
// neither hints nor names of steps with the catalogue of what a failed check says.
func TestEveryFailureHasItsTranslation(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := words.Entries(words.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	verb := regexp.MustCompile(`%(\[\d+\])?[-+.0-9]*[a-z]`)
	bare := func(text string) string { return strings.Trim(verb.ReplaceAllString(text, "%"), "% \n;:,()[]") }
	var formats []string
	for _, e := range entries {
		if e.Context == words.Failure {
			formats = append(formats, bare(e.English))
		}
	}
	prose := regexp.MustCompile(`[a-z]+( [a-z]+)+`)
	word := regexp.MustCompile(`^[a-z]+$`)
	all := NotDone + "README.md says what to do" // of the stubs, which package exercises writes
	count := 0
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		fileset := token.NewFileSet()
		file, err := parser.ParseFile(fileset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var elsewhere []string // what other catalogues have, or nobody reads
		for _, hint := range hintsGiven(file) {
			elsewhere = append(elsewhere, hint.Name, hint.Text)
		}
		elsewhere = append(elsewhere, notSaid...)
		check := func(literal *ast.BasicLit, is *regexp.Regexp) {
			text, err := strconv.Unquote(literal.Value)
			if err != nil || !is.MatchString(bare(text)) || slices.Contains(elsewhere, text) || strings.HasPrefix(text, "check: ") || strings.HasPrefix(text, "Epoch [") ||
				words.Chinese.In(words.Step, text) != text || words.Chinese.Text(text) != text {
				return
			}
			count++
			has := func(part string) bool {
				return slices.ContainsFunc(formats, func(format string) bool { return strings.Contains(format, part) })
			}
			if !has(bare(text)) && (is == word || slices.ContainsFunc(prose.FindAllString(bare(text), -1), func(part string) bool { return !has(part) })) {
				t.Errorf("%s: lesson/words/zh/failures.po has no entry with %q", fileset.Position(literal.Pos()), text)
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.BasicLit:
				if node.Kind == token.STRING {
					check(node, prose)
					text, _ := strconv.Unquote(node.Value)
					all += "\n" + verb.ReplaceAllString(text, "%")
				}
			case *ast.KeyValueExpr: // single words, in the fields of a Failure
				if field, ok := node.Key.(*ast.Ident); ok && slices.Contains([]string{"What", "Want", "Got"}, field.Name) {
					if literal, ok := node.Value.(*ast.BasicLit); ok {
						check(literal, word)
					}
				}
			}
			return true
		})
	}
	if count < 150 {
		t.Errorf("found only %d texts", count)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if e.Context != words.Failure {
			continue
		}
		if e.Text == "" || seen[e.English] {
			t.Errorf("zh/failures.po:%d: %q has no Chinese text, or is there twice", e.Line, e.English)
		}
		seen[e.English] = true
		if want, got := strings.Count(e.English, "%"), strings.Count(e.Text, "%"); want != got {
			t.Errorf("zh/failures.po:%d: %q has %d verbs, and its translation %d", e.Line, e.English, want, got)
		}
		for _, piece := range verb.Split(e.English, -1) {
			if !strings.Contains(all, bare(piece)) {
				t.Errorf("zh/failures.po:%d: no failure says %q any more; see whether the Chinese text is still right", e.Line, piece)
			}
		}
	}
}
