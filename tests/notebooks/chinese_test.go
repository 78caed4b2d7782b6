package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/notebook/origin"
)

const englishNotebook = `{"cells": [
 {"cell_type": "markdown", "id": "cell-01", "metadata": {}, "source": ["# 1. A title\n", "\n", "Text."]},
 {"cell_type": "code", "id": "cell-02", "metadata": {}, "execution_count": 1, "source": ["// says hello\n", "fmt.Println(\"hello, \", name)\n", "partial(\"part\")"],
  "outputs": [{"output_type": "stream", "name": "stdout", "text": ["hello, Ada\n"]},
   {"output_type": "display_data", "data": {"text/html": "<td>hello, Ada</td><th>part</th><td>a part</td>"}},
   {"output_type": "display_data", "data": {"text/html": "<img src=\"data:image/png;base64,hello, \">"}}]},
 {"cell_type": "code", "id": "cell-03", "metadata": {}, "execution_count": 2, "source": ["x := 1"], "outputs": []}
], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}`

func TestTranslated(t *testing.T) {
	const prose = "<!-- source: ../1-x.ipynb#cell-01 sha256:0123456789abcdef -->\n# 1. 标题\n\n正文。\n\n" +
		"<!-- source: ../1-x.ipynb#cell-02 -->\n- `says hello` → `打招呼`\n- `hello, ` → `你好，`\n- `\"part\"` → `\"部分\"`\n"
	content, err := translated([]byte(englishNotebook), prose, "1-x.ipynb", nil)
	if err != nil {
		t.Fatal(err)
	}
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		t.Fatal(err)
	}
	got := []string{string(n.Cells[0].Source), string(n.Cells[1].Source), string(n.Cells[1].Outputs[0].Text),
		string(n.Cells[1].Outputs[1].Data["text/html"]), string(n.Cells[1].Outputs[2].Data["text/html"]), string(n.Cells[2].Source)}
	want := []string{"# 1. 标题\n\n正文。", "// 打招呼\nfmt.Println(\"你好，\", name)\npartial(\"部分\")", "你好，Ada\n",
		"<td>你好，Ada</td><th>部分</th><td>a part</td>", `<img src="data:image/png;base64,hello, ">`, "x := 1"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}

	for prose, want := range map[string]string{
		"<!-- source: ../1-x.ipynb#cell-01 -->\nx\n<!-- source: ../1-x.ipynb#cell-02 -->\n- `%s of %d` → `%d 中的 %s`": "has other verbs",
		"Text.": "no mark",
		"<!-- source: ../2-y.ipynb#cell-01 -->\nx":                                                            "names 2-y.ipynb",
		"<!-- source: ../1-x.ipynb#cell-01 -->\nx\n<!-- source: ../1-x.ipynb#cell-01 -->\nx":                  "two texts",
		"<!-- source: ../1-x.ipynb#cell-02 -->\n- `hello` → `你好`":                                             "cell-01 has no Chinese text",
		"<!-- source: ../1-x.ipynb#cell-01 -->\nx\n<!-- source: ../1-x.ipynb#cell-09 -->\nx":                  "no cell cell-09",
		"<!-- source: ../1-x.ipynb#cell-01 -->\nx\n<!-- source: ../1-x.ipynb#cell-02 -->\n- `goodbye` → `再见`": "does not contain",
		"<!-- source: ../1-x.ipynb#cell-01 -->\nx\n<!-- source: ../1-x.ipynb#cell-02 -->\nhello becomes 你好":   "is no replacement",
	} {
		if _, err := translated([]byte(englishNotebook), prose, "1-x.ipynb", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one that says %q", prose, err, want)
		}
	}
}

