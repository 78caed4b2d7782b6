package cli

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
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

	"github.com/residual-go/residual/lesson/chapter/transfer"
	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
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

// between matches what stands between the parts of a text in a figure, which may come from several places.
var between = regexp.MustCompile(`%[.\d]*[a-z]|[,:;] `)

// codeOfNotebooks returns the code of the English notebooks.
func codeOfNotebooks(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.FromSlash("../../notebooks/*.ipynb"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no notebooks (%v)", err)
	}
	var all strings.Builder
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var n struct {
			Cells []struct {
				Type   string   `json:"cell_type"`
				Source []string `json:"source"`
			} `json:"cells"`
		}
		if err := json.Unmarshal(content, &n); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, cell := range n.Cells {
			if cell.Type == "code" {
				all.WriteString(strings.Join(cell.Source, "") + "\n")
			}
		}
	}
	return joints.ReplaceAllString(all.String(), "")
}

// joints matches where a string literal is continued by another.
var joints = regexp.MustCompile(`" ?\+\s*"`)

// sourcesOfRecords returns what notebooks print of the recorded trainings from ImageNet weights.
func sourcesOfRecords(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, file := range []string{"program.jsonl", "steps.jsonl"} {
		steps, err := transfer.ReadSteps(filepath.Join("..", "recorded", "article", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			all.WriteString(strings.Join(step.Sources(), "\n") + "\n")
		}
	}
	return all.String()
}

// allSource returns the Go files of some folders, tests excepted, as one text.
func allSource(t *testing.T, folders ...string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.FromSlash(folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			all.Write(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return joints.ReplaceAllString(all.String(), "")
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
var student = []string{"degradation", "train", "eval", "predict", "check", "serve", "data", "plot", "finetune", "summary", "weights", "doctor", "export", "grade"}

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
	for _, split := range []dataset.Split{dataset.Training, dataset.Validation, dataset.Test, dataset.HeldOut, dataset.All} {
		found[text{"", string(split)}] = "the split " + string(split)
	}
	if len(found) < 200 {
		t.Errorf("found only %d texts", len(found))
	}

	entries, err := words.Entries(words.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	source := allSource(t, "../../pkg", "..") + codeOfNotebooks(t) + sourcesOfRecords(t)
	translated := map[text]bool{}
	for _, e := range entries {
		if e.File == "hints" || e.File == "failures" { // package check tests those
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
		if e.Context == words.System {
			continue
		}
		if e.Context == words.Drawn || e.Context == words.Mistake {
			for _, part := range between.Split(e.English, -1) {
				if !strings.Contains(source, part) {
					t.Errorf("zh/%s.po:%d: no source has %q any more; see whether the Chinese text is still right", e.File, e.Line, part)
				}
			}
		} else if found[english] == "" {
			t.Errorf("zh/%s.po:%d: there is no text %q any more; see whether the Chinese text is still right", e.File, e.Line, e.English)
		}
		if !verb.MatchString(e.English) { // it may have the sign of a percentage
			continue
		}
		if want, got := formatted(e.English, e.English), formatted(e.English, e.Text); !slices.Equal(want, got) {
			t.Errorf("zh/%s.po:%d: %q formats %v, and its translation %v", e.File, e.Line, e.English, want, got)
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

// The titles that lesson check prints are those of the exercises' Chinese pages.
func TestTitlesAreThoseOfThePages(t *testing.T) {
	for _, exercise := range exercises.All() {
		page, err := os.ReadFile(filepath.Join("..", "exercises", exercise.Name, "README.zh.md"))
		if err != nil {
			t.Fatal(err)
		}
		if title := words.Chinese.In(words.Title, exercise.Title); !strings.Contains(string(page), "\n# "+title+"\n") {
			t.Errorf("the page of %s does not have the title %q", exercise.Name, title)
		}
	}
}

// formatted returns what a format makes of arguments that fit the verbs of the English one, in parts
// that do not depend on the order in which they are used.
func formatted(english, format string) []string {
	var args []any
	for _, verb := range verb.FindAllString(english, -1) {
		n := len(args) + 1
		switch verb[len(verb)-1] {
		case '%':
		case 'd':
			args = append(args, 7000+n)
		case 'c':
			args = append(args, 'ⓐ'+rune(n))
		case 'f':
			args = append(args, float64(7000+n)+0.1234567)
		default:
			args = append(args, fmt.Sprintf("<%d>", n))
		}
	}
	parts := argument.FindAllString(fmt.Sprintf(format, args...), -1)
	slices.Sort(parts)
	return parts
}

var (
	verb     = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z%]`)
	argument = regexp.MustCompile(`70\d\d(\.\d+)?|[ⓐ-ⓩ]|<\d+>|%!.*`)
)

func TestHelpInChinese(t *testing.T) {
	help := func(args ...string) string {
		var out strings.Builder
		cmd := command(Language(args))
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		if err := cmd.Execute(); err != nil {
			t.Errorf("lesson %s: %v", strings.Join(args, " "), err)
		}
		return out.String()
	}
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--help --lang zh", []string{"在运行中学习残差网络。\n", "\n用法：\n", "\n可用的命令：\n", "  check        检查你的练习答案\n", "\n选项：\n", "lesson 的帮助", "关于一个命令的更多说明：lesson [command] --help"}},
		{"degradation --lang=zh_CN.UTF-8 --help", []string{"并排训练两种深度的普通网络和残差网络。\n", "\n示例：\n", "第一个阶段的通道数（默认 16）\n", "（默认 auto）\n", "\n全局选项：\n"}},
		{"data --lang zh", []string{"\n可用的命令：\n", "下载、校验和展示图像"}},
		{"help check --lang zh", []string{"检查你的练习答案。\n"}},
		{"degradation --help --lang en", []string{"Train plain and residual networks at two depths", "channels of the first stage (default 16)\n"}},
	} {
		out := help(strings.Fields(c.args)...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("lesson %s: want %q in\n%s", c.args, want, out)
			}
		}
		if strings.Contains(c.args, "zh") && strings.Contains(out, "(default") {
			t.Errorf("lesson %s gives defaults in English:\n%s", c.args, out)
		}
	}
	if _, err := lesson("check", "--lang", "fr"); err == nil || !strings.Contains(err.Error(), `--lang "fr", want en or zh;`) {
		t.Errorf("--lang fr: got the error %v", err)
	}
}

func TestLanguageOfArguments(t *testing.T) {
	for args, want := range map[string]words.Language{
		"":                        words.English, // that of the environment
		"check --lang zh":         words.Chinese,
		"check --lang=zh-CN gap":  words.Chinese,
		"check --lang fr":         words.English,
		"check --lang":            words.English,
		"check -- --lang zh":      words.English,
		"train --bogus --lang zh": words.Chinese, // for the error, too
	} {
		if got := Language(strings.Fields(args)); got != want {
			t.Errorf("%q: got %s, want %s", args, got, want)
		}
	}
	t.Setenv(words.Variable, "zh")
	if got := Language([]string{"check", "--lang", "en"}); got != words.English {
		t.Errorf("--lang en in a Chinese environment: got %s", got)
	}
	if got := Language(nil); got != words.Chinese {
		t.Errorf("in a Chinese environment: got %s", got)
	}
}
