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

// maxSource is the largest size of a file that is accepted, in bytes.
const maxSource = 1 << 20

// submission is a student's folder.
type submission struct {
	student, dir string
}

// findSubmissions returns the folders in dirs, one per student, sorted by name. If several of
// dirs have a student of the same name, their names are prefixed with the folder's.
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
			// Links, which are not directories here, could lead out of the teacher's folder.
			if !entry.IsDir() || isLitter(entry.Name()) {
				continue
			}
			students++
			count[entry.Name()]++
			found = append(found, submission{entry.Name(), filepath.Join(absolute, entry.Name())})
		}
		if looksLikeOne(dir, names) {
			return nil, fmt.Errorf("%s is one student's folder; give the folder that contains the students' folders", dir)
		}
		if students == 0 {
			return nil, fmt.Errorf("%s has no folders in it; there should be one for each student", dir)
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

// isLitter reports whether a folder is not a student's work: a hidden folder, or the one that
// macOS adds to archives.
func isLitter(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// unwrapped returns the folder that contains the exercises' files: the student's folder or,
// if there are none in it, the only folder in there. An archive of a fork has everything in
// one folder, and unpacking may put another one around it.
func (s submission) unwrapped() submission {
	all := exercises.Names()
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
		// What is in a folder solution is the course's, not the student's.
		if len(entries) != 1 || entries[0].Name() == "solution" {
			return s
		}
		at.dir = filepath.Join(at.dir, entries[0].Name())
	}
	return s
}

// warning returns a warning if there are Go files in the student's folder but none where an
// exercise's file should be, and otherwise "".
func (s submission) warning() string {
	if looksLikeOne(s.dir, exercises.Names()) {
		return ""
	}
	var astray string
	_ = filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // no warning for what cannot be read
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
	return "there is " + printable.Line(filepath.ToSlash(astray)) + ", but no file where an exercise's file should be"
}

// looksLikeOne reports whether dir looks like a student's folder: whether it has an exercise's
// file in one of the right places.
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

// places returns where an exercise's file can be in a student's folder.
func places(name string) []string {
	file := name + ".go"
	return []string{file, filepath.Join(name, file), filepath.Join("lesson", "exercises", name, file)}
}

// read returns the student's file for the exercise. The error is fs.ErrNotExist if there is
// none, and a *refusal if it cannot be accepted.
func (s submission) read(exercise string) ([]byte, error) {
	root, err := os.OpenRoot(s.dir) // no path, and no link on it, leads out of a Root
	if err != nil {
		return nil, &refusal{"the student's folder cannot be read"}
	}
	defer root.Close()
	for _, at := range places(exercise) {
		// ENOTDIR: there is a file of the folder's name, so there is no such path.
		if _, err := root.Lstat(at); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		// Look at the kind of file before opening it: opening a pipe would block.
		info, err := root.Stat(at)
		if err != nil || !info.Mode().IsRegular() {
			return nil, &refusal{filepath.ToSlash(at) + " is not a regular file inside the student's folder"}
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

// sameText reports whether two files are equal, apart from their line endings and the space
// around the text.
func sameText(a, b []byte) bool {
	plain := func(text []byte) []byte {
		return bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	}
	return bytes.Equal(plain(a), plain(b))
}
