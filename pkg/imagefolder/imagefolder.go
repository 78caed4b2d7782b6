// Package imagefolder reads labelled photographs from a folder that has a sub-folder for each
// class, as torchvision's ImageFolder does, and makes them all the same size:
//
//	pets/cat/1.jpg
//	pets/cat/garden/2.png
//	pets/dog/1.jpg
//
// If the folder has sub-folders train and val (or valid, validation or test), as ImageNet
// does, they hold the training and the validation images:
//
//	pets/train/cat/1.jpg
//	pets/val/cat/2.png
//
// Otherwise a fifth of each class, chosen by a seed, is held out for validation. Single files
// that cannot be read do not fail the whole folder; see [Skipped].
//
// Where to find what:
//
//   - list.go: which files and classes there are, and which are for training
//   - decode.go: decoding and resizing, in parallel
//   - split.go: which images are held out for validation, and the order of the images
package imagefolder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

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

// Folder is the content of a folder.
type Folder struct {
	// Training and Validation mix the classes in an order that the seed determines. Their
	// class names are the names of the sub-folders, sorted by bytes as Python sorts them.
	Training, Validation *dataset.Images
	// Skipped lists the files and folders that were left out although they look like images
	// or classes.
	Skipped []Skipped
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

// Read reads the images in dir. It returns the same images in the same order on every
// machine.
//
// A file is an image if its name has an extension of images; its content decides the format;
// see package picture. Other files and hidden files are ignored. These are skipped and
// reported in [Folder.Skipped]: images that cannot be decoded, sub-folders without images,
// links to folders inside a class, and images outside the classes' folders.
//
// These are errors: dir is not a folder, a folder in it cannot be read, there are fewer than
// two classes ([ErrNoImages] if there are no images at all), no image of a class can be
// decoded (leaving the class out would renumber the others), and there is nothing to validate
// on. Images that would take more than 8 GiB of memory are a [*dataset.MemoryError], found
// before any of them is decoded.
func Read(ctx context.Context, dir string, o Options) (*Folder, error) {
	if err := o.Transform.Validate(); err != nil {
		return nil, err
	}
	if o.memory == 0 {
		o.memory = maxMemory
	}
	if o.workers == 0 {
		o.workers = runtime.GOMAXPROCS(0)
	}
	l, err := list(ctx, dir)
	if err != nil {
		return nil, err
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
	training, validation, rest := split(dir, l, failures, o.Seed)
	if len(validation) == 0 {
		return nil, fmt.Errorf("%s has no validation images: want a class with two or more readable images, or readable images in the validation folder if there is one", dir)
	}
	arrange(pixels, size, append(append(training[:len(training):len(training)], validation...), rest...))

	// Checkpoints record the name: with another one, old runs could not be resumed.
	whole := dataset.Images{Name: "pictures in " + baseName(dir), Classes: l.classes,
		Height: o.Transform.Height, Width: o.Transform.Width}
	part := func(from int, indices []int) *dataset.Images {
		images := whole
		to := from + len(indices)
		images.Pixels = pixels[from*size : to*size : to*size]
		images.Labels = make([]int32, len(indices))
		for i, index := range indices {
			images.Labels[i] = l.files[index].class
		}
		return &images
	}
	return &Folder{
		Training:   part(0, training),
		Validation: part(len(training), validation),
		Skipped:    l.skipped,
	}, nil
}

// baseName returns the folder's own name, even if the path is "." or ends in "..".
func baseName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return filepath.Base(dir)
}
