package grade

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// WriteJSON writes all that the grades have.
func (g *Grades) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(g)
}

// WriteCSV writes a row for each student: the name, the points in each exercise, the
// total and of how many.
func (g *Grades) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{append(append([]string{"student"}, g.Exercises...), "total", "of")}
	for _, student := range g.Students {
		row := []string{safeCell(student.Name)}
		for _, mark := range student.Marks {
			row = append(row, strconv.Itoa(mark.Points))
		}
		rows = append(rows, append(row, strconv.Itoa(student.Points), strconv.Itoa(student.Of)))
	}
	return out.WriteAll(rows)
}

// safeCell is text that no spreadsheet takes for a formula.
func safeCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// maxWidth is how wide the table is at most with the exercises' names as its heads;
// otherwise their numbers are.
const maxWidth = 100

// WriteTable writes the grades for people: the points, and below what went wrong.
func (g *Grades) WriteTable(w io.Writer) error {
	var text strings.Builder
	heads := g.Exercises
	width := 2 * len("total")
	for _, student := range g.Students {
		width = max(width, 2*len("total")+utf8.RuneCountInString(student.Name))
	}
	for _, name := range g.Exercises {
		width += len(name) + 2
	}
	if width > maxWidth {
		heads = nil
		for i, name := range g.Exercises {
			heads = append(heads, strconv.Itoa(i+1))
			fmt.Fprintf(&text, "%3d %s\n", i+1, name)
		}
		text.WriteString("\n")
	}
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "student\t%s\ttotal\t\n", strings.Join(heads, "\t"))
	for _, student := range g.Students {
		fmt.Fprint(table, student.Name)
		for _, mark := range student.Marks {
			if mark.Status == NotHandedIn {
				fmt.Fprint(table, "\t-")
			} else {
				fmt.Fprintf(table, "\t%d", mark.Points)
			}
		}
		fmt.Fprintf(table, "\t%d\t\n", student.Points)
	}
	if len(g.Students) > 0 {
		fmt.Fprint(table, "of")
		for _, mark := range g.Students[0].Marks {
			fmt.Fprintf(table, "\t%d", mark.Of)
		}
		fmt.Fprintf(table, "\t%d\t\n", g.Students[0].Of)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, student := range g.Students {
		said := false
		for _, mark := range student.Marks {
			if mark.Status == Passed {
				continue
			}
			if !said {
				fmt.Fprintf(&text, "\n%s\n", student.Name)
				said = true
			}
			fmt.Fprintf(&text, "  %s: %s\n", mark.Exercise, mark.reason())
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// reason says in a line why a mark has not all points: by the hint if there is one.
func (m Mark) reason() string {
	const long = 160
	var text string
	switch {
	case len(m.Hints) > 0:
		text = m.Hints[0].Name
	case m.Status == Failed:
		text = m.Message
	case m.CompileError != "":
		text = string(m.Status) + ": " + m.CompileError
	case m.Message != "" && m.Status != NotDone:
		text = string(m.Status) + ": " + m.Message
	default:
		text = string(m.Status)
	}
	return shorten(oneLine(text), long)
}
