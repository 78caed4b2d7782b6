package grade

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/pkg/printable"
)

// WriteJSON writes the grades as JSON, with everything in them.
func (g *Grades) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(g)
}

// WriteCSV writes a row for each student: the name; for each exercise the points (empty if
// nothing was handed in or marked) and a note, which is empty if the answer passed and
// otherwise the name of the hint or the status, with the reason if it is [NotMarked]; the
// total, and what all exercises are worth.
func (g *Grades) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"student"}
	for _, name := range g.Exercises {
		head = append(head, name, name+"_note")
	}
	rows := [][]string{append(head, "total", "of")}
	for _, student := range g.Students {
		row := []string{safeCell(student.Name)}
		for _, mark := range student.Marks {
			points := strconv.Itoa(mark.Points)
			if !mark.given() {
				points = ""
			}
			row = append(row, points, safeCell(mark.note()))
		}
		rows = append(rows, append(row, strconv.Itoa(student.Points), strconv.Itoa(student.Of)))
	}
	return out.WriteAll(rows)
}

// safeCell returns text that no spreadsheet takes for a formula. Some also take the full-width
// forms of = + - @, and some split cells at semicolons or tabs, and so find formulas inside.
func safeCell(text string) string {
	var b strings.Builder
	begin := true // of what may become a cell
	for _, r := range text {
		if begin && strings.ContainsRune("=+-@＝＋－＠\t\r", r) || b.Len() == 0 && r == '\'' {
			b.WriteByte('\'')
		}
		begin = strings.ContainsRune(";,|\t\r\n", r) || begin && (r == ' ' || r == '"')
		b.WriteRune(r)
	}
	return b.String()
}

// maxWidth is the largest width of a table whose columns are headed by the names of the
// exercises. In a wider one the exercises are numbered.
const maxWidth = 100

// WriteTable writes the grades for people: a table of points, then what went wrong.
func (g *Grades) WriteTable(w io.Writer) error {
	var text strings.Builder
	heads, space := g.Exercises, 2 // space between columns
	width := 2 * len("total")
	for _, student := range g.Students {
		width = max(width, 2*len("total")+aligned.Width(student.Name))
	}
	for _, name := range g.Exercises {
		width += len(name) + 2
	}
	if width > maxWidth {
		heads, space = nil, 1
		for i, name := range g.Exercises {
			heads = append(heads, strconv.Itoa(i+1))
			fmt.Fprintf(&text, "%3d %s\n", i+1, name)
		}
		text.WriteString("\n")
	}
	table := aligned.Right(&text, space)
	fmt.Fprintf(table, "student\t%s\ttotal\t\n", strings.Join(heads, "\t"))
	for _, student := range g.Students {
		fmt.Fprint(table, student.Name)
		for _, mark := range student.Marks {
			if mark.given() {
				fmt.Fprintf(table, "\t%d", mark.Points)
			} else {
				fmt.Fprint(table, "\t-")
			}
		}
		fmt.Fprintf(table, "\t%d\t\n", student.Points)
	}
	if len(g.Students) > 0 {
		fmt.Fprint(table, "maximum")
		for _, mark := range g.Students[0].Marks {
			fmt.Fprintf(table, "\t%d", mark.Of)
		}
		fmt.Fprintf(table, "\t%d\t\n", g.Students[0].Of)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, student := range g.Students {
		var lines []string
		if student.Warning != "" {
			lines = append(lines, "warning: "+student.Warning)
		}
		for i := 0; i < len(student.Marks); {
			mark := student.Marks[i]
			names := []string{mark.Exercise}
			// What is missing is often missing for many exercises in a row.
			for i++; i < len(student.Marks) && !mark.given() && student.Marks[i].reason() == mark.reason(); i++ {
				names = append(names, student.Marks[i].Exercise)
			}
			if mark.Status != Passed {
				lines = append(lines, strings.Join(names, ", ")+": "+mark.reason())
			}
		}
		if len(lines) > 0 {
			fmt.Fprintf(&text, "\n%s\n  %s\n", student.Name, strings.Join(lines, "\n  "))
		}
	}
	for _, warning := range g.Warnings {
		fmt.Fprintf(&text, "\nWarning: %s.\n", warning)
	}
	switch {
	case g.NotGraded == 1:
		text.WriteString("\nNot graded, through no fault of the student: 1 answer. Grade again.\n")
	case g.NotGraded > 1:
		fmt.Fprintf(&text, "\nNot graded, through no fault of the students: %d answers. Grade again.\n", g.NotGraded)
	}
	if g.Incomplete {
		fmt.Fprintf(&text, "\nIncomplete: interrupted after %d of %d students.\n", g.Graded, g.Class)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// given reports whether the answer was marked, even with 0 points.
func (m Mark) given() bool {
	return m.Status != NotHandedIn && m.Status != NotMarked && m.Status != NotGraded
}

// note says in a word or two why points are missing; it is "" if none are.
func (m Mark) note() string {
	switch {
	case m.Status == Passed:
		return ""
	case len(m.Hints) > 0:
		return m.Hints[0].Name
	case m.Status == NotMarked:
		return m.reason()
	}
	return string(m.Status)
}

// reason says in a line why points are missing, by the hint if there is one.
func (m Mark) reason() string {
	long := 160
	if m.Status == NotMarked { // all that there is to go by
		long = 400
	}
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
	return shorten(printable.Line(text), long)
}