// TestWordsOnlyPrinted: a word of an output that the code has from elsewhere may be replaced too.
func TestWordsOnlyPrinted(t *testing.T) {
	cell := map[string]any{"source": "fmt.Println(name())", "outputs": []any{map[string]any{"text": "+ augmentation\n"}}}
	if err := replaceIn(cell, []replacement{{"augmentation", "数据增强"}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	output, _ := cell["outputs"].([]any)[0].(map[string]any)
	if got := joined(output["text"]); got != "+ 数据增强\n" {
		t.Errorf("the cell prints %q", got)
	}
}

func TestPrinted(t *testing.T) {
	words := []replacement{{"found: %d of %d", "找到 %d 个，共 %d 个"}, {"step %d: loss %.2f", "第 %d 步：损失 %.2f"}, {`"depth"`, `"深度"`}, {"never", "从未"}, {"right: %.1f%% of %s", "答对：%.1f%%，属于 %s"}}
	earlier := []replacement{{"rate %g", "学习率 %g"}, {"error", "误差"}, {"%s: %d points", "%s：%d 个点"}}
	for text, want := range map[string]string{
		"step 10: loss 0.25\nstep 20: loss 0.12\n":         "第 10 步：损失 0.25\n第 20 步：损失 0.12\n",
		"plain56: 169 points\n":                            "plain56：169 个点\n",
		"found: 77 of 90\n":                                "找到 77 个，共 90 个\n",
		"<td>a constant rate of 0.1</td><td>rate 0.1</td>": "<td>a constant rate of 0.1</td><td>学习率 0.1</td>",
		"right: 5.0% of frogs\n":                           "答对：5.0%，属于 frogs\n",
		"<th>depth</th><td>error-by-depth</td>":            "<th>深度</th><td>error-by-depth</td>",
		"<th>error</th><td>never, 2</td>":                  "<th>误差</th><td>从未, 2</td>",
	} {
		if got := printed(text, words, earlier); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestTable: a table has the Chinese words for what the course's packages write into it.
func TestTable(t *testing.T) {
	const page = `<tr><th style="text-align:left">validation accuracy</th><td>−1.7 points, not kept</td><td>ship</td></tr>`
	if got, want := joined(table(page)), `<tr><th style="text-align:left">验证准确率</th><td>−1.7 百分点，没有保留</td><td>ship</td></tr>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if stored := any([]any{"<td>ship</td>"}); joined(table(stored)) != "<td>ship</td>" {
		t.Error("a table of names is changed")
	}
}

// dot returns a PNG file with one pixel of that grey.
func dot(t *testing.T, grey byte) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 1, 1))
	img.Pix[0] = grey
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestChineseFigures: figures are replaced by those that are marked as their translations, and no others.
func TestChineseFigures(t *testing.T) {
	english, other := dot(t, 1), dot(t, 2)
	chinese, err := origin.Mark(dot(t, 3), english)
	if err != nil {
		t.Fatal(err)
	}
	base := base64.StdEncoding.EncodeToString
	const prose = "<!-- source: ../1-x.ipynb#cell-01 -->\n- `x` → `x`\n"
	page := `<b>plain20</b> <span>epoch 1 of 2, 3s left · a note</span><img alt="four networks: training loss by epoch" src="data:image/png;base64,`
	cells, err := json.Marshal(map[string]any{"cells": []any{map[string]any{"cell_type": "code", "id": "cell-01", "source": "x", "outputs": []any{
		map[string]any{"data": map[string]any{"image/png": base(english)}}, map[string]any{"data": map[string]any{"image/png": base(other)}},
		map[string]any{"data": map[string]any{"text/html": page + base(english) + `">`}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	figures := translations{}
	figures.add(chinese)
	figures.add(dot(t, 4)) // not marked
	content, err := translated(cells, prose, "1-x.ipynb", figures)
	if err != nil {
		t.Fatal(err)
	}
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		t.Fatal(err)
	}
	if got, want := n.images(), []string{base(chinese), base(other), base(chinese)}; !slices.Equal(got, want) {
		t.Errorf("figures %q, want %q", got, want)
	}
	if got := string(n.Cells[0].Outputs[2].Data["text/html"]); !strings.HasPrefix(got,
		`<b>plain20</b> <span>第 1 轮，共 2 轮，还要 3s · a note</span><img alt="four networks：训练损失随轮数的变化" src="`) {
		t.Errorf("the display is %s", got)
	}

	path := filepath.Join(t.TempDir(), "1-x.ipynb")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := figuresIn(path)
	if err != nil || len(again) != 1 || !bytes.Equal(again[origin.Sum(english)], chinese) {
		t.Errorf("the notebook has the Chinese figures %q (%v), want one", again, err)
	}
	if err := sameFigure(base(chinese), writeFile(t, english)); err != nil {
		t.Error(err)
	}
	if err := sameFigure(base(chinese), writeFile(t, other)); err == nil {
		t.Error("a translation of another figure passes as the same figure")
	}
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "figure.png")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// chineseCourse returns the course and the paths of its files of Chinese prose.
func chineseCourse(t *testing.T) (*course, []string) {
	t.Helper()
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := c.chineseNotebooks()
	if err != nil {
		t.Fatal(err)
	}
	return c, paths
}

// TestFiguresAreChinese: the Chinese notebooks show Chinese figures.
func TestFiguresAreChinese(t *testing.T) {
	_, paths := chineseCourse(t)
	for _, prose := range paths {
		name := filepath.Base(notebookOf(prose))
		content, err := os.ReadFile(notebookOf(prose))
		if err != nil {
			continue // TestChineseNotebooks complains
		}
		var n notebook
		if err := json.Unmarshal(content, &n); err != nil {
			t.Fatal(err)
		}
		var english []int
		for i, encoded := range n.images() {
			figure, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if origin.Of(figure) == "" {
				english = append(english, i+1)
			}
		}
		if len(english) > 0 {
			t.Errorf("of the figures of notebooks/zh/%s, those at %v are English; run: go run ./tests/notebooks execute %s; go run ./tests/notebooks zh", name, english, name[:1])
		}
	}
}

// TestChineseNotebooks: the committed Chinese notebooks are what writeChinese makes of today's English ones.
func TestChineseNotebooks(t *testing.T) {
	c, paths := chineseCourse(t)
	english, err := filepath.Glob(c.path("notebooks", "[1-9]-*.ipynb"))
	if err != nil || len(english) == 0 {
		t.Fatalf("there are no notebooks (%v)", err)
	}
	for _, path := range english {
		if prose := c.path("notebooks", "zh", strings.TrimSuffix(filepath.Base(path), ".ipynb")+".md"); !slices.Contains(paths, prose) {
			t.Errorf("%s has no Chinese text: there is no %s", filepath.Base(path), prose)
		}
	}
	for _, prose := range paths {
		figures, err := figuresIn(notebookOf(prose))
		if err != nil {
			t.Error(err)
		}
		want, err := chinese(prose, figures)
		if err != nil {
			t.Error(err)
			continue
		}
		name := filepath.Base(notebookOf(prose))
		got, err := os.ReadFile(notebookOf(prose))
		if err != nil {
			t.Errorf("%v; run: go run ./tests/notebooks zh", err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("notebooks/zh/%s is not what its text and the English notebook make; run: go run ./tests/notebooks zh", name)
		}
		for _, problem := range problems(got, "zh/"+name, c.root) {
			t.Errorf("notebooks/zh/%s: %s", name, problem)
		}
		for _, link := range brokenLinks(got, filepath.Dir(prose)) {
			t.Errorf("notebooks/zh/%s links to %s, which does not exist", name, link)
		}
	}
}

// TestReadmeFigures: the figures of README.zh.md are those of README.md with Chinese words.
func TestReadmeFigures(t *testing.T) {
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(c.path("README.zh.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(c.path("figures", "*"+chineseSuffix))
	if err != nil || len(paths) == 0 {
		t.Fatalf("figures: %q (%v), want some", paths, err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		english, err := os.ReadFile(strings.TrimSuffix(path, chineseSuffix) + ".png")
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		if origin.Of(content) != origin.Sum(english) {
			t.Errorf("figures/%s is not a translation of the English figure; run make figures if it is of make lesson, and go run ./tests/notebooks zh", name)
		}
		if !strings.Contains(string(page), "](figures/"+name+")") {
			t.Errorf("README.zh.md does not show figures/%s", name)
		}
	}
}

// TestWriteReadmeFigures: a figure of a notebook is taken from there, one of a command from figures/zh.
func TestWriteReadmeFigures(t *testing.T) {
	c := &course{root: t.TempDir()}
	if err := os.MkdirAll(c.path("figures", "zh"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{"figures/a.png": dot(t, 1), "figures/a.zh.png": dot(t, 2), "figures/b.png": dot(t, 3),
		"figures/b.zh.png": dot(t, 4), "figures/c.png": dot(t, 5), "figures/c.zh.png": dot(t, 6), "figures/zh/b.png": dot(t, 7)} {
		if err := os.WriteFile(c.path(path), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ofNotebook, err := origin.Mark(dot(t, 8), dot(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	ofCommand, err := origin.Mark(dot(t, 7), dot(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	figures := translations{}
	figures.add(ofNotebook)
	if err := c.writeReadmeFigures(figures); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"a": ofNotebook, "b": ofCommand, "c": dot(t, 6)} {
		if got, err := os.ReadFile(c.path("figures", name+chineseSuffix)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("figures/%s%s: %v, or it is another figure", name, chineseSuffix, err)
		}
	}
}
