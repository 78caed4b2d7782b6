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
	for _, file := range []string{"program.jsonl", "steps.jsonl", "final.jsonl"} {
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
	for _, folder := range []string{".", "..", "../exercises/check", "../exercises/symptoms", "../chapter/degradation", "../../pkg/figure", "../../pkg/plots"} {
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
				if !strings.Contains(source, strings.TrimSpace(part)) {
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
		case 'f', 'g':
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

// stringsIn visits the string literals in an expression but for those that a language translates: the
// arguments of its methods.
func stringsIn(e ast.Expr, visit func(*ast.BasicLit)) {
	ast.Inspect(e, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			if method, ok := node.Fun.(*ast.SelectorExpr); ok {
				return !slices.Contains([]string{"Text", "Sprintf", "Error", "In"}, method.Sel.Name) || isPackage(method.X, "fmt")
			}
		case *ast.BasicLit:
			if node.Kind == token.STRING {
				visit(node)
			}
		}
		return true
	})
}

// isPackage reports whether an expression is the name of a package.
func isPackage(e ast.Expr, name string) bool {
	of, ok := e.(*ast.Ident)
	return ok && of.Name == name
}

// callsOf returns the calls of functions of package fmt or errors in the files of this package, by where
// they are. It leaves out some files.
func callsOf(t *testing.T, function *regexp.Regexp, without ...string) map[string]*ast.CallExpr {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]*ast.CallExpr{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || slices.Contains(without, path) {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for node := range ast.Preorder(file) {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				continue
			}
			if of, ok := call.Fun.(*ast.SelectorExpr); ok && (isPackage(of.X, "fmt") || isPackage(of.X, "errors")) && function.MatchString(of.Sel.Name) {
				calls[files.Position(call.Pos()).String()] = call
			}
		}
	}
	return calls
}

// sentence matches English that is more than a name, an option or code.
var sentence = regexp.MustCompile(`(^|[ :])[A-Za-z]?[a-z]{2,} [a-z]{2,}( |[.:,;\n]|$)`)

// TestPrintedWordsAreTranslated: what the command prints goes through a language. The lines of a log, code
// for PyTorch, and what only teachers and people who run out of memory see, are English.
func TestPrintedWordsAreTranslated(t *testing.T) {
	calls := callsOf(t, regexp.MustCompile(`^Fprint(f|ln)?$`), "grade.go", "limits_linux.go")
	if len(calls) < 50 {
		t.Errorf("found only %d calls", len(calls))
	}
	for at, call := range calls {
		for _, arg := range call.Args[1:] {
			stringsIn(arg, func(s *ast.BasicLit) {
				if text := literal(s); sentence.MatchString(text) && !strings.HasPrefix(text, "  ") {
					t.Errorf("%s: %q is printed in every language", at, text)
				}
			})
		}
	}
}

// untranslated returns the pieces of a Chinese message that are English.
func untranslated(message string) []string {
	var english []string
	for _, piece := range regexp.MustCompile(`[；：\n]|[;:] `).Split(message, -1) {
		if !regexp.MustCompile(`\p{Han}`).MatchString(piece) && sentence.MatchString(piece) {
			english = append(english, piece)
		}
	}
	return english
}

// TestErrorsAreTranslated: the errors that this package words are known in Chinese.
func TestErrorsAreTranslated(t *testing.T) {
	calls := callsOf(t, regexp.MustCompile(`^(Errorf|New)$`))
	if len(calls) < 50 {
		t.Errorf("found only %d errors", len(calls))
	}
	for at, call := range calls {
		english := literal(call.Args[0])
		text := regexp.MustCompile(`%[+#]?[a-z]`).ReplaceAllStringFunc(strings.ReplaceAll(english, "%sthe", "the"), func(verb string) string {
			switch verb[len(verb)-1] {
			case 'd', 'g':
				return "7"
			case 'q':
				return `"a"`
			case 'w':
				return "no space left on device"
			}
			return "a"
		})
		if left := untranslated(words.Chinese.Error(text)); left != nil {
			t.Errorf("%s: %q has no Chinese text: %q", at, english, left)
		}
	}
}

