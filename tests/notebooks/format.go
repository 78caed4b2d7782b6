package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// notebook is what is looked at of a notebook's file.
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
	} `json:"metadata"`
}

type output struct {
	Type  string          `json:"output_type"`
	Name  string          `json:"name"` // stdout or stderr
	Text  text            `json:"text"`
	Data  map[string]text `json:"data"`
	Error string          `json:"evalue"`
}

// text is a string that a notebook may have as a list of lines.
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

// all returns everything that the output shows in words.
func (o output) all() string {
	return string(o.Text + o.Data["text/html"] + o.Data["text/plain"] + o.Data["text/markdown"])
}

// exitStatus is what GoNB writes to the standard error of a cell whose program failed.
var exitStatus = regexp.MustCompile(`(?m)^exit status \d+$`)

// failure returns an error for the first cell that failed. Jupyter knows of cells that do
// not compile; a program that ends with an exit status is no error to GoNB.
func failure(content []byte) error {
	var n notebook
	if err := json.Unmarshal(content, &n); err != nil {
		return fmt.Errorf("what Jupyter wrote is no notebook: %w", err)
	}
	for i, cell := range n.Cells {
		said := ""
		for _, out := range cell.Outputs {
			said += string(out.Text) + out.Error
			if out.Type == "error" || out.Name == "stderr" && exitStatus.MatchString(string(out.Text)) {
				return fmt.Errorf("cell %d failed:\n%s", i+1, tail(said, 30))
			}
		}
	}
	return nil
}
