package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/notebook/origin"
)

// localPath matches paths of one machine: of homes, temporary folders and checkouts.
var localPath = regexp.MustCompile(`/(home|root|Users|tmp|var/folders|work|builds|github/workspace)/[^ "'<]*|[A-Z]:\\Users`)

// problems returns what is wrong with a notebook that is to be committed. Its figures must be
// in root. The names of Chinese notebooks begin with zh/.
func problems(content []byte, name, root string) []string {
	able, headings := "What you will be able to do after this notebook", []string{"\n## Exercise", "\n## What comes next"}
	name, isChinese := strings.CutPrefix(name, "zh/")
	if isChinese {
		able, headings = "学完这个笔记本，你能", []string{"\n## 练习", "\n## 接下来"}
	}
	var found []string
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		return []string{"not a notebook: " + err.Error()}
	}
	if n.Metadata.Kernel.Name != "gonb" {
		complain("its kernel is %q, want gonb", n.Metadata.Kernel.Name)
	}
	if lexer := n.Metadata.Language.Lexer; lexer != "go" {
		complain("its code is highlighted as %q, want go", lexer)
	}
	if len(n.Cells) == 0 {
		return append(found, "it has no cells")
	}
	if want := "# " + name[:1] + ". "; !strings.HasPrefix(string(n.Cells[0].Source), want) {
		complain("it does not begin with %q", want)
	}
	if !strings.Contains(string(n.Cells[0].Source), able) {
		complain("its first cell does not say what readers will be able to do")
	}
	executed, figures := 0, 0
	prose := ""
	for i, cell := range n.Cells {
		if path := localPath.FindString(string(cell.Source)); path != "" {
			complain("cell %d contains the local path %s", i+1, path)
		}
		if cell.Type != "code" {
			prose += string(cell.Source) + "\n"
			continue
		}
		executed++
		if cell.Count == nil || *cell.Count != executed {
			complain("cell %d was not run in order", i+1)
		}
		if runs(string(cell.Source)) && len(cell.Outputs) == 0 {
			complain("cell %d has no output", i+1)
		}
		for _, out := range cell.Outputs {
			switch {
			case out.Type == "error":
				complain("cell %d ended with an error: %.200s", i+1, out.Error)
			case out.Name == "stderr":
				complain("cell %d wrote to standard error: %.200s", i+1, out.Text)
			}
			if path := localPath.FindString(out.all()); path != "" {
				complain("the output of cell %d contains the local path %s", i+1, path)
			}
			if encoded, ok := out.Data["image/png"]; ok {
				figures++
				if err := sameFigure(string(encoded), filepath.Join(root, filepath.FromSlash(strings.TrimSpace(string(out.Data["text/plain"]))))); err != nil {
					complain("cell %d: %v", i+1, err)
				}
			}
		}
	}
	if figures == 0 {
		complain("it shows no figure")
	}
	for _, heading := range headings {
		if !strings.Contains(prose, heading) {
			complain("it has no heading %q", strings.TrimSpace(heading))
		}
	}
	return found
}

// runs reports whether a cell runs anything, that is, has more than declarations.
func runs(source string) bool {
	return strings.Contains(source, "\n%%") || strings.HasPrefix(source, "%%") || strings.Contains(source, "%test")
}

// sameFigure compares a figure in a notebook with its file, which may have other words.
func sameFigure(encoded, path string) error {
	shown, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return fmt.Errorf("its figure is not base64: %w", err)
	}
	if _, err := png.Decode(bytes.NewReader(shown)); err != nil {
		return fmt.Errorf("its figure is not a PNG: %w", err)
	}
	saved, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the file of its figure is missing: %w", err)
	}
	if !bytes.Equal(shown, saved) && origin.Of(shown) != origin.Sum(saved) {
		return fmt.Errorf("its figure differs from the one in %s", filepath.Base(path))
	}
	return nil
}