// TestMistakesInChinese makes the usual mistakes.
func TestMistakesInChinese(t *testing.T) {
	t.Setenv(words.Variable, "zh")
	resnet20 := "../recorded/cifar10-jpeg-24-epochs/resnet20"
	for _, args := range []string{
		"trian", "train --epoch 3", "train --epochs 0", "train --epochs x", "train --epochs", "train --model nope", "train --recipe nope",
		"train --data nope", "train --batch 1", "train --lr -1", "train --lr x", "train --subset 5x", "train --backend nope",
		"train --precision f16", "train --validation 0", "train --size 5000", "train --devices 0", "train --local-norms",
		"train --input nowhere", "train --run nope --resume", "train --resume", "train --resume --epochs 3", "train nope",
		"train --data builtin --subset 5/class --validation 5000", "train --data language_test.go", "train --data testdata",
		"eval", "eval --run nope", "eval --weights nope", "eval --weights nope.pth", "eval --weights language_test.go",
		"eval --weights https://example.com/x.pth", "eval --run " + resnet20, "eval --run " + resnet20 + " --data nope",
		"eval --run " + resnet20 + " --model resnet18", "predict", "predict a.png", "predict --run " + resnet20 + " nope.png",
		"predict --run " + resnet20 + " language_test.go", "predict --run " + resnet20 + " nope.png language_test.go",
		"predict --run " + resnet20 + " --top 0 a.png", "predict --run " + resnet20 + " --normalize nope a.png", "predict --run a --weights b c.png",
		"predict --run " + resnet20 + " --out x a.png", "predict --run " + resnet20 + " .", "check nope", "check outputsiz", "serve", "serve --run nope",
		"serve --run " + resnet20 + " --addr nope", "serve --run " + resnet20 + " --addr 127.0.0.1:99999", "data nope", "data fetch --data photos",
		"data show --data language_test.go", "plot", "plot nope", "plot ../cli", "degradation --shallow 21", "degradation --shallow 20 --deep 8",
		"degradation --width 0", "degradation --run language_test.go --data builtin", "summary --model nope", "summary --model resnet18 --size 0",
		"summary --model resnet18 --size 100000", "weights nope", "weights a b", "finetune", "finetune --weights " + resnet20 + " --data builtin --freeze nope",
		"finetune --weights " + resnet20 + " --data builtin --head-lr 0", "export", "export --run " + resnet20 + " --out x.bin",
		"export --run " + resnet20 + " --out x.safetensors --fold", "export --run " + resnet20 + " --out language_test.go --format onnx",
		"grade", "grade nope", "--lang fr check", "help nope",
	} {
		out, err := lesson(strings.Fields(args)...)
		if err == nil {
			t.Errorf("lesson %s: no error", args)
			continue
		}
		left := slices.DeleteFunc(untranslated(out+Message(words.Chinese, err)), func(s string) bool { return strings.HasPrefix(s, "Shapes-10") })
		if len(left) > 0 {
			t.Errorf("lesson %s: %q is English in\n%s%s", args, left, out, Message(words.Chinese, err))
		}
	}
}

func TestNamesOfData(t *testing.T) {
	for english, chinese := range map[string]string{
		"CIFAR-10": "CIFAR-10", "test": "test", "photos, 2020": "photos, 2020", "Shapes-10 (built-in)": "Shapes-10（内置）", "pictures in photos": "photos 里的照片",
		"CIFAR-10 (JPEG), first 500":                     "CIFAR-10 (JPEG)，前 500 幅",
		"Shapes-10 (built-in), first 5 per class":        "Shapes-10（内置），每类前 5 幅",
		"CIFAR-10, first 500, without 50 for validation": "CIFAR-10，前 500 幅，留出 50 幅作验证",
	} {
		if got := dataName(words.Chinese, english); got != chinese {
			t.Errorf("%q: got %q, want %q", english, got, chinese)
		}
		if got := dataName(words.English, english); got != english {
			t.Errorf("%q: got %q in English", english, got)
		}
	}
}

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
