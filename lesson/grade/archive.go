package grade

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The limits of an archive. Archives are read where they are and never unpacked, so these
// only bound the time and memory that a hostile one can take.
const (
	maxArchive   = 1 << 30  // bytes on disk
	maxInner     = 16 << 20 // bytes of an archive in an archive, which is read into memory
	maxDirectory = 16 << 20 // bytes of the list of files
	maxFiles     = 100_000  // files in an archive, or of a student in all
	maxPath      = 1000     // bytes of a file's path in an archive
	// An archive that claims to unpack to more than maxUnpacked bytes, and to more than
	// maxRatio times its size, is a bomb.
	maxUnpacked = 64 << 20
	maxRatio    = 200
)

// errDirectory says that the list of an archive's files is too long.
var errDirectory = fmt.Errorf("has more than %d files", maxFiles)

// directoryReader reads an archive and, until it is opened, at most left bytes.
type directoryReader struct {
	io.ReaderAt
	left   int
	opened bool
}

func (d *directoryReader) ReadAt(p []byte, at int64) (int, error) {
	if !d.opened {
		if d.left -= len(p); d.left < 0 {
			return 0, errDirectory
		}
	}
	return d.ReaderAt.ReadAt(p, at)
}

// drive matches the beginning of an absolute path on Windows.
var drive = regexp.MustCompile(`^[A-Za-z]:`)

// unzip lists the files of the archive f, which lies inside depth other archives.
func (l *listing) unzip(f file, depth int) {
	if err := l.unzipped(f, depth); err != nil {
		l.astray = append(l.astray, "the archive "+shown(f.path)+" "+err.Error())
	}
}

func (l *listing) unzipped(f file, depth int) error {
	if f.problem != "" {
		return errors.New(f.problem)
	}
	if depth > 1 {
		return errors.New("is inside another archive inside another one, and is not opened")
	}
	r, size, err := l.readerAt(f, depth)
	if err != nil {
		return err
	}
	directory := &directoryReader{ReaderAt: r, left: maxDirectory}
	archive, err := zip.NewReader(directory, size)
	directory.opened = true
	if errors.Is(err, errDirectory) {
		return errDirectory
	}
	// Unsafe paths are judged below, whatever GODEBUG says about them.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return errors.New("cannot be read: it is damaged or not a zip archive")
	}
	if len(archive.File) > maxFiles {
		return errDirectory
	}
	var unpacked uint64
	for _, entry := range archive.File {
		name := entryPath(entry)
		if path.IsAbs(name) || drive.MatchString(name) || slices.Contains(strings.Split(name, "/"), "..") {
			return fmt.Errorf("has a file with the path %s, which leads out of it", shown(entry.Name))
		}
		if len(name) > maxPath {
			return fmt.Errorf("has a file whose path is longer than %d characters", maxPath)
		}
		unpacked += min(entry.UncompressedSize64, 1<<40)
	}
	if unpacked > maxUnpacked && unpacked/maxRatio > uint64(size) {
		return fmt.Errorf("would unpack to %d MiB, more than %d times its size", unpacked>>20, maxRatio)
	}
	// Messages name the file with the archive, but what the archive is called does not matter
	// for what the files are, unless it numbers an attempt.
	folder, _ := splitKind(f.at)
	if folder != "" {
		folder += "/"
	}
	var inside []file
	for _, entry := range archive.File {
		name := entryPath(entry)
		if strings.HasSuffix(name, "/") || hidden(name) {
			continue
		}
		one := file{path: f.path + "/" + name, at: folder + path.Clean(name), origin: f.origin}
		switch {
		case entry.Mode()&fs.ModeSymlink != 0:
			one.problem = "is a link"
		case !entry.Mode().IsRegular():
			one.problem = "is not a regular file"
		case entry.Flags&1 != 0:
			one.problem = "is encrypted"
		}
		one.open = func() (io.ReadCloser, error) { return entry.Open() }
		if !l.add(one) {
			return nil
		}
		inside = append(inside, one)
	}
	course := treesOf(inside)
	for _, one := range inside {
		if _, kind := splitKind(path.Base(one.at)); kind == "zip" && !course.ofCourse(one) {
			l.unzip(one, depth+1)
		}
	}
	return nil
}

// entryPath returns the slash-separated path of a file in an archive. Some programs on Windows
// write backslashes.
func entryPath(entry *zip.File) string { return strings.ReplaceAll(entry.Name, `\`, "/") }

// readerAt opens an archive. One that is inside another is read into memory.
func (l *listing) readerAt(f file, depth int) (io.ReaderAt, int64, error) {
	if depth > 0 {
		content, err := l.read(f, maxInner)
		if err != nil {
			return nil, 0, errors.New(strings.TrimPrefix(err.Error(), shown(f.path)+" "))
		}
		return bytes.NewReader(content), int64(len(content)), nil
	}
	opened, err := f.open()
	if err != nil {
		return nil, 0, errors.New("cannot be read")
	}
	l.close = append(l.close, opened)
	on, ok := opened.(interface {
		io.ReaderAt
		Stat() (fs.FileInfo, error)
	})
	if !ok {
		return nil, 0, errors.New("cannot be read")
	}
	info, err := on.Stat()
	if err != nil {
		return nil, 0, errors.New("cannot be read")
	}
	if info.Size() > maxArchive {
		return nil, 0, fmt.Errorf("is larger than %d MiB", maxArchive>>20)
	}
	return on, info.Size(), nil
}
