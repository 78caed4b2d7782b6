package grade

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises"
)

// rules is the source of what marks an answer. If it changes, all answers are marked again.
//
//go:embed gate.go judge.go workshop.go hints.go process.go sandbox*.go seccomp*.go
var rules embed.FS

// ofRun reports whether a status may be due to the limits that a run has set.
func (s Status) ofRun() bool {
	return !slices.Contains([]Status{Passed, Failed, NotDone, CompileError, Refused}, s)
}

// fingerprint returns a hash of everything that a mark depends on: the answer, the exercise's
// check and what it is compiled from, the version of Go, and the grader itself. For a status
// that limits may have to do with, also the limits.
func (c *class) fingerprint(t task, source []byte, status Status) string {
	h := sha256.New()
	h.Write(t.version)
	if status.ofRun() {
		fmt.Fprintln(h, c.options.Timeout, c.options.Memory)
	}
	h.Write(source)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ReadGrades reads what [Grades.WriteJSON] has written.
func ReadGrades(r io.Reader) (*Grades, error) {
	var g Grades
	if err := json.NewDecoder(r).Decode(&g); err != nil {
		return nil, err
	}
	for _, student := range g.Students {
		if len(student.Marks) != len(g.Exercises) {
			return nil, fmt.Errorf("student %s has %d marks of %d exercises", shown(student.Name), len(student.Marks), len(g.Exercises))
		}
	}
	return &g, nil
}

// student returns a student's results, or nil.
func (g *Grades) student(name string) *Student {
	if g == nil {
		return nil
	}
	for i := range g.Students {
		if g.Students[i].Name == name {
			return &g.Students[i]
		}
	}
	return nil
}

// mark returns a student's mark in an exercise, or nil.
func (s *Student) mark(exercise string) *Mark {
	if s == nil {
		return nil
	}
	for i := range s.Marks {
		if s.Marks[i].Exercise == exercise {
			return &s.Marks[i]
		}
	}
	return nil
}

// grades returns the grades so far, merged with the earlier ones, or nil if there are none.
func (c *class) grades(incomplete bool) *Grades {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gradesNow(incomplete)
}

// gradesNow does the same for a caller that holds mu.
func (c *class) gradesNow(incomplete bool) *Grades {
	earlier := c.options.Earlier
	g := &Grades{Class: len(c.rows), Sandbox: *c.sandbox, Warnings: slices.Clone(c.warnings)}
	names := slices.Clone(c.options.Exercises)
	if earlier != nil {
		for _, name := range earlier.Exercises {
			if !slices.Contains(names, name) && slices.Contains(exercises.Names(), name) {
				names = append(names, name)
			}
		}
		if len(names) > len(c.options.Exercises) {
			slices.SortFunc(names, func(a, b string) int { return slices.Index(exercises.Names(), a) - slices.Index(exercises.Names(), b) })
		}
	}
	g.Exercises = names
	worth := map[string]int{}
	for _, name := range names {
		solution := Mark{Exercise: name}
		if i := slices.Index(c.options.Exercises, name); i >= 0 && i < len(c.solutions) && c.solutions[i].Of > 0 {
			solution = c.solutions[i]
		} else if earlier != nil {
			for _, mark := range earlier.Solutions {
				if mark.Exercise == name {
					solution = mark
				}
			}
		}
		worth[name] = solution.Of
		g.Solutions = append(g.Solutions, solution)
	}
	any := false
	here := map[string]bool{}
	for _, r := range c.rows {
		here[r.submission.student] = true
		before := earlier.student(r.submission.student)
		decided := slices.ContainsFunc(r.marks, func(m *Mark) bool { return m != nil })
		if r.graded() {
			g.Graded++
		}
		any = any || decided
		if !decided && before == nil {
			continue
		}
		student := Student{Name: r.submission.student, Warning: r.warning}
		for _, name := range names {
			mark, failed, note := r.best(slices.Index(c.options.Exercises, name), before.mark(name))
			if failed {
				g.NotGraded++
			}
			if note != "" {
				student.Warning = strings.TrimPrefix(student.Warning+"; "+name+": "+note, "; ")
			}
			mark.Exercise, mark.Of = name, worth[name]
			student.add(mark)
		}
		g.Students = append(g.Students, student)
	}
	var kept []string
	if earlier != nil {
		for _, before := range earlier.Students {
			if here[before.Name] {
				continue
			}
			kept = append(kept, before.Name)
			student := Student{Name: before.Name, Warning: before.Warning}
			for _, name := range names {
				mark := Mark{Status: NotHandedIn}
				if old := before.mark(name); old != nil {
					mark = *old
				}
				mark.Exercise, mark.Of = name, worth[name]
				student.add(mark)
			}
			g.Students = append(g.Students, student)
		}
		slices.SortStableFunc(g.Students, func(a, b Student) int { return strings.Compare(sortName(a.Name), sortName(b.Name)) })
	}
	if !any || len(c.solutions) == 0 {
		return nil
	}
	g.Incomplete = incomplete && g.Graded < g.Class
	if len(kept) > 0 {
		g.Warnings = append(g.Warnings, fmt.Sprintf("not in these folders, and kept from the earlier grades: %s", few(kept, ", ")))
	}
	return g
}

// sortName returns what a name is sorted by: a quoted one sorts as what is in the quotes.
func sortName(name string) string { return strings.TrimPrefix(name, `"`) }

// best returns the mark of the row in exercise i, which is −1 if this run does not mark it, or
// the earlier mark if this run has none in its place; a note says why. failed is whether this
// run tried, and could not.
func (r *row) best(i int, earlier *Mark) (mark Mark, failed bool, note string) {
	has := earlier != nil && earlier.given()
	switch {
	case i < 0 && earlier != nil:
		return *earlier, false, ""
	case i < 0:
		return Mark{Status: NotGraded, Message: "this exercise was not among those graded"}, false, ""
	case r.marks[i] == nil && has:
		return *earlier, false, ""
	case r.marks[i] == nil:
		return Mark{Status: NotGraded, Message: "grading was interrupted"}, false, ""
	}
	mark = *r.marks[i]
	switch {
	case mark.Status == NotGraded && has:
		return *earlier, true, "the mark is from an earlier run, because grading failed: " + mark.Message
	case mark.Status == NotHandedIn && has:
		return *earlier, false, "the mark is from an earlier run; the answer is not in these folders"
	}
	return mark, mark.Status == NotGraded, ""
}

// add adds a mark to a student's results.
func (s *Student) add(mark Mark) {
	s.Marks = append(s.Marks, mark)
	s.Points += mark.Points
	s.Of += mark.Of
}
