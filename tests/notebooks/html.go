package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// mathJax is the folder of MathJax 2, which typesets formulas, on Debian. mathJaxParts are the
// parts that exported notebooks need, a thirtieth of the whole.
const mathJax = "/usr/share/javascript/mathjax"

var mathJaxParts = []string{"MathJax.js", "config/TeX-AMS_CHTML-full.js", "config/Safe.js", "extensions",
	"jax/output/CommonHTML", "jax/element", "jax/input/TeX", "fonts/HTML-CSS/TeX/woff"}

// html exports every notebook, as committed, into bin/html, and the Chinese ones into bin/html/zh:
// pages to read without Jupyter. If Debian's MathJax is installed, it is copied too, and the pages
// need no network.
func (c *course) html(ctx context.Context) error {
	english, err := c.notebooks()
	if err != nil {
		return err
	}
	prose, err := c.chineseNotebooks()
	if err != nil {
		return err
	}
	var chinese []string
	for _, path := range prose {
		chinese = append(chinese, notebookOf(path))
	}
	into := c.path("bin", "html")
	if err := os.RemoveAll(into); err != nil {
		return fmt.Errorf("export the notebooks: %w", err)
	}
	if _, err := os.Stat(mathJax); err == nil {
		if err := copyParts(filepath.Join(into, "mathjax"), mathJax, mathJaxParts); err != nil {
			return fmt.Errorf("export the notebooks: %w", err)
		}
	}
	index := []string{"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>The course</title>\n" +
		"<style>body { font: 18px/1.6 sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }</style></head>\n" +
		"<body><h1>Residual networks, in Go</h1>\n<ul>"}
	list, err := c.pages(ctx, english, "")
	if err != nil {
		return err
	}
	index = append(index, list...)
	if len(chinese) > 0 {
		if list, err = c.pages(ctx, chinese, "zh/"); err != nil {
			return err
		}
		index = append(index, "</ul><h1 lang=\"zh\">用 Go 学残差网络</h1>\n<ul lang=\"zh\">")
		index = append(index, list...)
	}
	index = append(index, "</ul></body></html>\n")
	if err := os.WriteFile(filepath.Join(into, "index.html"), []byte(strings.Join(index, "\n")), 0o644); err != nil {
		return fmt.Errorf("export the notebooks: %w", err)
	}
	fmt.Println("bin/html/index.html")
	return nil
}

// pages exports notebooks into a folder of bin/html and returns their entries in the index.
func (c *course) pages(ctx context.Context, paths []string, folder string) ([]string, error) {
	copies, err := os.MkdirTemp("", "notebooks")
	if err != nil {
		return nil, fmt.Errorf("export the notebooks: %w", err)
	}
	defer os.RemoveAll(copies)
	var hidden []string
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err == nil {
			if content, err = hideDetails(content); err == nil {
				hidden = append(hidden, filepath.Join(copies, filepath.Base(path)))
				err = os.WriteFile(hidden[len(hidden)-1], content, 0o644)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", filepath.Base(path), err)
		}
	}
	into := c.path("bin", "html", folder)
	args := []string{"nbconvert", "--to", "html", "--output-dir", into, "--HTMLExporter.require_js_url="}
	if _, err := os.Stat(c.path("bin", "html", "mathjax")); err == nil {
		up := strings.Repeat("../", strings.Count(folder, "/"))
		args = append(args, "--HTMLExporter.mathjax_url="+up+"mathjax/MathJax.js?config=TeX-AMS_CHTML-full,Safe")
	}
	cmd := c.jupyter(ctx, append(args, hidden...)...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("export the notebooks: %w\n%s", err, tail(string(output), 30))
	}
	var list []string
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".ipynb") + ".html"
		page := filepath.Join(into, name)
		content, err := os.ReadFile(page)
		if err != nil {
			return nil, fmt.Errorf("export the notebooks: %w", err)
		}
		if err := os.WriteFile(page, []byte(moveLinks(showDetails(string(content)))), 0o644); err != nil {
			return nil, fmt.Errorf("export the notebooks: %w", err)
		}
		title, err := titleOf(path)
		if err != nil {
			return nil, err
		}
		list = append(list, fmt.Sprintf("<li style=\"list-style: none\"><a href=\"%s\">%s</a></li>", folder+name, html.EscapeString(title)))
		fmt.Println("bin/html/" + folder + name)
	}
	return list, nil
}

// detailsTag matches the tags of a text that is shown at a click, with the blank lines around them.
var detailsTag = regexp.MustCompile(`\s*<(/?details)>\s*`)

// hideDetails puts the tags of texts that are shown at a click into comments: nbconvert would take all
// that is between them for HTML, and leave its Markdown as it is.
func hideDetails(content []byte) ([]byte, error) {
	var n map[string]any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&n); err != nil {
		return nil, err
	}
	cells, _ := n["cells"].([]any)
	for _, entry := range cells {
		cell, _ := entry.(map[string]any)
		if text := joined(cell["source"]); cell["cell_type"] == "markdown" && strings.Contains(text, "<details>") {
			text = detailsTag.ReplaceAllString(text, "\n\n<!-- $1 -->\n\n")
			cell["source"] = strings.ReplaceAll(text, "</summary>", "</summary>\n\n")
		}
	}
	return marshalNotebook(n)
}

// showDetails puts the tags back that hideDetails has hidden.
func showDetails(page string) string {
	return strings.NewReplacer("<!-- details -->", "<details>", "<!-- /details -->", "</details>").Replace(page)
}

// localLink matches links to other notebooks and to files in the checkout.
var localLink = regexp.MustCompile(`href="((?:\.\./)*)([^":#]+)`)

// moveLinks returns the page with its links adapted from the folder notebooks to bin/html: a
// link to a notebook becomes one to its page, and the checkout is one level further up.
func moveLinks(page string) string {
	return localLink.ReplaceAllStringFunc(page, func(link string) string {
		parts := localLink.FindStringSubmatch(link)
		up, target := parts[1], parts[2]
		if name, ok := strings.CutSuffix(target, ".ipynb"); ok && notebookName.MatchString(target) {
			return `href="` + up + name + ".html"
		}
		if up != "" {
			return `href="../` + up + target
		}
		return link
	})
}

// notebookName matches a link to a notebook of either language, after what leads up.
var notebookName = regexp.MustCompile(`^(zh/)?[1-9]-[^/]*\.ipynb$`)

// titleOf returns the title of a notebook, which is its first heading.
func titleOf(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a notebook: %w", err)
	}
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil || len(n.Cells) == 0 {
		return "", fmt.Errorf("%s is not a notebook", filepath.Base(path))
	}
	heading, _, _ := strings.Cut(string(n.Cells[0].Source), "\n")
	return strings.TrimPrefix(heading, "# "), nil
}

// copyParts copies the given files and folders from one folder to another.
func copyParts(to, from string, parts []string) error {
	for _, part := range parts {
		err := filepath.WalkDir(filepath.Join(from, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			relative, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, relative)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o644)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
