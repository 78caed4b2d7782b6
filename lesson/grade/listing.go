package grade

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"unicode/utf16"
)

// The limits of the files that are read.
const (
	maxSource   = 1 << 20  // bytes of a source file
	maxNotebook = 16 << 20 // bytes of a notebook, which may have images in it
	maxRead     = 64 << 20 // bytes in all, for a student
)

// file is a file of a submission, in a folder or in an archive.
type file struct {
	// path is how messages name the file: with the names of the archives it is in.
	path string
	// at is the path by which the file is identified, without what a learning platform has
	// added to it.
	at string
	origin
	// problem says why the file cannot be read; it is "" if nothing is known to be wrong.
	problem string
	open    func() (io.ReadCloser, error)
}

// listing is the files of a submission.
type listing struct {
	files []file
	// astray says what may hold answers that cannot be found in it.
	astray []string
	close  []io.Closer
	budget int64
	// seen counts all files, plain those that can hold no answer.
	seen, plain int
	full        bool
}

// maxPlain is how many files are listed that can hold no answer. There may be a data set.
const maxPlain = 100

// add adds a file, unless there are too many.
func (l *listing) add(f file) bool {
	if l.seen++; l.seen <= maxFiles {
		if _, kind := splitKind(path.Base(f.at)); kind == "" && f.problem == "" && !archiveEnding(f.at) {
			if l.plain++; l.plain > maxPlain {
				return true
			}
		}
		l.files = append(l.files, f)
		return true
	}
	if !l.full {
		l.full = true
		l.astray = append(l.astray, fmt.Sprintf("there are more than %d files", maxFiles))
	}
	return false
}

// list lists the files of a submission. They can be read until the listing is closed.
func (s submission) list() *listing {
	l := &listing{budget: maxRead}
	for _, e := range s.entries {
		root, err := os.OpenRoot(s.dir) // no path, and no link on it, leads out of a Root
		if err == nil && e.folder {
			classRoot := root
			root, err = classRoot.OpenRoot(e.name)
			classRoot.Close()
		}
		switch {
		case err != nil && e.folder:
			l.astray = append(l.astray, "the student's folder cannot be read")
		case err != nil:
			l.astray = append(l.astray, shown(e.name)+" cannot be read")
		case e.folder:
			l.close = append(l.close, root)
			l.folder(root, e)
		default:
			l.close = append(l.close, root)
			l.add(file{path: e.name, at: e.rest, origin: e.origin, open: opener(root, e.name)})
		}
	}
	course := treesOf(l.files)
	for _, f := range l.files {
		if _, kind := splitKind(path.Base(f.at)); kind == "zip" && !course.ofCourse(f) {
			l.unzip(f, 0)
		}
	}
	return l
}

func opener(root *os.Root, name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return root.Open(name) }
}

// folder lists the files of a folder.
func (l *listing) folder(root *os.Root, e entry) {
	_ = fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.astray = append(l.astray, shown(at)+" cannot be read")
			return nil
		case at == ".":
			return nil
		case isLitter(d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		f := file{path: at, at: at, origin: origin{late: e.late}, open: opener(root, at)}
		// The teacher may have put the files of a platform into folders.
		if o, ok := platformOrigin(path.Base(at), d.IsDir()); ok && !d.IsDir() && o.rest != "" {
			f.at, f.origin = path.Join(path.Dir(at), o.rest), o
		}
		if d.IsDir() {
			if _, kind := splitKind(d.Name()); kind == "go" {
				f.problem = "is not a regular file inside the student's folder"
				l.add(f)
			}
			return nil
		}
		if !d.Type().IsRegular() {
			// A link inside the folder may be followed. Look at the kind of file before
			// opening it: opening a pipe would block.
			if info, err := root.Stat(at); err != nil || !info.Mode().IsRegular() {
				f.problem = "is not a regular file inside the student's folder"
			}
		}
		if !l.add(f) {
			return fs.SkipAll
		}
		return nil
	})
}

