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

	"golang.org/x/text/unicode/norm"

	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
)

// listing is the content of a folder before any image is decoded.
type listing struct {
	classes []string
	// files are sorted by part, by class and by path within their class.
	files []file
	// skipped are images that cannot be read, passed what was passed over on purpose.
	skipped, passed []Skipped
	// unread are files in class folders that are not images, by extension.
	unread map[string]int
}

type file struct {
	path  string
	class int32
	part  part
	// frames says that the file has more frames or pages than the first, which is read.
	frames bool
}

func (l *listing) skip(path string, why error) {
	l.skipped = append(l.skipped, Skipped{path, why.Error()})
}

func (l *listing) pass(path, why string) {
	l.passed = append(l.passed, Skipped{path, why})
}

// has reports whether there are files of the part.
func (l *listing) has(p part) bool {
	return slices.ContainsFunc(l.files, func(f file) bool { return f.part == p })
}

const loose = "is not in a class folder"

// listAll finds the classes and files in dir to train on, to validate on and to test on. The
// classes are those of the training images.
func listAll(ctx context.Context, dir string) (*listing, error) {
	l := &listing{}
	folders, err := l.open(dir)
	if err != nil {
		return nil, err
	}
	train := folders.train
	if train == "" {
		if folders.split() {
			return nil, fmt.Errorf("%s has test images in %s, but no folder train beside it; to train on those images, name that folder",
				dir, folders.evaluated())
		}
		train = folders.root
	}
	classes, err := l.classesIn(ctx, train)
	if err != nil {
		return nil, err
	}
	if len(classes) < 2 {
		return nil, fmt.Errorf("%s has images of only one class, %s; %s", train, classes[0].name, wantLayout(train))
	}
	for i, class := range classes {
		l.classes = append(l.classes, class.name)
		l.add(class.paths, i, training)
	}
	if folders.val != "" {
		if err := l.addPart(ctx, folders.val, train, validation); err != nil {
			return nil, err
		}
	}
	if folders.test != "" {
		if err := l.addPart(ctx, folders.test, train, test); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// listTest finds the classes and files in dir to evaluate on: those in its folder for testing
// or else for validation, or all if it has neither.
func listTest(ctx context.Context, dir string) (*listing, part, error) {
	l := &listing{}
	folders, err := l.open(dir)
	if err != nil {
		return nil, 0, err
	}
	from, which := folders.root, all
	switch {
	case folders.test != "":
		from, which = folders.test, test
		// A competition's test images have no labels.
		if folders.val != "" && l.unlabelled(folders.test) {
			l.pass(folders.test, "has no class folders, so it is not used")
			from, which = folders.val, validation
		}
	case folders.val != "":
		from, which = folders.val, validation
	}
	classes, err := l.classesIn(ctx, from)
	if err != nil {
		if from == folders.test && folders.train != "" && l.unlabelled(from) {
			err = fmt.Errorf("%w; or name another folder, such as %s", err, folders.train)
		}
		return nil, 0, err
	}
	for i, class := range classes {
		l.classes = append(l.classes, class.name)
		l.add(class.paths, i, which)
	}
	return l, which, nil
}

// addPart adds the files in dir, whose classes must be those of the training images.
func (l *listing) addPart(ctx context.Context, dir, train string, p part) error {
	if p == test && l.unlabelled(dir) {
		l.pass(dir, "has no class folders, so it is not used")
		return nil
	}
	found, err := l.classesIn(ctx, dir)
	if errors.Is(err, ErrNoImages) { // not wrapped: there are training images
		return fmt.Errorf("no %s images in %s; %s, or remove it to hold out training images", p, dir, wantLayout(dir))
	}
	if err != nil {
		return err
	}
	known := func(c class) (int, bool) { return slices.BinarySearch(l.classes, c.name) }
	if _, ok := known(found[0]); p == test && len(found) == 1 && !ok {
		l.pass(dir, fmt.Sprintf("has only the folder %s, which is not one of the classes, so it is not used", found[0].name))
		return nil
	}
	for _, class := range found {
		i, ok := known(class)
		if !ok {
			return fmt.Errorf("%s is a class that %s does not have; give both the same classes",
				filepath.Join(dir, class.name), train)
		}
		l.add(class.paths, i, p)
	}
	return nil
}

// unlabelled reports whether dir has images but no folders.
func (l *listing) unlabelled(dir string) bool {
	folders, images, err := (&listing{}).lookInto(dir)
	return err == nil && len(folders) == 0 && len(images) > 0
}

// open checks that dir is a folder, and finds its parts.
func (l *listing) open(dir string) (partFolders, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return partFolders{}, fmt.Errorf("read an image folder: %w", err)
	}
	if !info.IsDir() {
		return partFolders{}, fmt.Errorf("%s is a file; %s", dir, wantLayout(filepath.Dir(dir)))
	}
	return l.parts(dir)
}

func (l *listing) add(paths []string, class int, p part) {
	for _, path := range paths {
		l.files = append(l.files, file{path: path, class: int32(class), part: p})
	}
}

// class is a subfolder with images, or several whose names are the same text in different
// Unicode forms.
type class struct {
	name  string
	paths []string
}

// classesIn returns the classes in dir, sorted by name. There is at least one.
func (l *listing) classesIn(ctx context.Context, dir string) ([]class, error) {
	folders, images, err := l.lookInto(dir)
	if err != nil {
		return nil, err
	}
	var classes []class
	for _, folder := range folders {
		// The names of classes go to terminals and figures.
		if !printable.Is(folder) {
			return nil, fmt.Errorf("%s: subfolder %q has unprintable characters in its name; rename it", dir, folder)
		}
		paths, err := l.walk(ctx, filepath.Join(dir, folder), nil)
		if err != nil {
			return nil, fmt.Errorf("look for images in %s: %w", dir, err)
		}
		if len(paths) == 0 {
			l.pass(filepath.Join(dir, folder), "has no images, so it is not a class")
			continue
		}
		// Macs decompose accented letters (NFD), other systems do not (NFC).
		name := norm.NFC.String(folder)
		if i := slices.IndexFunc(classes, func(c class) bool { return c.name == name }); i >= 0 {
			classes[i].paths = append(classes[i].paths, paths...)
			continue
		}
		classes = append(classes, class{name, paths})
	}
	slices.SortFunc(classes, func(a, b class) int { return strings.Compare(a.name, b.name) })
	switch {
	case len(classes) > 0:
		for _, path := range images {
			l.pass(path, loose)
		}
		return classes, nil
	case len(images) > 0:
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
		if ignored(entry) {
			continue
		}
		// A class may be a link to the folder with its images.
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			if entry.Type()&fs.ModeSymlink != 0 && contains(path, dir) {
				l.pass(path, "is a link to a folder that contains it")
				continue
			}
			folders = append(folders, name)
		case picture.IsImageName(name):
			images = append(images, path)
		case err != nil && entry.Type()&fs.ModeSymlink != 0:
			// It may have been a class.
			l.pass(path, "is a link that leads nowhere")
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
		if ignored(entry) {
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
			l.pass(path, "is a link to a folder; copy the images themselves there")
		case !picture.IsImageName(name):
			if l.unread == nil {
				l.unread = map[string]int{}
			}
			l.unread[strings.ToLower(filepath.Ext(name))]++
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

// checkClasses returns an error if no image of a class could be decoded that is to be trained
// on or, if there are none to train on, that is to be evaluated on.
func (l *listing) checkClasses(failures []error) error {
	good := make([]int, len(l.classes))
	first := make([]string, len(l.classes))
	which := training
	if !l.has(training) && len(l.files) > 0 {
		which = l.files[0].part
	}
	for i, file := range l.files {
		switch {
		case file.part != which:
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
	return fmt.Sprintf("want a subfolder for each class, as in %s and %s",
		filepath.Join(dir, "cat", "1.jpg"), filepath.Join(dir, "dog", "1.jpg"))
}

// ignored reports whether a file or folder is one that systems and programs make for
// themselves.
func ignored(entry fs.DirEntry) bool {
	name := entry.Name()
	if strings.HasPrefix(name, ".") {
		return true
	}
	// As in @eaDir and $RECYCLE.BIN; photographs may be named after accounts or prices.
	if entry.IsDir() && (strings.HasPrefix(name, "@") || strings.HasPrefix(name, "$")) {
		return true
	}
	switch strings.ToLower(name) {
	case "__macosx", "__pycache__", "lost+found", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r":
		return true
	}
	return false
}

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
