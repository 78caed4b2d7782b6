package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	nb "github.com/residual-go/residual/lesson/notebook"
	"github.com/residual-go/residual/lesson/notebook/origin"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/atomicfile"
)

// The Chinese notebooks have the code and the outputs of the English ones, and prose of their own,
// which is in notebooks/zh: for 3-block.ipynb in 3-block.md. Before the text of each cell stands a
// mark, with which package languages finds texts that are older than the English ones:
//
//	<!-- source: ../3-block.ipynb#cell-07 sha256:0123456789abcdef -->
//
// The text of a code cell is a list of the comments and printed words in it that have other words
// in Chinese. They are replaced in the outputs too, also where they are a format; formats and cells
// of tables also in the outputs of later cells. Words in quotation marks are replaced in an output
// only where they fill a cell of a table:
//
//	- `English words` → `中文`
//	- `step %d: loss %.2f` → `第 %d 步：损失 %.2f`
//	- `"depth"` → `"深度"`
//
// A word that the code only prints, such as the name of a run, may be in the list as well. The Chinese words of
// what the course's packages print and put into tables are in package words.
//
// Figures have been drawn with these words, and those of package words, when the English notebook was run:
// package lesson/notebook has put them into figures/zh, each marked with the checksum of the English one.
// They take the places of the English ones, and writeChinese removes the files. A figure that was not
// redrawn stays as it is in the Chinese notebook or, if that does not have it yet, stays English.
// The figures of README.zh.md are written along with them (readme.go).

// chineseNotebooks returns the paths of the files of prose, in order.
func (c *course) chineseNotebooks() ([]string, error) {
	return filepath.Glob(c.path("notebooks", "zh", "[1-9]-*.md"))
}

// writeChinese writes all Chinese notebooks. If it cannot make one of them, it still writes the others.
func (c *course) writeChinese() error {
	paths, err := c.chineseNotebooks()
	if err != nil {
		return err
	}
	drawn, err := filepath.Glob(c.path(nb.Figures(words.Chinese), "*.png"))
	if err != nil {
		return err
	}
	fresh := translations{}
	for _, path := range drawn {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a Chinese figure: %w", err)
		}
		fresh.add(content)
	}
	shown := translations{}
	var problems []error
	for _, prose := range paths {
		figures, err := figuresIn(notebookOf(prose))
		if err != nil {
			return err
		}
		maps.Copy(figures, fresh)
		content, err := chinese(prose, figures)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		to := notebookOf(prose)
		if err := atomicfile.WriteBytes(to, content); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Base(to), err)
		}
		fmt.Println("notebooks/zh/" + filepath.Base(to))
		now, err := figuresIn(to)
		if err != nil {
			return err
		}
		maps.Copy(shown, now)
	}
	if err := c.writeReadmeFigures(shown); err != nil {
		problems = append(problems, err)
	}
	for _, path := range drawn {
		if content, err := os.ReadFile(path); err == nil && shown[origin.Of(content)] != nil {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove a Chinese figure that is in its notebook now: %w", err)
			}
		}
	}
	return errors.Join(problems...)
}

// translations are Chinese figures, by the checksums of the English ones.
type translations map[string][]byte

// add adds a figure if it is marked as a Chinese one.
func (t translations) add(png []byte) {
	if english := origin.Of(png); english != "" {
		t[english] = png
	}
}

// embedded matches a PNG in a page.
var embedded = regexp.MustCompile(`data:image/png;base64,([A-Za-z0-9+/=]+)`)

// figuresIn returns the Chinese figures in a notebook, which may not exist yet.
func figuresIn(path string) (translations, error) {
	figures := translations{}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return figures, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the Chinese notebook: %w", err)
	}
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	for _, encoded := range n.images() {
		png, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("read a figure of %s: %w", filepath.Base(path), err)
		}
		figures.add(png)
	}
	return figures, nil
}

// of returns the Chinese figure in place of an English one, both in base64, or the English one.
func (t translations) of(english string) string {
	png, err := base64.StdEncoding.DecodeString(strings.TrimSpace(english))
	if err != nil {
		return english
	}
	if chinese := t[origin.Sum(png)]; chinese != nil {
		return base64.StdEncoding.EncodeToString(chinese)
	}
	return english
}

// notebookOf returns the path of the notebook made with a file of prose.
func notebookOf(prose string) string { return strings.TrimSuffix(prose, ".md") + ".ipynb" }

// chinese returns the notebook that is made from a file of prose, the English notebook and Chinese figures.
func chinese(prose string, figures translations) ([]byte, error) {
	name := filepath.Base(notebookOf(prose))
	english, err := os.ReadFile(filepath.Join(filepath.Dir(prose), "..", name))
	if err != nil {
		return nil, fmt.Errorf("read the English notebook: %w", err)
	}
	text, err := os.ReadFile(prose)
	if err != nil {
		return nil, fmt.Errorf("read the Chinese text: %w", err)
	}
	content, err := translated(english, string(text), name, figures)
	if err != nil {
		return nil, fmt.Errorf("notebooks/zh/%s: %w", filepath.Base(prose), err)
	}
	return content, nil
}

