package grade

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises"
)

// submission is what a student handed in.
type submission struct {
	// student is the name that is shown.
	student string
	// dir is the folder of the class, entries what is in it from the student.
	dir     string
	owner   owner
	entries []entry
	// problem says why nothing of it can be marked; it is "" if something may be.
	problem string
}

// entry is a file or folder in the folder of a class.
type entry struct {
	origin
	name   string
	folder bool
}

// findSubmissions returns what is in dirs, one submission per student, sorted by name. If
// several of dirs have a student of the same name, their names are prefixed with the
// folder's. passed are the files that are no student's.
func findSubmissions(dirs []string) (found []submission, passed []string, err error) {
	seen := map[string]bool{}
	for _, dir := range dirs {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("find the submissions: %w", err)
		}
		if seen[absolute] {
			continue
		}
		seen[absolute] = true
		class, others, err := findIn(dir, absolute)
		if err != nil {
			return nil, nil, err
		}
		found, passed = append(found, class...), append(passed, others...)
	}
	nameStudents(found)
	slices.SortStableFunc(found, func(a, b submission) int {
		return cmp.Or(strings.Compare(a.owner.name, b.owner.name), strings.Compare(a.student, b.student))
	})
	return found, passed, nil
}

// findIn returns the submissions in the folder of a class.
func findIn(dir, absolute string) (found []submission, passed []string, err error) {
	entries, err := os.ReadDir(dir)
	if info, statErr := os.Stat(dir); err != nil && statErr == nil && !info.IsDir() {
		return nil, nil, fmt.Errorf("find the submissions: %s is a file; unpack it if it is an archive, and give the folder", dir)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find the submissions: %w", err)
	}
	byOwner := map[owner]int{}
	var anonymous []string // files of exercises that do not say whose they are
	for _, d := range entries {
		if isLitter(d.Name()) {
			continue
		}
		e := entry{name: d.Name(), folder: d.IsDir()}
		var known bool
		problem := ""
		switch {
		case d.IsDir():
			if e.origin, known = platformOrigin(e.name, true); !known {
				e.origin, known = origin{owner: owner{name: e.name}}, true
			}
		case !d.Type().IsRegular():
			// A link could lead out of the teacher's folder.
			problem = "it is a link or another special file, which is not followed"
		case notes(e.name):
			passed = append(passed, shown(e.name))
			continue
		default:
			if e.origin, known = fileOrigin(e.name); !known {
				problem = "the name of the file does not say whose it is"
				anonymous = append(anonymous, e.name)
			}
		}
		if !known {
			e.origin = origin{owner: owner{name: e.name}}
			found = append(found, submission{dir: absolute, owner: e.owner, problem: problem})
			continue
		}
		i, ok := byOwner[e.owner]
		if !ok {
			i = len(found)
			byOwner[e.owner] = i
			found = append(found, submission{dir: absolute, owner: e.owner})
		}
		found[i].entries = append(found[i].entries, e)
	}
	if looksLikeOne(dir) || len(anonymous) > 0 && !slices.ContainsFunc(found, submission.hasAnswers) {
		return nil, nil, fmt.Errorf("%s is one student's folder; give the folder that contains the students' folders", dir)
	}
	if !slices.ContainsFunc(found, submission.isLikely) {
		return nil, nil, fmt.Errorf("%s has no folders of students or files of theirs in it; there should be one for each student", dir)
	}
	return found, passed, nil
}

// notes reports whether a file beside the students' folders is the teacher's.
func notes(name string) bool {
	lower := strings.ToLower(name)
	stem := strings.TrimSuffix(lower, filepath.Ext(lower))
	return stem == "readme" || stem == "license" || stem == "grades" ||
		slices.Contains([]string{".csv", ".xlsx", ".xls", ".ods"}, filepath.Ext(lower))
}

// isLikely reports whether the names of what is in the submission are those of hand-ins.
func (s submission) isLikely() bool {
	return slices.ContainsFunc(s.entries, func(e entry) bool {
		_, kind := splitKind(e.name)
		return e.folder || e.owner.id != "" || e.date != "" || kind != "" || archiveEnding(e.name)
	})
}

// hasAnswers reports whether anything in the submission may be an answer.
func (s submission) hasAnswers() bool {
	h := s.collect(nil)
	defer h.done()
	return h.hasAnswers()
}

// looksLikeOne reports whether dir looks like a student's folder: whether it has the folder of
// an exercise, with the exercise's file, where the students' folders should be.
func looksLikeOne(dir string) bool {
	for _, name := range exercises.Names() {
		for _, at := range []string{filepath.Join(name, name+".go"), filepath.Join("lesson", "exercises", name, name+".go")} {
			if info, err := os.Lstat(filepath.Join(dir, at)); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// nameStudents sets the names that are shown, so that no two are the same: the student's name,
// with the number from the learning platform and the name of the class's folder if needed.
func nameStudents(found []submission) {
	base := func(s submission) string { return shown(s.owner.name) }
	numbered := func(s submission) string {
		if s.owner.id == "" {
			return base(s)
		}
		return base(s) + " (" + s.owner.id + ")"
	}
	forms := []func(s submission) string{
		base, numbered,
		func(s submission) string { return shown(filepath.Base(s.dir)) + "/" + base(s) },
		func(s submission) string { return shown(filepath.Base(s.dir)) + "/" + numbered(s) },
		func(s submission) string { return shown(s.dir) + "/" + numbered(s) },
	}
	// Students of one folder are told apart by number, others by folder.
	for _, form := range forms {
		count := map[string]int{}
		for _, s := range found {
			if s.student != "" {
				count[s.student]++
			} else {
				count[form(s)]++
			}
		}
		for i, s := range found {
			if name := form(s); s.student == "" && count[name] == 1 {
				found[i].student = name
			}
		}
	}
	for i, s := range found {
		if s.student == "" {
			found[i].student = fmt.Sprintf("%s #%d", numbered(s), i+1)
		}
	}
}

// sameText reports whether two files are equal, apart from their line endings and the space
// around the text.
func sameText(a, b []byte) bool {
	plain := func(text []byte) []byte {
		return bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	}
	return bytes.Equal(plain(a), plain(b))
}
