package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMoveLinks(t *testing.T) {
	for from, want := range map[string]string{
		`<a href="2-degradation.ipynb">`:           `<a href="2-degradation.html">`,
		`<a href="zh/2-degradation.ipynb">`:        `<a href="zh/2-degradation.html">`,
		`<a href="../2-degradation.ipynb">`:        `<a href="../2-degradation.html">`,
		`<a href="../lesson/x.go">`:                `<a href="../../lesson/x.go">`,
		`<a href="https://arxiv.org/abs/1.ipynb">`: `<a href="https://arxiv.org/abs/1.ipynb">`,
		`<a class="anchor-link" href="#Exercise">`: `<a class="anchor-link" href="#Exercise">`,
	} {
		if got := moveLinks(from); got != want {
			t.Errorf("%s becomes %s, want %s", from, got, want)
		}
	}
}

// detailsText matches a text that is shown at a click, after its summary.
var detailsText = regexp.MustCompile(`(?s)<details>.*?</summary>(.*?)</details>`)

// TestHTML checks that the exported pages have figures and no Markdown in texts shown at a click, need nothing from the network or from
// other folders of this machine, and have no broken links.
func TestHTML(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := ready(t, ctx)
	if err := c.html(ctx); err != nil {
		t.Fatal(err)
	}
	paths, err := c.notebooks()
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(c.path("bin", "html", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	chinese, err := c.chineseNotebooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, chinese...) {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + ".html"
		if filepath.Ext(path) == ".md" {
			name = "zh/" + name
		}
		content, err := os.ReadFile(c.path("bin", "html", name))
		if err != nil {
			t.Fatal(err)
		}
		page := string(content)
		if !strings.Contains(page, `src="data:image/png;base64,`) {
			t.Errorf("%s has no figure", name)
		}
		if strings.Contains(page, "file://") {
			t.Errorf("%s has a link to a file of this machine", name)
		}
		for _, link := range localLink.FindAllStringSubmatch(page, -1) {
			target := filepath.Join(c.path("bin", "html"), filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(link[1]+link[2]))
			if _, err := os.Stat(target); err != nil && !strings.HasPrefix(link[2], "http") {
				t.Errorf("%s links to %s, which does not exist", name, link[1]+link[2])
			}
		}
		for _, text := range detailsText.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(text[1], "<p>") || strings.Contains(text[1], "](") || strings.Contains(text[1], "`") {
				t.Errorf("%s shows Markdown as it is: %.300s", name, text[1])
			}
		}
		if strings.Count(page, "<details>") < 5 {
			t.Errorf("%s has fewer than five answers to show at a click", name)
		}
		if !strings.Contains(string(index), `href="`+name+`"`) {
			t.Errorf("the index does not list %s", name)
		}
	}
	if _, err := os.Stat(mathJax); err == nil {
		if _, err := os.Stat(c.path("bin", "html", "mathjax", "MathJax.js")); err != nil {
			t.Error("MathJax was not copied")
		}
	}
}