// cellMark matches the mark of a cell.
var cellMark = regexp.MustCompile(`(?m)^<!-- source: \.\./(\S+\.ipynb)#(\S+?)(?: sha256:[0-9a-f]+)? -->\n`)

// sections returns the texts in a file of prose, by the id of the cell.
func sections(prose, notebook string) (map[string]string, error) {
	marks := cellMark.FindAllStringSubmatchIndex(prose, -1)
	texts := map[string]string{}
	for i, m := range marks {
		end := len(prose)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		source, id := prose[m[2]:m[3]], prose[m[4]:m[5]]
		switch _, twice := texts[id]; {
		case source != notebook:
			return nil, fmt.Errorf("the mark of %s names %s, want %s", id, source, notebook)
		case twice:
			return nil, fmt.Errorf("%s has two texts", id)
		}
		texts[id] = strings.TrimSpace(prose[m[1]:end])
	}
	if len(marks) == 0 {
		return nil, errors.New("it has no mark of a cell")
	}
	return texts, nil
}

// translated returns a notebook with other prose and figures.
func translated(english []byte, prose, name string, figures translations) ([]byte, error) {
	texts, err := sections(prose, name)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(english))
	decoder.UseNumber()
	var n map[string]any
	if err := decoder.Decode(&n); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	cells, _ := n["cells"].([]any)
	var earlier []replacement
	for _, entry := range cells {
		cell, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s has a cell that is none", name)
		}
		id, _ := cell["id"].(string)
		text, found := texts[id]
		delete(texts, id)
		if cell["cell_type"] == "markdown" {
			if text == "" {
				return nil, fmt.Errorf("%s has no Chinese text", id)
			}
			cell["source"] = lines(text)
			continue
		}
		var list []replacement
		if found {
			if list, err = replacements(text); err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
		}
		if err := replaceIn(cell, list, earlier, figures); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		earlier = append(earlier, list...)
	}
	if len(texts) > 0 {
		return nil, fmt.Errorf("%s has no cell %s", name, slices.Sorted(maps.Keys(texts))[0])
	}
	return marshalNotebook(n)
}

// replacement is words and their translation.
type replacement struct{ from, to string }

// replacements reads the text of a code cell. Longer words come first, since they may contain others.
func replacements(text string) ([]replacement, error) {
	var list []replacement
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p, ok := words.ReadPhrase(line)
		if !ok {
			return nil, fmt.Errorf("%q is no replacement; write: - `English` → `中文`", line)
		}
		if verbs := verb.FindAllString(p.English, -1); !slices.Equal(verbs, verb.FindAllString(p.Text, -1)) {
			return nil, fmt.Errorf("%q has other verbs than %q; keep %s in this order", p.Text, p.English, strings.Join(verbs, " "))
		}
		list = append(list, replacement{p.English, p.Text})
	}
	slices.SortStableFunc(list, func(a, b replacement) int { return len(b.from) - len(a.from) })
	return list, nil
}

// replaceIn translates words in the source of a code cell and in its outputs. earlier are the words
// of the cells before it.
func replaceIn(cell map[string]any, list, earlier []replacement, figures translations) error {
	source := joined(cell["source"])
	outputs, _ := cell["outputs"].([]any)
	var printed strings.Builder
	for _, entry := range outputs {
		output, _ := entry.(map[string]any)
		printed.WriteString(joined(output["text"]))
	}
	var pairs []string
	for _, w := range list {
		if !strings.Contains(source, w.from) && !strings.Contains(printed.String(), w.from) {
			return fmt.Errorf("its code does not contain %q, and it does not print it", w.from)
		}
		pairs = append(pairs, w.from, w.to)
	}
	if len(list) > 0 {
		cell["source"] = lines(strings.NewReplacer(pairs...).Replace(source))
	}
	for _, entry := range outputs {
		output, _ := entry.(map[string]any)
		if text, ok := output["text"]; ok {
			output["text"] = sentences(replaced(text, list, earlier))
		}
		data, _ := output["data"].(map[string]any)
		switch page := joined(data["text/html"]); {
		case strings.HasPrefix(page, nb.Display), strings.Contains(page, "base64,"):
			if chinese := figures.display(page, slices.Concat(list, earlier)); chinese != page {
				data["text/html"] = lines(chinese)
			}
		case page != "":
			data["text/html"] = table(replaced(data["text/html"], list, earlier))
		}
		if figure := joined(data["image/png"]); figure != "" {
			if chinese := figures.of(figure); chinese != figure {
				data["image/png"] = chinese
			}
		}
	}
	return nil
}

