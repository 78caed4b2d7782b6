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

// listing is the content of a folder before any image is decoded.
type listing struct {
	classes []string
	// files are sorted by class and by path within their class, first the files to train on and
	// then, if the folder has its own split, those to validate on.
	files []file
	// ownSplit reports whether the folder has sub-folders for training and validation.
	ownSplit bool
	skipped  []Skipped
}

var errLoose = errors.New("is not in a class folder")

type file struct {
	path       string
	class      int32
	validation bool // only if the folder has its own split
}

func (l *listing) skip(path string, why error) {
	l.skipped = append(l.skipped, Skipped{path, why.Error()})
}

// list finds the classes and files in dir.
func list(ctx context.Context, dir string) (*listing, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("read an image folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file; %s", dir, wantLayout(filepath.Dir(dir)))
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
		return nil, fmt.Errorf("%s has images of only one class, %s; %s", train, classes[0].name, wantLayout(train))
	}
	for i, class := range classes {
		l.classes = append(l.classes, class.name)
		l.add(class.paths, i, false)
	}
	if !l.ownSplit {
		return l, nil
	}
	held, err := l.classesIn(ctx, val)
	if errors.Is(err, ErrNoImages) { // not wrapped: there are training images
		return nil, fmt.Errorf("no validation images in %s; %s, or remove it to hold out training images", val, wantLayout(val))
	}
	if err != nil {
		return nil, err
	}
	for _, class := range held {
		i, ok := slices.BinarySearch(l.classes, class.name)
		if !ok {
			return nil, fmt.Errorf("%s is a class that %s does not have; give both the same classes",
				filepath.Join(val, class.name), train)
		}
		l.add(class.paths, i, true)
	}
	return l, nil
}

// parts returns the folders with the training and the validation images, val "" if the folder
// has no split of its own. A folder "train" without a folder for validation counts only if
// there is no other folder beside it; otherwise it is a class.
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
			l.skip(filepath.Join(dir, folder), fmt.Errorf("is not used: the images come from %s and %s", train, val))
		}
	}
	for _, path := range loose {
		l.skip(path, errLoose)
	}
	return filepath.Join(dir, train), filepath.Join(dir, val), nil
}

// firstOf returns the folder with the first of the names that is found, in upper or lower
// case, or "".
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

// class is a sub-folder with images.
type class struct {
	name  string
	paths []string
}

// classesIn returns the classes in dir, sorted by name. There is at least one.
func (l *listing) classesIn(ctx context.Context, dir string) ([]class, error) {
	folders, loose, err := l.lookInto(dir)
	if err != nil {
		return nil, err
	}
	var classes []class
	for _, name := range folders {
		// The names of classes go to terminals and figures.
		if !printable.Is(name) {
			return nil, fmt.Errorf("%s: sub-folder %q has unprintable characters in its name; rename it", dir, name)
		}
		paths, err := l.walk(ctx, filepath.Join(dir, name), nil)
		if err != nil {
			return nil, fmt.Errorf("look for images in %s: %w", dir, err)
		}
		if len(paths) == 0 {
			l.skip(filepath.Join(dir, name), errors.New("has no images, so it is not a class"))
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
		return nil, fmt.Errorf("the images in %s are not in class folders; %s", dir, wantLayout(dir))
	}
	return nil, fmt.Errorf("%w in %s; %s", ErrNoImages, dir, wantLayout(dir))
}

// lookInto returns the names of the folders in dir and the paths of the images directly in it,
// both sorted.
func (l *listing) lookInto(dir string) (folders, images []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read an image folder: %w", err)
	}
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(dir, entry.Name())
		if hidden(name) {
			continue
		}
		// A class may be a link to the folder with its images.
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			if entry.Type()&fs.ModeSymlink != 0 && contains(path, dir) {
				l.skip(path, errors.New("is a link to a folder that contains it"))
				continue
			}
			folders = append(folders, name)
		case picture.IsImageName(name):
			images = append(images, path)
		}
	}
	return folders, images, nil
}

// walk appends the paths of the images in dir and below it, sorted by name.
func (l *listing) walk(ctx context.Context, dir string, paths []string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err // not skipped: it could hide many images
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
			// Links to folders can form a loop.
			l.skip(path, errors.New("is a link to a folder; copy the images themselves there"))
		case !picture.IsImageName(name):
		case err != nil:
			l.skip(path, unreadable(err))
		case !info.Mode().IsRegular():
			l.skip(path, errors.New("is not a regular file"))
		default:
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// checkClasses returns an error if no training image of a class could be decoded.
func (l *listing) checkClasses(failures []error) error {
	good := make([]int, len(l.classes))
	first := make([]string, len(l.classes))
	for i, file := range l.files {
		switch {
		case file.validation:
		case failures[i] == nil:
			good[file.class]++
		case first[file.class] == "":
			first[file.class] = fmt.Sprintf("%s %v", file.path, failures[i])
		}
	}
	for class, n := range good {
		if n == 0 {
			return fmt.Errorf("no image of class %s can be read: %s; add images that can be, or remove the folder",
				l.classes[class], first[class])
		}
	}
	return nil
}

// wantLayout says how the images in dir should be arranged.
func wantLayout(dir string) string {
	return fmt.Sprintf("want a sub-folder for each class, as in %s and %s",
		filepath.Join(dir, "cat", "1.jpg"), filepath.Join(dir, "dog", "1.jpg"))
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// contains reports whether a link leads to dir or to a folder that dir is in.
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
