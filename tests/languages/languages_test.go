package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/lesson/words"
)

const root = "../.."

// pages are the English pages, beside those of the exercises, that have a Chinese sibling.
var pages = []string{
	"README.md",
	"lesson/README.md",
	"lesson/TEACHING.md",
	"lesson/teaching/key.md",
	"lesson/teaching/notebooks.md",
	"notebooks/README.md",
}

// siblings returns the English pages with a Chinese sibling.
func siblings() []string {
	all := slices.Clone(pages)
	for _, name := range exercises.Names() {
		all = append(all, exercises.Folder+"/"+name+"/README.md")
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func chineseFiles(t *testing.T) []string {
	t.Helper()
	files, err := chinese(root)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNoChineseTextIsStale(t *testing.T) {
	for _, file := range chineseFiles(t) {
		marks, err := marksIn(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range marks {
			if reason := m.stale(); reason != "" {
				t.Errorf("%s:%d: %s; go run ./tests/languages shows the change", file, m.line, reason)
			}
		}
	}
}

// TestCheckoutCalledZh: the name of the folder of the checkout makes no page Chinese.
func TestCheckoutCalledZh(t *testing.T) {
	checkout := filepath.Join(t.TempDir(), "zh")
	for _, name := range []string{"README.md", "README.zh.md", "notebooks/README.md", "notebooks/zh/1.md", "bin/html/zh/2.md"} {
		file := filepath.Join(checkout, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := chinese(checkout)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(checkout, "README.zh.md"), filepath.Join(checkout, "notebooks", "zh", "1.md")}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPagesHaveBothLanguages: each page links to the other near its top, and the Chinese one has
// a mark, the same headings, the same Go code and the same commands.
func TestPagesHaveBothLanguages(t *testing.T) {
	for _, page := range siblings() {
		english := filepath.Join(root, page)
		sibling := strings.TrimSuffix(english, ".md") + ".zh.md"
		if _, err := os.Stat(sibling); err != nil {
			t.Errorf("%s has no Chinese sibling", page)
			continue
		}
		source, text := read(t, english), read(t, sibling)
		base := filepath.Base(english)
		if want := "English | [简体中文](" + filepath.Base(sibling) + ")\n"; !strings.Contains(top(source), want) {
			t.Errorf("%s: the first lines lack %q", english, want)
		}
		if want := "[English](" + base + ") | 简体中文\n"; !strings.Contains(top(text), want) {
			t.Errorf("%s: the first lines lack %q", sibling, want)
		}
		marks, err := marksIn(sibling)
		if err != nil {
			t.Fatal(err)
		}
		if len(marks) != 1 || filepath.Base(marks[0].source) != base || marks[0].part != "" {
			t.Errorf("%s needs one mark, <!-- source: %s -->", sibling, base)
		}
		if e, c := headings(source), headings(text); !slices.Equal(e, c) {
			t.Errorf("%s has headings of the levels %v, %s of %v", english, e, sibling, c)
		}
		chinese := blocks(text)
		for _, block := range blocks(source) {
			if isCode(block) && !slices.Contains(chinese, block) {
				t.Errorf("%s lacks this code of %s:\n%s", sibling, base, block)
			}
		}
	}
}

// TestTitles: an exercise has one title in each language, in its task and in the command.
func TestTitles(t *testing.T) {
	entries, err := words.Entries(words.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	titles := map[string]string{}
	for _, entry := range entries {
		if entry.Context == words.Title {
			titles[entry.English] = entry.Text
		}
	}
	for _, exercise := range exercises.All() {
		for page, title := range map[string]string{"README.md": exercise.Title, "README.zh.md": titles[exercise.Title]} {
			file := filepath.Join(root, exercises.Folder, exercise.Name, page)
			if want := "# " + title + "\n"; !strings.Contains(top(read(t, file)), want) {
				t.Errorf("%s does not have the title %q, which the command prints", file, title)
			}
		}
	}
}

// TestChinesePagesHaveASource: a Chinese page beside an English one must be in the list above.
func TestChinesePagesHaveASource(t *testing.T) {
	listed := siblings()
	for _, file := range chineseFiles(t) {
		english, ok := strings.CutSuffix(file, ".zh.md")
		if !ok {
			continue
		}
		name, err := filepath.Rel(root, english+".md")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(english + ".md"); err == nil && !slices.Contains(listed, filepath.ToSlash(name)) {
			t.Errorf("%s has a Chinese sibling: add it to pages", name)
		}
	}
}

var heading = regexp.MustCompile(`^(#+) (.*)`)

// headings returns the levels of the headings of a page.
func headings(page string) []int {
	var levels []int
	outside(page, func(line string) {
		if m := heading.FindStringSubmatch(line); m != nil {
			levels = append(levels, len(m[1]))
		}
	})
	return levels
}

// outside calls visit with each line outside of code blocks.
func outside(page string, visit func(line string)) {
	inFence := false
	for line := range strings.Lines(page) {
		if fence.MatchString(line) {
			inFence = !inFence
		} else if !inFence {
			visit(line)
		}
	}
}

// top returns the first lines of a page.
func top(page string) string {
	lines := strings.SplitAfterN(page, "\n", 7)
	return strings.Join(lines[:min(6, len(lines))], "")
}

var codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")

func blocks(page string) []string { return codeBlock.FindAllString(page, -1) }

// isCode reports whether a block is Go code or a command, which need no translation, unless it
// has comments. Other blocks, such as diagrams, may have words.
func isCode(block string) bool {
	_, body, _ := strings.Cut(block, "\n")
	return (strings.HasPrefix(block, "```go\n") || strings.HasPrefix(body, "go ") || strings.HasPrefix(body, "git ")) &&
		!strings.Contains(body, "//") && !strings.Contains(body, "# ")
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinksInChinesePages: they lead to files and headings that exist, and to the Chinese page
// where there is one.
func TestLinksInChinesePages(t *testing.T) {
	for _, file := range chineseFiles(t) {
		outside(read(t, file), func(line string) {
			if strings.HasPrefix(line, "[English](") {
				return
			}
			for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, "x"), -1) {
				name, anchor, _ := strings.Cut(m[1], "#")
				if strings.Contains(name, "://") || strings.HasPrefix(name, "mailto:") {
					continue
				}
				target := file
				if name != "" {
					target = filepath.Join(filepath.Dir(file), filepath.FromSlash(name))
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s links to %s, which does not exist", file, m[1])
					continue
				}
				for _, sibling := range []string{
					strings.TrimSuffix(target, ".md") + ".zh.md",
					filepath.Join(filepath.Dir(target), "zh", filepath.Base(target)), // of a notebook
				} {
					if _, err := os.Stat(sibling); err == nil {
						t.Errorf("%s links to %s; its Chinese sibling is %s", file, m[1], sibling)
					}
				}
				if anchor != "" && filepath.Ext(target) == ".md" && !slices.Contains(anchors(read(t, target)), anchor) {
					t.Errorf("%s links to %s, which has no such heading; it has %v", file, m[1], anchors(read(t, target)))
				}
			}
		})
	}
}

// TestProgramOfTheArticle runs the Go program that lesson/ARTICLE.zh.md shows beside PyTorch's, on
// small data and with small weights, which are at hand.
func TestProgramOfTheArticle(t *testing.T) {
	if testing.Short() {
		t.Skip("it trains")
	}
	program := ""
	for _, block := range blocks(read(t, filepath.Join(root, "lesson/ARTICLE.zh.md"))) {
		if body, ok := strings.CutPrefix(block, "```go\npackage main\n"); ok {
			program = "package main\n" + strings.TrimSuffix(body, "```")
		}
	}
	dir := t.TempDir()
	small, err := filepath.Abs(filepath.Join(root, "lesson/recorded/cifar10-jpeg-24-epochs/resnet20/weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`backend.New("auto")`, `backend.New("cpu")`},
		{`datasource.CIFAR10, datasource.Options{}`, `datasource.Builtin, datasource.Options{Subset: "128,50"}`},
		{`Report: reporter{},`, `Report: reporter{}, LogEvery: 2,`},
		{`"resnet50"`, strconv.Quote(small)},
		{`"runs/article"`, strconv.Quote(filepath.Join(dir, "run"))},
	} {
		if strings.Count(program, change[0]) != 1 {
			t.Fatalf("the program does not have %s once:\n%s", change[0], program)
		}
		program = strings.Replace(program, change[0], change[1], 1)
	}
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "run", file)
	run.Dir = root
	output, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, output)
	}
	lines := regexp.MustCompile(`(?m)^Epoch \[\d+/10\], Step \[2/2\], Loss: \d\.\d{4}$`).FindAllString(string(output), -1)
	if len(lines) != 10 || !regexp.MustCompile(`(?m)^Test Accuracy: \d+\.\d\d%$`).Match(output) {
		t.Errorf("the output lacks the ten lines of loss, or that of the accuracy:\n%s", output)
	}
}

// anchors returns the names under which GitHub links to the headings of a page.
func anchors(page string) []string {
	var names []string
	outside(page, func(line string) {
		if m := heading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			names = append(names, strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
					return unicode.ToLower(r)
				}
				return -1
			}, strings.ReplaceAll(m[2], "`", "")))
		}
	})
	return names
}

