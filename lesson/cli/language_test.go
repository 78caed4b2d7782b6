package cli

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

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/words"
)

// TestMain makes the tests, whose texts are English, independent of the language of the machine.
func TestMain(m *testing.M) {
	os.Setenv(words.Variable, string(words.English))
	os.Exit(m.Run())
}

// text is a text that needs a translation.
type text struct{ context, english string }

// textsInSource returns the texts in the Go files of a folder: the string literals that are the
// first argument of the methods Text and Sprintf of a language, and the names of the steps of
// checks.
func textsInSource(t *testing.T, folder string, found map[text]string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Go files in %s (%v)", folder, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(context string, e ast.Expr) {
			if english := literal(e); english != "" {
				found[text{context, english}] = files.Position(e.Pos()).String()
			}
		}
		for node := range ast.Preorder(file) {
			switch node := node.(type) {
			case *ast.CallExpr:
				method, ok := node.Fun.(*ast.SelectorExpr)
				if !ok || len(node.Args) == 0 {
					continue
				}
				if of, ok := method.X.(*ast.Ident); ok && of.Name == "fmt" {
					continue
				}
				if method.Sel.Name == "Text" || method.Sel.Name == "Sprintf" {
					add("", node.Args[0])
				}
			case *ast.CompositeLit:
				if kind, ok := node.Type.(*ast.Ident); ok && kind.Name == "step" && len(node.Elts) > 0 {
					add(words.Step, node.Elts[0])
				}
			}
		}
	}
}

// literal returns the value of an expression of string literals, or "" if it is another.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			value, _ := strconv.Unquote(e.Value) // the file was parsed
			return value
		}
	case *ast.BinaryExpr:
		if a, b := literal(e.X), literal(e.Y); a != "" && b != "" {
			return a + b
		}
	}
	return ""
}

// student lists the commands whose help is translated.
var student = []string{"degradation", "train", "eval", "predict", "check", "serve", "data", "plot"}

// textsInHelp returns the texts of the help of the whole command and of the students' subcommands.
func textsInHelp(found map[text]string) {
	var walk func(cmd *cobra.Command, whole bool)
	walk = func(cmd *cobra.Command, whole bool) {
		add := func(what, english string) {
			if english != "" {
				found[text{"", english}] = what + " of " + cmd.CommandPath()
			}
		}
		add("the short help", cmd.Short)
		if !whole {
			return
		}
		add("the help", cmd.Long)
		if strings.Contains(cmd.Example, "    #") {
			add("the examples, with comments,", cmd.Example)
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.Name != "help" && flag.Name != "version" { // cobra's
				add("the flag --"+flag.Name, flag.Usage)
			}
		})
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				walk(sub, cmd.HasParent() || slices.Contains(student, sub.Name()))
			}
		}
	}
	root := tree(words.English)
	root.InitDefaultHelpCmd()
	addCompletion(root)
	walk(root, true)
}

// TestEveryTextHasItsTranslation compares the texts of the command and of the checks, in the source
// and in the help, with the catalogues of their translations.
func TestEveryTextHasItsTranslation(t *testing.T) {
	found := map[text]string{}
	for _, folder := range []string{".", "..", "../exercises/check", "../chapter/degradation", "../../pkg/figure", "../../pkg/plots"} {
		textsInSource(t, filepath.FromSlash(folder), found)
	}
	textsInHelp(found)
	for _, exercise := range exercises.All() {
		found[text{words.Title, exercise.Title}] = "the title of " + exercise.Name
	}
	if len(found) < 150 {
		t.Errorf("found only %d texts", len(found))
	}

	entries, err := words.Entries(words.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	translated := map[text]bool{}
	for _, e := range entries {
		if e.File == "hints" {
			continue
		}
		english := text{e.Context, e.English}
		if translated[english] {
			t.Errorf("zh/%s.po:%d: %q is there twice", e.File, e.Line, e.English)
		}
		translated[english] = true
		if e.Text == "" || e.Text == e.English {
			t.Errorf("zh/%s.po:%d: %q has no Chinese text", e.File, e.Line, e.English)
		}
		if found[english] == "" {
			t.Errorf("zh/%s.po:%d: there is no text %q any more; see whether the Chinese text is still right", e.File, e.Line, e.English)
		}
		if want, got := verbs(e.English), verbs(e.Text); !slices.Equal(want, got) {
			t.Errorf("zh/%s.po:%d: %q has the verbs %v, and its translation %v", e.File, e.Line, e.English, want, got)
		}
	}
	missing := slices.Collect(maps.Keys(found))
	slices.SortFunc(missing, func(a, b text) int { return strings.Compare(found[a], found[b]) })
	for _, english := range missing {
		if !translated[english] {
			t.Errorf("no translation of %s:\n\nmsgctxt %q\nmsgid %q\nmsgstr \"\"", found[english], english.context, english.english)
		}
	}
}

// verbs returns the verbs of a format in the order of the arguments.
func verbs(format string) []string {
	var list []string
	next := 1
	for _, verb := range regexp.MustCompile(`%(\[\d+\])?([-+# 0-9.]*[a-zA-Z%])`).FindAllStringSubmatch(format, -1) {
		if verb[2] == "%" {
			continue
		}
		if verb[1] != "" {
			next, _ = strconv.Atoi(strings.Trim(verb[1], "[]")) // digits
		}
		list = append(list, strconv.Itoa(next)+verb[2])
		next++
	}
	slices.Sort(list)
	return list
}
