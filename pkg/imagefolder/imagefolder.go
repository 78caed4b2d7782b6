// Package imagefolder reads labelled photographs from a folder that has a subfolder for each
// class, as torchvision's ImageFolder does, and makes them all the same size:
//
//	pets/cat/1.jpg
//	pets/cat/garden/2.png
//	pets/dog/1.jpg
//
// If the folder has subfolders train, val and test, or some of them, they hold the images to
// train on, to validate on and to test on. Names such as validation, training_set and seg_test
// stand for the same:
//
//	pets/train/cat/1.jpg
//	pets/val/cat/2.png
//	pets/test/cat/3.png
//
// [Read] reads images to train on, and some to evaluate on: those of val and test or, if the
// folder has neither, a fifth of each class, chosen by a seed, which is held out. [ReadTest]
// reads only the images to evaluate on, and holds nothing out: those of test, or else of val,
// or else all.
//
// Single files that cannot be read do not fail the whole folder; see [Skipped].
//
// Where to find what:
//
//   - list.go: which files and classes there are
//   - parts.go: which folders are for training, validation and testing
//   - decode.go: decoding and resizing, in parallel
//   - split.go: which images are held out, and the order of the images
package imagefolder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
)

// Options for [Read].
type Options struct {
	// Transform makes the photographs images of one size.
	Transform picture.Transform
	// Seed determines which images are held out, and the order of the images.
	Seed uint64
	// Progress, if not nil, is called with the number of files decoded and the number of all
	// files.
	Progress func(done, total int)

	// Tests change these; 0 stands for maxMemory, and for a worker per processor.
	memory  int64
	workers int
}

// maxMemory bounds the bytes of all images together.
const maxMemory = 8 << 30

// Folder is the content of a folder. Its images mix the classes in an order that the seed
// determines. The class names are the names of the subfolders in Unicode's composed form
// (NFC), sorted by bytes as Python sorts them.
type Folder struct {
	Training *dataset.Images // nil after ReadTest
	// Validation and Test are the images to evaluate on. At least one is there; the other may
	// be nil. Images that are held out are in Validation.
	Validation, Test *dataset.Images
	// Skipped lists the images that cannot be read.
	Skipped []Skipped
	// PassedOver lists what was left out on purpose: folders that are neither a class nor a
	// part, images outside the class folders, links to folders, and, where a class could be, links
	// that lead nowhere.
	PassedOver []Skipped
	// Unread counts the files in class folders whose names are not those of images, by
	// extension in lower case, such as ".csv".
	Unread map[string]int
	// Animated lists the images with several frames or pages. The first frame is read.
	Animated []string
}

// Skipped is a file or folder that was left out.
type Skipped struct {
	Path string
	// Why reads as the end of a sentence that begins with the path: "is damaged: unexpected
	// EOF".
	Why string
}

// ErrNoImages is the cause of the error for a folder without a single image.
var ErrNoImages = errors.New("no images")

// Read reads the images in dir to train on and to evaluate on. It returns the same images in
// the same order on every machine.
//
// A file is an image if its name has an extension of images; its content decides the format;
// see package picture. Other files are counted in [Folder.Unread]. Files and folders whose names
// begin with a dot are ignored, and so are those that systems make: thumbs.db, __MACOSX and their like,
// and folders whose names begin with @ or $. Images that cannot be decoded are left out and reported
// in [Folder.Skipped].
//
// These are errors: dir is not a folder, a folder in it cannot be read, there are fewer than
// two classes ([ErrNoImages] if there are no images at all), the images to evaluate on have
// classes that those to train on do not have, no image of a class can be decoded (leaving the
// class out would renumber the others), and there is nothing to evaluate on. Images that would
// take more than 8 GiB of memory are a [*dataset.MemoryError], found before any of them is
// decoded.
func Read(ctx context.Context, dir string, o Options) (*Folder, error) {
	l, err := listAll(ctx, dir)
	if err != nil {
		return nil, err
	}
	holdOut := !l.has(validation) && !l.has(test)
	folder, err := o.read(ctx, dir, l, holdOut)
	if err != nil {
		return nil, err
	}
	if folder.Validation == nil && folder.Test == nil {
		return nil, fmt.Errorf("%s has no images to evaluate on: want a class with two or more readable images, or readable images in the folder for validation or testing if there is one", dir)
	}
	return folder, nil
}

// ReadTest reads only the images in dir to evaluate on, as [Folder.Test]; their Split says
// which they are. Other images are not opened, one class is enough, and nothing is held out.
// In all other respects it does what Read does.
func ReadTest(ctx context.Context, dir string, o Options) (*Folder, error) {
	l, which, err := listTest(ctx, dir)
	if err != nil {
		return nil, err
	}
	folder, err := o.read(ctx, dir, l, false)
	if err != nil {
		return nil, err
	}
	if which == validation {
		folder.Validation, folder.Test = nil, folder.Validation
	}
	return folder, nil
}

// read decodes the files of the listing.
func (o Options) read(ctx context.Context, dir string, l *listing, holdOut bool) (*Folder, error) {
	if err := o.Transform.Validate(); err != nil {
		return nil, err
	}
	if o.memory == 0 {
		o.memory = maxMemory
	}
	if o.workers == 0 {
		o.workers = runtime.GOMAXPROCS(0)
	}
	if err := dataset.CheckMemory(len(l.files), o.Transform.Height, o.Transform.Width, o.memory); err != nil {
		return nil, fmt.Errorf("read the images in %s: %w", dir, err)
	}
	size := o.Transform.Height * o.Transform.Width * 3
	pixels := make([]byte, len(l.files)*size)
	failures, err := o.decode(ctx, l.files, pixels)
	if err != nil {
		return nil, fmt.Errorf("read the images in %s: %w", dir, err)
	}
	for i, failure := range failures {
		if failure != nil {
			l.skip(l.files[i].path, failure)
		}
	}
	if err := l.checkClasses(failures); err != nil {
		return nil, err
	}
	parts, rest := split(dir, l, failures, o.Seed, holdOut)
	arrange(pixels, size, slices.Concat(parts[training], parts[validation], parts[test], parts[all], rest))

	// Checkpoints record the name: with another one, old runs could not be resumed.
	whole := dataset.Images{Name: "pictures in " + baseName(dir), Classes: l.classes,
		Height: o.Transform.Height, Width: o.Transform.Width}
	from := 0
	take := func(p part, split dataset.Split) *dataset.Images {
		indices := parts[p]
		if len(indices) == 0 {
			return nil
		}
		images := whole
		images.Split = split
		to := from + len(indices)
		images.Pixels = pixels[from*size : to*size : to*size]
		images.Labels = make([]int32, len(indices))
		for i, index := range indices {
			images.Labels[i] = l.files[index].class
		}
		from = to
		return &images
	}
	folder := &Folder{Skipped: l.skipped, PassedOver: l.passed, Unread: l.unread}
	for _, file := range l.files {
		if file.frames {
			folder.Animated = append(folder.Animated, file.path)
		}
	}
	folder.Training = take(training, dataset.Training)
	folder.Validation = take(validation, dataset.Validation)
	if holdOut && folder.Validation != nil {
		folder.Validation.Split = dataset.HeldOut
	}
	folder.Test = take(test, dataset.Test)
	if everything := take(all, dataset.All); everything != nil {
		folder.Test = everything
	}
	return folder, nil
}

// baseName returns the folder's own name, even if the path is "." or ends in "..".
func baseName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return filepath.Base(dir)
}
