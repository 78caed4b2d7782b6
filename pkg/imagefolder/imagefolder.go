// Package imagefolder reads labelled photographs from a folder that has one sub-folder for
// each class, as torchvision's ImageFolder does, and makes them images of one size:
//
//	pets/cat/1.jpg
//	pets/cat/garden/2.png
//	pets/dog/1.jpg
//
// Where there are folders train and val (or valid, validation or test), as of ImageNet, each
// with the classes' folders in it, those are the training and the validation images:
//
//	pets/train/cat/1.jpg
//	pets/val/cat/2.png
//
// Otherwise a part of each class, chosen by a seed, is held out for validation. Folders that
// hold a broken file or two can be read; see [Skipped].
package imagefolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
)

// Options for Read. 0 stands for the default of a number.
type Options struct {
	// Transform makes the pictures images of one size.
	Transform picture.Transform
	// Limits bound a single picture.
	Limits picture.Limits
	// Validation is the share of each class that is held out, above 0 and below 1, where the
	// folder has no split of its own; 0.2 by default.
	Validation float64
	// Seed of the held-out part, and of the order of the images.
	Seed uint64
	// Memory bounds the bytes of all images together; 8 GiB by default.
	Memory int64
	// Workers is the number of pictures that are decoded at a time; by default one for each
	// processor.
	Workers int
	// Progress is shown how many pictures of how many are decoded; it may be nil.
	Progress func(done, total int)
}

const (
	defaultValidation = 0.2
	defaultMemory     = 8 << 30
)

// Folder is what a folder holds.
type Folder struct {
	// Training and Validation are in an order that the seed gives, the classes mixed. Their classes are the names
	// of the sub-folders, sorted by their bytes.
	Training, Validation *dataset.Images
	// Skipped are the files that look as if they belonged to it and were left out.
	Skipped []Skipped
}

// Skipped is a file or folder that was left out.
type Skipped struct {
	Path string
	// Why continues a sentence that begins with the path: "is damaged: unexpected EOF".
	Why string
}

// ErrNoPictures is that of a folder in which there is no picture anywhere.
var ErrNoPictures = errors.New("no pictures")

// Read reads the pictures in dir. It gives the same images in the same order on every
// machine and for every number of workers.
//
// Pictures are told by their names' ends and decoded by their content; see package picture.
// Other files, and names that begin with a dot, are passed over. Pictures that cannot be
// decoded are skipped and reported; so are sub-folders without pictures, which are no
// classes, links from within a class to folders, and pictures outside the classes' folders.
//
// It is an error if dir is no folder, if a folder in it cannot be read, if it has fewer than
// two classes ([ErrNoPictures] if it has none, nor any other picture), if a class has
// pictures of which none can be decoded (to lose it silently would number the others anew),
// if there is nothing to validate on, and if the images would take more memory than allowed,
// which is found before any is decoded.
func Read(ctx context.Context, dir string, o Options) (*Folder, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	l, err := list(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := o.checkMemory(dir, len(l.files)); err != nil {
		return nil, err
	}
	size := o.Transform.Height * o.Transform.Width * 3
	pixels := make([]byte, len(l.files)*size)
	refusals, err := o.decode(ctx, l.files, pixels)
	if err != nil {
		return nil, fmt.Errorf("read the pictures in %s: %w", dir, err)
	}
	for i, refusal := range refusals {
		if refusal != nil {
			l.skip(l.files[i].path, refusal)
		}
	}
	if err := l.checkClasses(refusals); err != nil {
		return nil, err
	}
	training, validation, rest := o.split(dir, l, refusals)
	if len(validation) == 0 {
		return nil, fmt.Errorf("%s has no pictures to validate on: want two or more that can be read in some class, or in the folder for validation if there is one", dir)
	}
	arrange(pixels, size, append(append(training[:len(training):len(training)], validation...), rest...))

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

// complete returns the options with their defaults, or what is wrong with them.
func (o Options) complete() (Options, error) {
	if err := o.Transform.Validate(); err != nil {
		return o, err
	}
	if o.Validation == 0 {
		o.Validation = defaultValidation
	}
	if !(o.Validation > 0 && o.Validation < 1) {
		return o, fmt.Errorf("a share of %g of the pictures for validation, want one above 0 and below 1", o.Validation)
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return o, nil
}

func (o Options) checkMemory(dir string, files int) error {
	const gib = 1 << 30
	needed := int64(files) * int64(o.Transform.Height*o.Transform.Width*3)
	if needed <= o.Memory {
		return nil
	}
	return fmt.Errorf("the %d pictures in %s take %.2f GiB at %d×%d pixels, more than the %.2f GiB allowed; take fewer pictures or a smaller size",
		files, dir, float64(needed)/gib, o.Transform.Height, o.Transform.Width, float64(o.Memory)/gib)
}

// split returns the indices of the files to train on, of those to validate on, and of the
// rest, which could not be decoded, each in the order of the seed.
func (o Options) split(dir string, l *listing, refusals []error) (training, validation, rest []int) {
	held := make([]int, len(l.classes))
	if !l.ownSplit {
		good := make([]int, len(l.classes))
		for i, file := range l.files {
			if refusals[i] == nil {
				good[file.class]++
			}
		}
		for class, n := range good {
			// One at least on each side, if there are two.
			held[class] = min(max(1, int(math.Round(o.Validation*float64(n)))), n-1)
		}
	}
	for _, i := range o.order(dir, l.files) {
		file := l.files[i]
		switch {
		case refusals[i] != nil:
			rest = append(rest, i)
		case file.validation:
			validation = append(validation, i)
		case held[file.class] > 0:
			held[file.class]--
			validation = append(validation, i)
		default:
			training = append(training, i)
		}
	}
	return training, validation, rest
}

// order returns the indices of the files in an order that looks random: that of a hash of the
// seed and each one's path in dir. So a picture that is added later, or lost, leaves the
// others where they are, and few that a network was trained on come to be validated on.
func (o Options) order(dir string, files []file) []int {
	keys := make([][sha256.Size]byte, len(files))
	order := make([]int, len(files))
	for i, file := range files {
		path, err := filepath.Rel(dir, file.path)
		if err != nil { // impossible, of a path in dir
			path = file.path
		}
		text := binary.LittleEndian.AppendUint64(nil, o.Seed)
		keys[i] = sha256.Sum256(append(text, filepath.ToSlash(path)...))
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return bytes.Compare(keys[i][:], keys[j][:]) })
	return order
}

// arrange puts record order[i] at place i, for all i, in the memory that they have.
func arrange(records []byte, size int, order []int) {
	record := func(i int) []byte { return records[i*size : (i+1)*size] }
	spare := make([]byte, size)
	placed := make([]bool, len(order))
	for start := range order {
		if placed[start] {
			continue
		}
		copy(spare, record(start))
		i := start
		for ; order[i] != start; i = order[i] {
			copy(record(i), record(order[i]))
			placed[i] = true
		}
		copy(record(i), spare)
		placed[i] = true
	}
}

// baseName is the folder's own name, also where the path is "." or ends in "..".
func baseName(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	return filepath.Base(dir)
}
