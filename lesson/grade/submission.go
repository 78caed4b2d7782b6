package grade

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/pkg/printable"
)

// maxSource is the size of the largest file that is read.
const maxSource = 1 << 20

// submission is a student's folder.
type submission struct {
	student, dir string
}

// findSubmissions returns the folders in dirs, one a student, by name. Of students of one
// name in several of dirs, the names get that of the folder they are in.
func findSubmissions(dirs, names []string) ([]submission, error) {
	var found []submission
	seen := map[string]bool{}
	count := map[string]int{}
	for _, dir := range dirs {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("find the submissions: %w", err)
		}
		if seen[absolute] {
			continue
		}
		seen[absolute] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("find the submissions: %w", err)
		}
		students := 0
		for _, entry := range entries {
			// A link would lead out of what the teacher named.
			if !entry.IsDir() || isLitter(entry.Name()) {
				continue
			}
			students++
			count[entry.Name()]++
			found = append(found, submission{entry.Name(), filepath.Join(absolute, entry.Name())})
		}
		if looksLikeOne(dir, names) {
			return nil, fmt.Errorf("%s is one student's folder; give the folder that the students' folders are in", dir)
		}
		if students == 0 {
			return nil, fmt.Errorf("%s has no folders, but should have one for each student", dir)
		}
	}
	for i, s := range found {
		if count[s.student] > 1 {
			found[i].student = filepath.Base(filepath.Dir(s.dir)) + "/" + s.student
		}
	}
	slices.SortStableFunc(found, func(a, b submission) int { return strings.Compare(a.student, b.student) })
	return found, nil
}

// isLitter reports whether a folder's name is that of one which no student made: a hidden
// one, or what macOS adds to archives.
func isLitter(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// unwrapped is the student's folder or, where it has none of the exercises' files, the one
// folder in it: an archive of a whole fork has all of it in a folder, and unpacking may
// make another one around that.
func (s submission) unwrapped() submission {
	all := allNames()
	at := s
	for range 3 {
		if looksLikeOne(at.dir, all) {
			return at
		}
		entries, err := os.ReadDir(at.dir)
		if err != nil {
			return s
		}
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() || isLitter(e.Name()) })
		// A solution in there would be the course's.
		if len(entries) != 1 || entries[0].Name() == "solution" {
			return s
		}
		at.dir = filepath.Join(at.dir, entries[0].Name())
	}
	return s
}

// warning says that a student has written Go, but nothing where an exercise is; "" if all
// is well.
func (s submission) warning() string {
	if looksLikeOne(s.dir, allNames()) {
		return ""
	}
	var astray string
	_ = filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // what cannot be read warns of nothing
		case entry.IsDir() && path != s.dir && isLitter(entry.Name()):
			return fs.SkipDir
		case entry.Type().IsRegular() && filepath.Ext(path) == ".go":
			astray, _ = filepath.Rel(s.dir, path)
			return fs.SkipAll
		}
		return nil
	})
	if astray == "" {
		return ""
	}
	return "there is " + printable.Line(filepath.ToSlash(astray)) + ", but no file where one of an exercise would be"
}

func allNames() (list []string) {
	for _, exercise := range exercises.All() {
		list = append(list, exercise.Name)
	}
	return list
}

// looksLikeOne reports whether dir has an exercise's file where a student's folder has it.
func looksLikeOne(dir string, names []string) bool {
	for _, name := range names {
		for _, at := range places(name) {
			if info, err := os.Lstat(filepath.Join(dir, at)); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// places are where an exercise's file may lie in a student's folder.
func places(name string) []string {
	file := name + ".go"
	return []string{file, filepath.Join(name, file), filepath.Join("lesson", "exercises", name, file)}
}

// read returns the student's file for the exercise; fs.ErrNotExist if there is none. A file
// that is there and cannot be taken is a *refusal.
func (s submission) read(exercise string) ([]byte, error) {
	root, err := os.OpenRoot(s.dir) // no path, and no link on it, leads out of a Root
	if err != nil {
		return nil, &refusal{"the student's folder cannot be read"}
	}
	defer root.Close()
	for _, at := range places(exercise) {
		// A file where a folder might have been hides nothing.
		if _, err := root.Lstat(at); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		// The kind of file comes first: opening a pipe would wait for its other end.
		info, err := root.Stat(at)
		if err != nil || !info.Mode().IsRegular() {
			return nil, &refusal{filepath.ToSlash(at) + " is no regular file inside the student's folder"}
		}
		file, err := root.Open(at)
		if err != nil {
			return nil, &refusal{filepath.ToSlash(at) + " cannot be read"}
		}
		defer file.Close()
		source, err := io.ReadAll(io.LimitReader(file, maxSource+1))
		switch {
		case err != nil:
			return nil, &refusal{filepath.ToSlash(at) + " cannot be read"}
		case len(source) > maxSource:
			return nil, &refusal{fmt.Sprintf("%s is larger than %d KiB", filepath.ToSlash(at), maxSource>>10)}
		}
		return source, nil
	}
	return nil, fs.ErrNotExist
}

// sameText reports whether two files are the same but for their line ends and the space
// around them.
func sameText(a, b []byte) bool {
	plain := func(text []byte) []byte {
		return bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	}
	return bytes.Equal(plain(a), plain(b))
}
