package cifar

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/printable"
)

// ErrNoData is the cause of the error for a folder that has nothing of CIFAR-10 or CIFAR-100.
var ErrNoData = errors.New("no CIFAR data")

// Read reads the training and the test images in dir, in file order. dir contains the .bin
// files, or the folder cifar-10-batches-bin or cifar-100-binary with them. The data set is
// detected from the files. All record files must be there with at least one record each; they
// may have fewer records than the official files.
//
// The images are named CIFAR-10 or CIFAR-100 only if they are verified: either the files are
// unchanged since a [Fetcher] unpacked them or, for CIFAR-10 files from elsewhere, each begins
// with the official first 100 records. The copy of CIFAR-10 as JPEG that the course was made with
// is recognised in the same way, and named "CIFAR-10 (JPEG)". If such files from elsewhere have
// fewer than the official 10,000 records, "(subset)" is added. Anything else is named "images in D
// (CIFAR-10 layout)" or "images in D (CIFAR-100 layout)", where D is the base name of dir.
//
// If batches.meta.txt does not list ten class names, CIFAR-10's own are used. CIFAR-100 needs
// its fine_label_names.txt.
func Read(dir string) (train, test *dataset.Images, err error) {
	home, l, classes, err := open(dir)
	if err != nil {
		return nil, nil, err
	}
	if train, err = l.readImages(home, l.train); err != nil {
		return nil, nil, err
	}
	if test, err = l.readImages(home, []string{l.test}); err != nil {
		return nil, nil, err
	}
	name := l.verifiedName(home, dir, l.records())
	train.Name, test.Name = name, name
	train.Classes, test.Classes = classes, classes
	return train, test, nil
}

// ReadTest reads only the test images in dir, and needs no other record file. The images are
// named as by [Read], except that only the test file is verified.
func ReadTest(dir string) (*dataset.Images, error) {
	home, l, classes, err := open(dir)
	if err != nil {
		return nil, err
	}
	test, err := l.readImages(home, []string{l.test})
	if err != nil {
		return nil, err
	}
	test.Name, test.Classes = l.verifiedName(home, dir, []string{l.test}), classes
	return test, nil
}

// open finds the files and reads the class names.
func open(dir string) (home string, l layout, classes []string, err error) {
	if home, l, err = locate(dir); err != nil {
		return "", layout{}, nil, err
	}
	classes, err = l.readClasses(home)
	return home, l, classes, err
}

// readImages reads the named record files in home, one after the other. All their sizes are
// checked before memory is allocated.
func (l layout) readImages(home string, names []string) (*dataset.Images, error) {
	var records int64
	for _, name := range names {
		path := filepath.Join(home, name)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s is missing: %v needs %s; fetch the data set again or copy the file there", path, l.kind, strings.Join(names, ", "))
		case err != nil:
			return nil, fmt.Errorf("read %v: %w", l.kind, err)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s: not a regular file, want a record file of %v", path, l.kind)
		case info.Size() > int64(l.maxRecords)*l.recordSize():
			return nil, l.tooManyError(path)
		}
		records += info.Size() / l.recordSize()
	}
	pixels := make([]byte, 0, records*planes*side*side)
	labels := make([]int32, 0, records)
	for _, name := range names {
		var err error
		if pixels, labels, err = l.appendFile(pixels, labels, filepath.Join(home, name)); err != nil {
			return nil, err
		}
	}
	return &dataset.Images{Height: side, Width: side, Pixels: pixels, Labels: labels}, nil
}

func (l layout) appendFile(pixels []byte, labels []int32, path string) ([]byte, []int32, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %v: %w", l.kind, err)
	}
	defer file.Close()
	return l.appendRecords(pixels, labels, file, path)
}

// readClasses reads the file of class names in home.
func (l layout) readClasses(home string) ([]string, error) {
	path := filepath.Join(home, l.classNames)
	names, err := readLines(path)
	if err == nil && len(names) != l.classes() {
		err = fmt.Errorf("%s: %d class names, want %d, one per line; fetch or copy the file again", path, len(names), l.classes())
	}
	if err == nil {
		return names, nil
	}
	if l.kind == CIFAR10 {
		return l.kind.Classes(), nil
	}
	return nil, fmt.Errorf("read the class names of %v: %w", l.kind, err)
}

// readLines returns the non-blank lines of a small text file.
func readLines(path string) ([]string, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		// The names go to terminals and figures.
		if !printable.Is(line) {
			return nil, fmt.Errorf("%s: not a text file", path)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// maxText bounds the size of text files; the longest official one has about 1 kB.
const maxText = 1 << 16

// readSmall reads a regular file with at most maxText bytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxText {
		return nil, fmt.Errorf("%s: not a regular file of at most %d bytes", path, maxText)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxText))
}

// locate returns the folder that contains the files, dir or one in it, and their layout.
func locate(dir string) (home string, l layout, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", layout{}, fmt.Errorf("read CIFAR data: %w", err)
	}
	if !info.IsDir() {
		return "", layout{}, locateInFile(dir)
	}
	var homes []string
	for _, candidate := range layouts() {
		for _, folder := range []string{dir, filepath.Join(dir, candidate.folder)} {
			files, err := list(folder)
			if err != nil {
				return "", layout{}, fmt.Errorf("read CIFAR data: %w", err)
			}
			if hasAny(files, append(candidate.records(), candidate.classNames)) {
				homes = append(homes, folder)
				home, l = folder, candidate
				break
			}
		}
	}
	switch len(homes) {
	case 0:
		return "", layout{}, noneError(dir)
	case 1:
		return home, l, nil
	}
	return "", layout{}, fmt.Errorf("%s holds both CIFAR-10 and CIFAR-100 files; choose the folder of one of them, such as %s", dir, homes[0])
}

// locateInFile returns the error for a path that is a file instead of a folder.
func locateInFile(path string) error {
	if l, ok := pickledArchive(path); ok {
		return l.pickleError(path)
	}
	return fmt.Errorf("%s is a file, want the folder with the .bin files; unpack the file or, if it is the official archive, put it into the cache folder and fetch", path)
}

// noneError returns the error for a folder without CIFAR files. It names what is there
// instead: pickles or an archive.
func noneError(dir string) error {
	for _, l := range layouts() {
		for _, folder := range []string{dir, filepath.Join(dir, l.pickled)} {
			if files, err := list(folder); err == nil && hasAll(files, l.pickles) {
				return l.pickleError(folder)
			}
		}
	}
	for _, l := range layouts() {
		for _, name := range []string{strings.Replace(l.archive, "binary", "python", 1), l.archive} {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return locateInFile(path)
			}
		}
	}
	return fmt.Errorf("%s holds %w; want the .bin files of cifar-10-batches-bin or cifar-100-binary", dir, ErrNoData)
}

// list returns the names of the files in dir, and none if there is no such folder.
func list(dir string) (map[string]bool, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make(map[string]bool)
	for _, entry := range entries {
		if !entry.IsDir() {
			files[entry.Name()] = true
		}
	}
	return files, nil
}

func hasAny(files map[string]bool, names []string) bool {
	for _, name := range names {
		if files[name] {
			return true
		}
	}
	return false
}

func hasAll(files map[string]bool, names []string) bool {
	for _, name := range names {
		if !files[name] {
			return false
		}
	}
	return true
}
