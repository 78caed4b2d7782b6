package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/atomicfile"
)

// chinese returns the Chinese files of a checkout: those named *.zh.md, and Markdown in folders
// named zh.
func chinese(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "bin", "runs", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		inside, err := filepath.Rel(root, file) // the checkout itself may be called zh
		if err != nil {
			return err
		}
		if strings.HasSuffix(inside, ".zh.md") || filepath.Ext(inside) == ".md" && filepath.Base(filepath.Dir(inside)) == "zh" {
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

// A mark says from which English text a Chinese one was written.
type mark struct {
	line   int    // where it stands, counted from 1
	source string // the file of the English text
	part   string // the id of a cell, if the file is a notebook, or "" for all of it
	sum    string // the checksum of the English text when the mark was stamped, or ""
}

// marked matches a mark: the path, the part and the checksum.
var marked = regexp.MustCompile(`<!-- source: ([^\s#]+)(?:#(\S+))?(?: sha256:([0-9a-f]+))? -->`)

// marksIn returns the marks of a file in their order.
func marksIn(file string) ([]mark, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var marks []mark
	for i, line := range strings.Split(string(content), "\n") {
		for _, m := range marked.FindAllStringSubmatch(line, -1) {
			source := filepath.Join(filepath.Dir(file), filepath.FromSlash(m[1]))
			marks = append(marks, mark{line: i + 1, source: source, part: m[2], sum: m[3]})
		}
	}
	return marks, nil
}

// stale says why the text under the mark needs to be looked at, or "".
func (m mark) stale() string {
	sum, err := checksum(m.source, m.part)
	name := filepath.Base(m.source)
	if m.part != "" {
		name += "#" + m.part
	}
	switch {
	case err != nil:
		return err.Error()
	case m.sum == "":
		return "not stamped yet: " + name
	case m.sum != sum:
		return name + " was changed after this text"
	}
	return ""
}

// stamp writes today's checksums into the marks of a file, or into that of one part.
func stamp(file, part string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	found := 0
	var failed error
	stamped := marked.ReplaceAllStringFunc(string(content), func(old string) string {
		m := marked.FindStringSubmatch(old)
		if part != "" && m[2] != part {
			return old
		}
		found++
		sum, err := checksum(filepath.Join(filepath.Dir(file), filepath.FromSlash(m[1])), m[2])
		if err != nil {
			failed = err
			return old
		}
		name := m[1]
		if m[2] != "" {
			name += "#" + m[2]
		}
		return fmt.Sprintf("<!-- source: %s sha256:%s -->", name, sum)
	})
	switch {
	case failed != nil:
		return fmt.Errorf("stamp %s: %w", file, failed)
	case found == 0 && part != "":
		return fmt.Errorf("stamp %s: it has no mark of a part %s", file, part)
	case found == 0:
		return fmt.Errorf("stamp %s: it has no mark; add one, such as <!-- source: README.md -->", file)
	}
	return atomicfile.WriteBytes(file, []byte(stamped))
}

// checksum returns the first 16 hexadecimal digits of the SHA-256 of a file or, if part is
// not "", of a cell of a notebook.
func checksum(file, part string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the source: %w", err)
	}
	return sumOf(file, content, part)
}

// commit returns the last commit whose source is what the mark was stamped for, or "" if there
// is none, or no git.
func (m mark) commit() string {
	git := func(args ...string) []byte {
		command := exec.Command("git", args...)
		command.Dir = filepath.Dir(m.source)
		output, err := command.Output()
		if err != nil {
			return nil
		}
		return output
	}
	name := filepath.Base(m.source)
	for commit := range strings.FieldsSeq(string(git("log", "--format=%h", "--", name))) {
		if sum, err := sumOf(name, git("show", commit+":./"+name), m.part); err == nil && sum == m.sum {
			return commit
		}
	}
	return ""
}

// sumOf returns the checksum of a part of a file with the given content.
func sumOf(file string, content []byte, part string) (string, error) {
	if part != "" {
		var err error
		if content, err = partOf(file, content, part); err != nil {
			return "", err
		}
	}
	content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")) // as git has it, on Windows too
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8]), nil
}

// partOf returns the text of a notebook's cell, by its id.
func partOf(file string, content []byte, id string) ([]byte, error) {
	if filepath.Ext(file) != ".ipynb" {
		return nil, fmt.Errorf("%s is no notebook, and a mark names a part of it, %s", file, id)
	}
	var notebook struct {
		Cells []struct {
			ID     string   `json:"id"`
			Source []string `json:"source"`
		} `json:"cells"`
	}
	if err := json.Unmarshal(content, &notebook); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	for _, cell := range notebook.Cells {
		if cell.ID == id {
			return []byte(strings.Join(cell.Source, "")), nil
		}
	}
	return nil, fmt.Errorf("%s has no cell %s", file, id)
}