// done closes what the listing has opened.
func (l *listing) done() {
	for _, c := range l.close {
		c.Close()
	}
}

// read returns the content of a file of at most limit bytes. The error is a *refusal.
func (l *listing) read(f file, limit int64) ([]byte, error) {
	refused := func(format string, a ...any) ([]byte, error) {
		return nil, &refusal{shown(f.path) + " " + fmt.Sprintf(format, a...)}
	}
	if f.problem != "" {
		return refused("%s", f.problem)
	}
	if l.budget <= 0 {
		return refused("was not read: the submission has more than %d MiB that could be answers", maxRead>>20)
	}
	opened, err := f.open()
	if err != nil {
		return refused("cannot be read")
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, limit+1))
	l.budget -= int64(len(content))
	switch {
	case err != nil:
		return refused("cannot be read")
	case int64(len(content)) > limit:
		return refused("is larger than %d KiB", limit>>10)
	}
	return content, nil
}

// plainText returns text as UTF-8 without a byte order mark. Editors on Windows write UTF-16.
func plainText(text []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return text
	}
	var units []uint16
	for text = text[2:]; len(text) > 1; text = text[2:] {
		units = append(units, order.Uint16(text))
	}
	return []byte(string(utf16.Decode(units)))
}

// isLitter reports whether a file or folder is not a student's work: if it is hidden, or if a
// system has added it to a folder or an archive.
func isLitter(name string) bool {
	return strings.HasPrefix(name, ".") || name == "__MACOSX" || strings.EqualFold(name, "Thumbs.db") || strings.EqualFold(name, "desktop.ini")
}

// hidden reports whether a file in an archive is litter or inside litter.
func hidden(at string) bool {
	for part := range strings.SplitSeq(at, "/") {
		if isLitter(part) && part != "." {
			return true
		}
	}
	return false
}

// trees are the copies of the course among the files: the paths of their roots and of their
// folders of exercises, each "" or with a slash at the end.
type trees struct{ roots, exercises map[string]bool }

var (
	inCourse    = regexp.MustCompile(`(?is)^(.*/)?lesson/exercises/`)
	inExercises = regexp.MustCompile(`(?is)^(.*/)?exercises/([^/]+)/([^/]+)$`)
)

func treesOf(files []file) trees {
	t := trees{map[string]bool{}, map[string]bool{}}
	for _, f := range files {
		if m := inCourse.FindStringSubmatch(f.at); m != nil {
			t.roots[m[1]], t.exercises[m[0]] = true, true
			continue
		}
		// A student may also hand in just the folder of the exercises.
		if m := inExercises.FindStringSubmatch(f.at); m != nil {
			stem, _ := splitKind(m[3])
			if exerciseOf(m[2]) != "" && exerciseOf(m[2]) == exerciseOf(stem) {
				t.exercises[strings.TrimSuffix(m[0], m[2]+"/"+m[3])] = true
			}
		}
	}
	return t
}

// ofCourse reports whether a file is in a copy of the course and not where an answer could
// be: it is the course's own.
func (t trees) ofCourse(f file) bool {
	for end := len(f.at); end >= 0; end = strings.LastIndexByte(f.at[:end], '/') {
		folder, below := f.at[:end], f.at[end:]
		if below != "" {
			folder, below = folder+"/", below[1:]
		} else {
			continue
		}
		if wrong, ok := t.outside(folder, below); ok {
			return wrong
		}
	}
	wrong, _ := t.outside("", f.at)
	return wrong
}

// outside reports whether a file with the path below a folder is the course's own. ok is
// whether the folder is that of a course or its exercises.
func (t trees) outside(folder, below string) (wrong, ok bool) {
	first, rest, nested := strings.Cut(below, "/")
	switch {
	case t.exercises[folder]:
		return !nested || exerciseOf(first) == "" || strings.Contains(rest, "/"), true
	case t.roots[folder]:
		return nested && (exerciseOf(first) == "" || strings.Contains(rest, "/")), true
	}
	return false, false
}
