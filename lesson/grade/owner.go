package grade

import (
	"regexp"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises"
)

// owner is a student as the name of a hand-in gives it.
type owner struct {
	name string
	// id is the number that a learning platform adds to tell students of one name apart.
	id string
}

// origin is what the name of a file or folder says about it.
type origin struct {
	owner owner
	// rest is what the student called the file, without what a learning platform has added.
	rest string
	late bool
	// date is when the attempt was made, if the name says so. Later dates sort higher.
	date string
	// numbered is whether -1, -2, … at the end of a name number attempts.
	numbered bool
}

// The names of downloads from learning platforms:
//
//	Moodle      Ada Lovelace_12345_assignsubmission_file_outputsize.go, also as a folder
//	Canvas      lovelaceada_LATE_123_456_outputsize-1.go
//	Blackboard  Homework_ada_attempt_2026-11-27-10-15-30_outputsize.go
var (
	moodleName     = regexp.MustCompile(`^(.+?)_(\d+)_assignsubmission_(?:file|onlinetext)(?:[_.](.*))?$`)
	canvasName     = regexp.MustCompile(`^([^_]+)(_(?i:late))?_(\d+)_\d+_(.+)$`)
	blackboardName = regexp.MustCompile(`^.+?_([^_]+)_attempt_(\d{4}(?:-\d\d){5})(?:_(.+)|\.txt)$`)
)

// platformOrigin returns what the name says if it has the form of a learning platform.
func platformOrigin(name string, folder bool) (o origin, ok bool) {
	// Names may have line breaks, which . in the expressions does not match.
	if m := moodleName.FindStringSubmatch(name); m != nil {
		return origin{owner: owner{m[1], m[2]}, rest: m[3]}, true
	}
	if folder { // the others have only files
		return o, false
	}
	if m := blackboardName.FindStringSubmatch(name); m != nil {
		return origin{owner: owner{name: m[1]}, rest: m[3], date: m[2]}, true
	}
	if m := canvasName.FindStringSubmatch(name); m != nil {
		return origin{owner: owner{m[1], m[3]}, rest: m[4], late: m[2] != "", numbered: true}, true
	}
	return o, false
}

// fileOrigin returns what the name of a file beside the students' folders says, such as
// ada.zip or ada_outputsize.go. It reports false if the name does not say whose it is.
func fileOrigin(name string) (o origin, ok bool) {
	if o, ok := platformOrigin(name, false); ok {
		return o, true
	}
	stem, kind := splitKind(name)
	if kind == "" {
		stem = strings.TrimSuffix(stem, otherEnding.FindString(stem))
	}
	student := withoutExercise(stem)
	if strings.Trim(unnumbered(student, true), " _-.0123456789()") == "" {
		return o, false
	}
	return origin{owner: owner{name: student}, rest: strings.TrimLeft(strings.TrimPrefix(name, student), " _-")}, true
}

// otherEnding matches the endings of files that have no kind.
var otherEnding = regexp.MustCompile(`(?i)(\.tar)?\.[a-z0-9]{1,8}$`)

// withoutExercise removes the name of an exercise from the end of a file's name, and returns
// "" if nothing else is left.
func withoutExercise(stem string) string {
	plain := unnumbered(stem, true)
	if exerciseOf(plain) != "" {
		return ""
	}
	for i, r := range plain {
		if strings.ContainsRune(" _-", r) && exerciseOf(plain[i+1:]) != "" {
			return strings.TrimRight(plain[:i], " _-")
		}
	}
	return stem
}

// exerciseOf returns the exercise that a file or folder without its ending is named after, in
// whatever case and with whatever between the words, or "".
func exerciseOf(stem string) string {
	name := strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(stem))
	if slices.Contains(exercises.Names(), name) {
		return name
	}
	return ""
}

// kinds are the endings of files that may hold an answer. Browsers and mail programs add the
// second ending of some.
var kinds = []struct{ ending, kind string }{
	{".go", "go"}, {".go.txt", "go"}, {".ipynb", "notebook"}, {".ipynb.txt", "notebook"}, {".ipynb.json", "notebook"},
	{".txt", "text"}, {".zip", "zip"},
}

// splitKind splits the name of a file at its ending and returns what kind of file that makes
// it: go, notebook, text or zip; or "" for any other file, with the whole name as stem.
func splitKind(name string) (stem, kind string) {
	lower := strings.ToLower(strings.TrimRight(name, " "))
	longest := 0
	for _, k := range kinds {
		if strings.HasSuffix(lower, k.ending) && len(k.ending) > longest && len(lower) <= len(name) {
			stem, kind, longest = name[:len(lower)-len(k.ending)], k.kind, len(k.ending)
		}
	}
	if kind == "" {
		stem = name
	}
	return stem, kind
}

var (
	// copyNumber matches the number that a browser gives to a second download.
	copyNumber = regexp.MustCompile(` *\(\d+\)$`)
	dashNumber = regexp.MustCompile(`-\d+$`)
	// attemptNumber matches what numbers an attempt in the name of a file or folder.
	attemptNumber = regexp.MustCompile(`(?i)(?:^|[/ _.-])(?:attempt|version|submission|resubmission|try|v)[ _-]*(\d{1,9})(?:$|[/ _.-])`)
	// dashedAttempt matches Canvas's number of an attempt.
	dashedAttempt = regexp.MustCompile(`-(\d{1,9})(?:/|\.[^/]*$)`)
	attemptEnd    = regexp.MustCompile(`(?i)[ _-]+(?:attempt|version|submission|resubmission|try|v)[ _-]*\d{1,9}$`)
)

// unnumbered removes the number of a copy or an attempt from the end of a name. dashes is
// whether a number behind a dash is one.
func unnumbered(stem string, dashes bool) string {
	stem = strings.TrimRight(stem, " ")
	stem = strings.TrimSuffix(stem, copyNumber.FindString(stem))
	stem = strings.TrimSuffix(stem, attemptEnd.FindString(stem))
	if dashes {
		stem = strings.TrimSuffix(stem, dashNumber.FindString(stem))
	}
	return stem
}