func TestTypography(t *testing.T) {
	for _, file := range chineseFiles(t) {
		for _, l := range lapses(read(t, file)) {
			t.Errorf("%s:%d: %s", file, l.line, l.about)
		}
	}
}

func TestLapses(t *testing.T) {
	for text, lines := range map[string][]int{
		"训练 10 轮，用 Go 写。":                  nil,
		"训练10 轮":                           {1},
		"准确率 84.0%的网络":                     {1},
		"用 `model.Exec`执行":                 {1},
		"用 **Go** 写，见[第 3 章](a.md)。":       nil,
		"完成,继续":                            {1},
		"完成.":                              {1},
		"残差块 (residual block)":             {1},
		"残差块（residual block）":              nil,
		"好 。":                              {1},
		"他说\"好\"":                          {1},
		"第一行，\n第二行":                        {2},
		"第一段。\n\n第二段":                      nil,
		"# 标题\n正文":                         nil,
		"| 左 | 右。 |\n| 上， | 下 |":           nil,
		"```\n训练10轮, 好\n```\n好":            nil,
		"<!-- source: 甲.md -->\n正文":        nil,
		"* 一项。\n* 又一项。":                    nil,
		"网络 f(x) 的输出是 [batch, 10]，γ = 0。":  nil,
		"γ变成 0":                            {1},
		"目标 $f^*$，镜像 $-f^*$。":              nil,
		"**好。**再来":                         {1},
		"**好**。再来，*都*好，**`x`** 也好":         nil,
		"是**“好”**的":                        {1},
		"请您 看":                             {1, 1},
		"等等...":                            {1},
		"等于 (1 + 2)/3，由 Veit 等人 (2016) 得到": {1},
		"就是 (1 + 2)/3":                     nil,
		"见图 (第 3 章)":                       {1},
		"> ```\n> 训练：   好\n> ```":          nil,
		"“恒等映射”是对的；《深度学习》也是。":                nil,
		"- 第一项\n  接着写":                       {2},
		"见 `a`，`b` 和 `c`：`d`。":               nil,
		"16 倍（8×8 像素）":                       nil,
		"$x$ 是输入，\n\n    y = 2·x 是中间的公式(这里)": nil,
	} {
		var got []int
		for _, l := range lapses(text) {
			got = append(got, l.line)
		}
		if !slices.Equal(got, lines) {
			t.Errorf("%q: lapses in lines %v, want %v: %v", text, got, lines, lapses(text))
		}
	}
}