// sentences returns an output with the lines in Chinese that package notebook and the command print.
func sentences(stored any) any {
	text := joined(stored)
	var chinese strings.Builder
	for line := range strings.Lines(text) {
		chinese.WriteString(words.Chinese.Printed(line))
	}
	if chinese.String() != text {
		return lines(chinese.String())
	}
	return stored
}

// textIn matches the texts in a page: those between tags, and those in place of images.
var textIn = regexp.MustCompile(`(>|alt=")([^<>"]+)([<"])`)

// inChinese returns a page with its texts in Chinese, as far as package words, which has those of figures, or
// the further words have them.
func inChinese(page string, further []replacement) string {
	var phrases []words.Phrase
	for _, w := range further {
		phrases = append(phrases, words.Phrase{English: w.from, Text: w.to})
	}
	book := words.Chinese.NewPhrasebook(phrases...)
	return textIn.ReplaceAllStringFunc(page, func(s string) string {
		parts := textIn.FindStringSubmatch(s)
		return parts[1] + html.EscapeString(book.Translate(html.UnescapeString(parts[2]))) + parts[3]
	})
}

// table returns a table with the cells in Chinese that the course's packages have written, as [nb.Table] shows
// them in a Chinese notebook.
func table(stored any) any {
	page := joined(stored)
	if chinese := inChinese(page, nil); chinese != page {
		return lines(chinese)
	}
	return stored
}

// display returns what [nb.Live] has shown with Chinese words, those of the notebook and of package words, and
// Chinese curves.
func (t translations) display(page string, further []replacement) string {
	page = inChinese(page, further)
	return embedded.ReplaceAllStringFunc(page, func(s string) string {
		return "data:image/png;base64," + t.of(embedded.FindStringSubmatch(s)[1])
	})
}

// replaced returns an output with its words replaced, or as it is stored if it has none of them.
func replaced(stored any, words, earlier []replacement) any {
	text := joined(stored)
	if chinese := printed(text, words, earlier); chinese != text {
		return lines(chinese)
	}
	return stored
}

// verb matches the verbs of a format.
var verb = regexp.MustCompile(`%[-+#0]*[\d.]*[a-zA-Z]`)

// printed returns a text that a cell has printed with its words replaced. Formats are recognised by
// what stands between the verbs.
func printed(text string, words, earlier []replacement) string {
	inTable := func(s string) string { return ">" + html.EscapeString(unquoted(s)) + "<" }
	var pairs []string
	for _, w := range words {
		pairs = append(pairs, w.from, w.to)
		if unquoted(w.from) != w.from {
			pairs = append(pairs, inTable(w.from), inTable(w.to))
		}
	}
	for _, w := range earlier {
		pairs = append(pairs, inTable(w.from), inTable(w.to))
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	for _, w := range slices.Concat(words, earlier) { // functions of earlier cells print here too
		between := verb.Split(unquoted(w.from), -1)
		if len(between) == 1 {
			continue
		}
		for i := range between {
			between[i] = regexp.QuoteMeta(strings.ReplaceAll(between[i], "%%", "%"))
		}
		group := 0
		to := verb.ReplaceAllStringFunc(strings.ReplaceAll(unquoted(w.to), "$", "$$"), func(string) string {
			group++
			return fmt.Sprintf("${%d}", group)
		})
		to = strings.ReplaceAll(to, "%%", "%")
		pattern := between[0]
		for i, v := range verb.FindAllString(unquoted(w.from), -1) {
			switch {
			case !strings.HasSuffix(v, "s") && !strings.HasSuffix(v, "v"):
				pattern += `([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|NaN|[-+]?Inf)`
			case i+2 == len(between) && between[i+1] == "": // the format ends here: take all of the value
				pattern += `(\S+)`
			default:
				pattern += "(.+?)"
			}
			pattern += between[i+1]
		}
		text = regexp.MustCompile(pattern).ReplaceAllString(text, to)
	}
	return text
}

// unquoted returns words without the quotation marks around them.
func unquoted(s string) string {
	if len(s) < 3 || s[0] != '"' || s[len(s)-1] != '"' || strings.Contains(s[1:len(s)-1], `"`) {
		return s
	}
	return s[1 : len(s)-1]
}

// joined returns a text that a notebook file may store as a list of lines.
func joined(stored any) string {
	switch stored := stored.(type) {
	case string:
		return stored
	case []any:
		var b strings.Builder
		for _, line := range stored {
			s, _ := line.(string)
			b.WriteString(s)
		}
		return b.String()
	}
	return ""
}

// lines returns a text as Jupyter stores it.
func lines(text string) []any {
	list := []any{}
	for line := range strings.Lines(text) {
		list = append(list, line)
	}
	return list
}
