package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// notebook has the fields we use of a notebook file.
type notebook struct {
	Cells []struct {
		Type    string   `json:"cell_type"`
		Source  text     `json:"source"`
		Count   *int     `json:"execution_count"`
		Outputs []output `json:"outputs"`
	} `json:"cells"`
	Metadata struct {
		Kernel struct {
			Name string `json:"name"`
		} `json:"kernelspec"`
		Language struct {
			Lexer string `json:"pygments_lexer"`
		} `json:"language_info"`
	} `json:"metadata"`
}

type output struct {
	Type  string          `json:"output_type"`
	Name  string          `json:"name"` // stdout or stderr
	Text  text            `json:"text"`
	Data  map[string]text `json:"data"`
	Error string          `json:"evalue"`
}

// images returns all images in the outputs of the notebook, in base64.
func (n notebook) images() []string {
	var all []string
	for _, cell := range n.Cells {
		for _, out := range cell.Outputs {
			if figure, ok := out.Data["image/png"]; ok {
				all = append(all, strings.TrimSpace(string(figure)))
			}
			for _, found := range embedded.FindAllStringSubmatch(string(out.Data["text/html"]), -1) {
				all = append(all, found[1])
			}
		}
	}
	return all
}

// text is a string that a notebook file may store as a list of lines.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var lines []string
	if err := json.Unmarshal(data, &lines); err == nil {
		*t = text(strings.Join(lines, ""))
		return nil
	}
	var whole string
	err := json.Unmarshal(data, &whole)
	*t = text(whole)
	return err
}

// all returns all text in the output.
func (o output) all() string {
	return string(o.Text + o.Data["text/html"] + o.Data["text/plain"] + o.Data["text/markdown"])
}

// withLanguage returns the notebook with metadata by which websites and editors recognise its
// language as Go. GoNB does not write it, and they would highlight the code as Python.
func withLanguage(content []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var n map[string]any
	if err := decoder.Decode(&n); err != nil {
		return nil, fmt.Errorf("read the notebook that Jupyter wrote: %w", err)
	}
	metadata, ok := n["metadata"].(map[string]any)
	if !ok {
		return nil, errors.New("read the notebook that Jupyter wrote: it has no metadata")
	}
	metadata["language_info"] = map[string]string{"name": "go", "file_extension": ".go", "mimetype": "text/x-go",
		"codemirror_mode": "go", "pygments_lexer": "go"}
	return marshalNotebook(n)
}

// marshalNotebook returns a notebook as Jupyter writes it: keys sorted, indented by one space, and no
// letters escaped.
func marshalNotebook(n map[string]any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(n); err != nil {
		return nil, fmt.Errorf("write the notebook: %w", err)
	}
	return out.Bytes(), nil
}

// exitStatus matches what GoNB writes to a cell's standard error when its program fails.
var exitStatus = regexp.MustCompile(`(?m)^exit status \d+$`)

// failure returns an error for the first cell that failed. Jupyter itself detects only cells
// that do not compile: GoNB does not report an exit status as an error.
func failure(content []byte) error {
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		return fmt.Errorf("read the notebook that Jupyter wrote: %w", err)
	}
	for i, cell := range n.Cells {
		printed := ""
		for _, out := range cell.Outputs {
			printed += string(out.Text) + out.Error
			if out.Type == "error" || out.Name == "stderr" && exitStatus.MatchString(string(out.Text)) {
				return fmt.Errorf("cell %d failed:\n%s", i+1, tail(printed, 30))
			}
		}
	}
	return nil
}
