package imagefolder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
)

// listing is what is in a folder before anything of it is decoded.
type listing struct {
	classes []string
	// files are sorted by path within their class, the classes as classes are, those to train
	// on before those to validate on.
	files []file
	// ownSplit is whether the folder says which files are for what.
	ownSplit bool
	skipped  []Skipped
}

var errLoose = errors.New("is in no class's folder")

type file struct {
	path       string
	class      int32
	validation bool // of a folder with a split of its own
}

func (l *listing) skip(path string, why error) {
	l.skipped = append(l.skipped, Skipped{path, why.Error()})
}

// list finds the classes and files in dir.
func list(ctx context.Context, dir string) (*listing, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("read a folder of pictures: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file, %s", dir, wantLayout(filepath.Dir(dir)))
	}
	l := &listing{}
	train, val, err := l.parts(dir)
	if err != nil {
		return nil, err
	}
	l.ownSplit = val != ""
	classes, err := l.classesIn(ctx, train)
	if err != nil {
		return nil, err
	}
	if len(classes) < 2 {
		return nil, fmt.Errorf("%s has pictures of one class alone, %s; %s", train, classes[0].name, wantLayout(train))
	}
	for i, class := range classes {
		l.classes = append(l.classes, class.name)
		l.add(class.paths, i, false)
	}
	if !l.ownSplit {
		return l, nil
	}
	held, err := l.classesIn(ctx, val)
	if errors.Is(err, ErrNoPictures) { // there are some, to train on
		return nil, fmt.Errorf("no pictures to validate on in %s, %s; or remove it, for a part of the others", val, wantLayout(val))
	}
	if err != nil {
		return nil, err
	}
	for _, class := range held {
		i, ok := slices.BinarySearch(l.classes, class.name)
		if !ok {
			return nil, fmt.Errorf("%s has pictures of a class that %s has none of; give both the same classes",
				filepath.Join(val, class.name), train)
		}
		l.add(class.paths, i, true)
	}
	return l, nil
}

// parts returns the folders of what is to train and to validate on, the latter "" if there is
// none. A folder for training alone is one only if nothing is beside it.
func (l *listing) parts(dir string) (train, val string, err error) {
	folders, loose, err := (&listing{}).lookInto(dir)
	if err != nil {
		return "", "", err
	}
	train = firstOf(folders, "train", "training")
	val = firstOf(folders, "val", "valid", "validation", "test", "testing")
	switch {
	case train == "" || val == "" && len(folders) > 1:
		return dir, "", nil
	case val == "":
		return filepath.Join(dir, train), "", nil
	}
	for _, folder := range folders {
		if folder != train && folder != val {
			l.skip(filepath.Join(dir, folder), fmt.Errorf("is not read: the pictures are those in %s and %s", train, val))
		}
	}
	for _, path := range loose {
		l.skip(path, errLoose)
	}
	return filepath.Join(dir, train), filepath.Join(dir, val), nil
}

// firstOf returns the folder with the first of the names that any has, in small or large
// letters; "" if none has one.
func firstOf(folders []string, names ...string) string {
	for _, name := range names {
		for _, folder := range folders {
			if strings.EqualFold(folder, name) {
				return folder
			}
		}
	}
	return ""
}

func (l *listing) add(paths []string, class int, validation bool) {
	for _, path := range paths {
		l.files = append(l.files, file{path, int32(class), validation})
	}
}

// class is a sub-folder with pictures.
type class struct {
	name  string
	paths []string
}

// classesIn returns the classes in dir, at least one, sorted by name.
func (l *listing) classesIn(ctx context.Context, dir string) ([]class, error) {
	folders, loose, err := l.lookInto(dir)
	if err != nil {
		return nil, err
	}
	var classes []class
	for _, name := range folders {
		// Names go to terminals and figures: no control sequences.
		if !printable.Is(name) {
			return nil, fmt.Errorf("%s: the sub-folder %q has a name that cannot be printed, want one that is a class's name", dir, name)
		}
		paths, err := l.walk(ctx, filepath.Join(dir, name), nil)
		if err != nil {
			return nil, fmt.Errorf("look for pictures in %s: %w", dir, err)
		}
		if len(paths) == 0 {
			l.skip(filepath.Join(dir, name), errors.New("holds no pictures, and so is no class"))
			continue
		}
		classes = append(classes, class{name, paths})
	}
	switch {
	case len(classes) > 0:
		for _, path := range loose {
			l.skip(path, errLoose)
		}
		return classes, nil
	case len(loose) > 0:
		return nil, fmt.Errorf("the pictures in %s are in no classes' folders, %s", dir, wantLayout(dir))
	}
	return nil, fmt.Errorf("%w in %s, %s", ErrNoPictures, dir, wantLayout(dir))
}

// lookInto returns the names of the folders in dir and the paths of the pictures, sorted.
func (l *listing) lookInto(dir string) (folders, pictures []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read a folder of pictures: %w", err)
	}
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(dir, entry.Name())
		if hidden(name) {
			continue
		}
		// A class may be a link to where its pictures are.
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			if entry.Type()&fs.ModeSymlink != 0 && contains(path, dir) {
				l.skip(path, errors.New("is a link to a folder that it is in itself"))
				continue
			}
			folders = append(folders, name)
		case picture.IsImageName(name):
			pictures = append(pictures, path)
		}
	}
	return folders, pictures, nil
}

// walk appends the paths of the pictures in dir and below it, in the order of their names.
func (l *listing) walk(ctx context.Context, dir string, paths []string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err // what is in there is not to be left out without anybody's knowing
	}
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(dir, entry.Name())
		if hidden(name) {
			continue
		}
		if entry.IsDir() {
			if paths, err = l.walk(ctx, path, paths); err != nil {
				return nil, err
			}
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			// Such a link can lead round in a circle.
			l.skip(path, errors.New("is a link to a folder; put the pictures themselves there"))
		case !picture.IsImageName(name):
		case err != nil:
			l.skip(path, unreadable(err))
		case !info.Mode().IsRegular():
			l.skip(path, errors.New("is no regular file"))
		default:
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// checkClasses is an error for a class of which no picture to train on could be decoded.
func (l *listing) checkClasses(refusals []error) error {
	good := make([]int, len(l.classes))
	first := make([]string, len(l.classes))
	for i, file := range l.files {
		switch {
		case file.validation:
		case refusals[i] == nil:
			good[file.class]++
		case first[file.class] == "":
			first[file.class] = fmt.Sprintf("%s %v", file.path, refusals[i])
		}
	}
	for class, n := range good {
		if n == 0 {
			return fmt.Errorf("no picture of class %s can be read, the first because %s; put others there, or remove the folder",
				l.classes[class], first[class])
		}
	}
	return nil
}

// wantLayout says how the pictures should lie in dir.
func wantLayout(dir string) string {
	return fmt.Sprintf("want a folder for each class in one folder, as %s and %s",
		filepath.Join(dir, "cat", "1.jpg"), filepath.Join(dir, "dog", "1.jpg"))
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// contains reports whether dir is, or is in, the folder that a link leads to.
func contains(link, dir string) bool {
	to, err := os.Stat(link)
	if err != nil {
		return true
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return true
	}
	for {
		if info, err := os.Stat(dir); err == nil && os.SameFile(to, info) {
			return true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false
		}
		dir = above
	}
}