func TestCommittedNotebooks(t *testing.T) {
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := c.notebooks()
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 8 {
		t.Errorf("there are %d notebooks, want 8", len(paths))
	}
	for i, path := range paths {
		name := filepath.Base(path)
		if name[0] != byte('1'+i) {
			t.Errorf("notebook %d is called %s", i+1, name)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems(content, name, c.root) {
			t.Errorf("%s: %s; after a change, run: make course", name, problem)
		}
		for _, link := range brokenLinks(content, filepath.Dir(path)) {
			t.Errorf("%s links to %s, which does not exist", name, link)
		}
	}
}

// usedImages matches what a notebook prints about its images, and captures their name.
var usedImages = regexp.MustCompile(`Images: \d+ for training, \d+ for testing, from (CIFAR-10 \(JPEG\)|CIFAR-10|Shapes-10)`)

// TestReadmeNamesTheImages: the list of the notebooks says of which images the committed outputs are.
func TestReadmeNamesTheImages(t *testing.T) {
	c, err := findCourse()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := c.notebooks()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(c.path("notebooks", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var n notebook
		if err := json.Unmarshal(content, &n); err != nil {
			t.Fatal(err)
		}
		want := "no images"
		for _, cell := range n.Cells {
			for _, out := range cell.Outputs {
				if found := usedImages.FindStringSubmatch(string(out.Text)); found != nil {
					want = found[1]
				}
			}
		}
		for line := range strings.Lines(string(readme)) {
			if strings.Contains(line, "("+filepath.Base(path)+")") && !strings.Contains(line, "| "+want+" |") {
				t.Errorf("the outputs of %s are of %s, and its row in the README does not say so", filepath.Base(path), want)
			}
		}
	}
}

// links matches the targets of links in Markdown.
var links = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// brokenLinks returns the targets of a notebook's links to files that do not exist. The notebook
// is in dir.
func brokenLinks(content []byte, dir string) []string {
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		return nil
	}
	var broken []string
	for _, cell := range n.Cells {
		if cell.Type != "markdown" {
			continue
		}
		for _, link := range links.FindAllStringSubmatch(string(cell.Source), -1) {
			target := link[1]
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(target))); err != nil {
				broken = append(broken, target)
			}
		}
	}
	return broken
}

// TestProblemsAreFound checks that the tests above can fail: its notebook has every problem.
func TestProblemsAreFound(t *testing.T) {
	const broken = `{"cells":[
		{"cell_type":"markdown","source":["Hello, see [this](gone.md) in /home/me/notes"]},
		{"cell_type":"code","source":"%%\nfmt.Println()","execution_count":2,"outputs":[]},
		{"cell_type":"code","source":["var x int"],"execution_count":null,"outputs":[
			{"output_type":"error","evalue":"it broke"},
			{"output_type":"stream","name":"stderr","text":["warning from /home/x"]},
			{"output_type":"display_data","data":{"image/png":"bm90IGEgcG5n","text/plain":"figures/none.png"}}]}],
		"metadata":{"kernelspec":{"name":"python3"}}}`
	found := strings.Join(problems([]byte(broken), "3-x.ipynb", t.TempDir()), "\n")
	for _, want := range []string{
		`its kernel is "python3"`, `its code is highlighted as ""`, `does not begin with "# 3. "`, "will be able to do", "cell 1 contains the local path /home/me/notes",
		"cell 2 was not run in order", "cell 2 has no output", "cell 3 was not run in order", "cell 3 ended with an error: it broke",
		"cell 3 wrote to standard error", "the output of cell 3 contains the local path /home/x", "its figure is not a PNG",
		`no heading "## Exercise"`, `no heading "## What comes next"`,
	} {
		if !strings.Contains(found, want) {
			t.Errorf("not found: %s", want)
		}
	}
	if broken := brokenLinks([]byte(broken), t.TempDir()); len(broken) != 1 || broken[0] != "gone.md" {
		t.Errorf("broken links %v, want gone.md", broken)
	}

	const empty = `{"cells":[{"cell_type":"markdown","source":"# 3. X"}],"metadata":{"kernelspec":{"name":"gonb"}}}`
	if found := strings.Join(problems([]byte(empty), "3-x.ipynb", ""), "\n"); !strings.Contains(found, "it shows no figure") {
		t.Errorf("a notebook without a figure: found %q", found)
	}

	// A figure that differs from its file.
	dir := t.TempDir()
	dot := func() []byte {
		data, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}()
	path := filepath.Join(dir, "dot.png")
	if err := os.WriteFile(path, append(dot, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := sameFigure(base64.StdEncoding.EncodeToString(dot), path); err == nil || !strings.Contains(err.Error(), "differs from the one in dot.png") {
		t.Errorf("a figure that changed: error %v", err)
	}
}