// TestCommit finds the commit that has the source as it was when the text was stamped.
func TestCommit(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		command := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		command.Dir = dir
		if output, err := command.CombinedOutput(); err != nil {
			t.Skipf("git: %v: %s", err, output)
		}
	}
	source := filepath.Join(dir, "a.md")
	git("init", "-q")
	var sums []string
	for _, text := range []string{"one\n", "two\n", "three\n"} {
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git("add", "a.md")
		git("commit", "-q", "-m", text)
		sum, err := checksum(source, "")
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	log := exec.Command("git", "log", "--reverse", "--format=%h")
	log.Dir = dir
	output, err := log.Output()
	if err != nil {
		t.Fatal(err)
	}
	commits := strings.Fields(string(output))
	for i, sum := range sums {
		if got := (mark{source: source, sum: sum}).commit(); got != commits[i] {
			t.Errorf("version %d: commit %q, want %q", i, got, commits[i])
		}
	}
	if got := (mark{source: source, sum: "0123456789abcdef"}).commit(); got != "" {
		t.Errorf("a text that was never committed: commit %q", got)
	}
}

// TestStamp follows a text from its first stamp through a change of each kind of source.
func TestStamp(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	stale := func(file string) []string {
		marks, err := marksIn(file)
		if err != nil {
			t.Fatal(err)
		}
		var reasons []string
		for _, m := range marks {
			if reason := m.stale(); reason != "" {
				reasons = append(reasons, reason)
			}
		}
		return reasons
	}
	expect := func(file string, want ...string) {
		t.Helper()
		if got := stale(file); !slices.Equal(got, want) {
			t.Errorf("stale: %q, want %q", got, want)
		}
	}
	mustStamp := func(file, part string) {
		t.Helper()
		if err := stamp(file, part); err != nil {
			t.Fatal(err)
		}
	}

	write("a.md", "# A\n")
	page := write("a.zh.md", "<!-- source: a.md -->\n# 甲\n")
	expect(page, "not stamped yet: a.md")
	mustStamp(page, "")
	expect(page)
	write("a.md", "# A\r\n")
	expect(page)
	write("a.md", "# B\n")
	expect(page, "a.md was changed after this text")
	mustStamp(page, "")
	expect(page)
	if text := read(t, page); !strings.HasSuffix(text, " -->\n# 甲\n") {
		t.Errorf("stamping changed the text: %q", text)
	}

	cells := func(first, second string) {
		write("n.ipynb", `{"cells": [{"id": "cell-1", "source": ["`+first+`"]}, {"id": "cell-2", "source": ["`+second+`"]}]}`)
	}
	cells("one", "two")
	parts := write("parts.zh.md", "<!-- source: n.ipynb#cell-1 -->\n一\n<!-- source: n.ipynb#cell-2 -->\n二\n<!-- source: n.ipynb#cell-3 -->\n三\n")
	missing := filepath.Join(dir, "n.ipynb") + " has no cell cell-3"
	if err := stamp(parts, ""); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("stamping a cell that is missing: %v, want %s", err, missing)
	}
	mustStamp(parts, "cell-1")
	mustStamp(parts, "cell-2")
	expect(parts, missing)
	cells("one", "2")
	expect(parts, "n.ipynb#cell-2 was changed after this text", missing)
	mustStamp(parts, "cell-2")
	expect(parts, missing)

	if err := stamp(write("b.zh.md", "# 乙\n"), ""); err == nil {
		t.Error("a file without a mark was stamped")
	}
	if err := stamp(page, "cell-9"); err == nil {
		t.Error("a part that the file does not have was stamped")
	}
}
