// Package datasource finds the images a lesson is to use: real CIFAR where it can be had, the
// built-in shapes otherwise, said in so many words, or people's own photographs.
package datasource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/imagefolder"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/shapes10"
)

// The names of data that are no folder.
const (
	Auto     = "auto"     // CIFAR-10 if it can be had, the built-in set if not
	AtHand   = "at-hand"  // CIFAR-10 if it is in the cache, the built-in set if not
	CIFAR10  = "cifar10"  // from the cache or the network
	CIFAR100 = "cifar100" // from the cache or the network
	Builtin  = "builtin"  // drawn on the spot; see package shapes10
)

// builtinSeed makes the built-in set the same for everybody, and folderSeed the part of a
// folder of pictures that is held out.
const (
	builtinSeed = 1
	folderSeed  = 1
)

// defaultTransform makes pictures the size of CIFAR's images.
var defaultTransform = picture.Transform{Resize: 32, Height: 32, Width: 32}

// Set is training and test images.
type Set struct {
	Training, Test *dataset.Images
	// Spec is the name or folder that gives these images again: what Auto came to, and of a
	// folder its path from the root.
	Spec string
	// Notice, if not empty, is what people must be told before they look at results.
	Notice string
	// Skipped is how many pictures of a folder were left out, since they cannot be read.
	Skipped int
}

// Caption is the line for figures that says what the data is.
func (s *Set) Caption() string {
	caption := "data: " + s.Training.Name
	if s.Spec == Builtin {
		caption += ", drawn shapes, not CIFAR-10"
	}
	return caption
}

// Options for Open.
type Options struct {
	// Subset takes part of the training and of the test images: "500" the first 500 of each,
	// "50/class" the first 50 of each class, "5000,1000" 5000 of the one and 1000 of the
	// other. Empty takes all.
	Subset string
	// Transform makes the pictures of a folder images of one size; the zero Transform stands
	// for the middle at 32×32 pixels. Other data have their size.
	Transform picture.Transform
	// Progress is shown how much of a download is there; it may be nil.
	Progress func(done, total int64)
	// Decoded is shown how many pictures of a folder are decoded; it may be nil.
	Decoded func(done, total int)
}

// Open returns the images that spec names: Auto, AtHand, CIFAR10, CIFAR100, Builtin, or a
// folder. That is one in the layout of CIFAR's binary archives, or one of pictures with a
// sub-folder for each class; see package imagefolder. Of pictures a fifth of each class is
// the test images, always the same, unless the folder has some of its own.
func Open(ctx context.Context, spec string, o Options) (*Set, error) {
	forTraining, forTest, two := strings.Cut(o.Subset, ",")
	if !two {
		forTest = forTraining
	}
	training, err := parseSubset(forTraining)
	if err != nil {
		return nil, err
	}
	test, err := parseSubset(forTest)
	if err != nil {
		return nil, err
	}
	set, err := open(ctx, spec, o)
	if err != nil {
		return nil, err
	}
	set.Training, set.Test = training(set.Training), test(set.Test)
	return set, nil
}

func open(ctx context.Context, spec string, o Options) (*Set, error) {
	fetcher := &cifar.Fetcher{Progress: o.Progress}
	switch spec {
	case Builtin:
		return builtin(), nil
	case AtHand:
		if _, ok := fetcher.Cached(cifar.CIFAR10); !ok {
			return builtin(), nil
		}
		return fetched(ctx, fetcher, cifar.CIFAR10, CIFAR10)
	case CIFAR10:
		return fetched(ctx, fetcher, cifar.CIFAR10, spec)
	case CIFAR100:
		return fetched(ctx, fetcher, cifar.CIFAR100, spec)
	case Auto, "":
		set, err := fetched(ctx, fetcher, cifar.CIFAR10, CIFAR10)
		if err == nil {
			return set, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		set = builtin()
		set.Notice = fmt.Sprintf("CIFAR-10 could not be had: %v.\nUsing %s in its place: drawn shapes, not photographs. Results on it are not results on CIFAR-10.",
			err, shapes10.Name)
		return set, nil
	}
	if _, err := os.Stat(spec); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("unknown data %q: it is neither a folder nor one of %s, %s, %s, %s", spec, Auto, CIFAR10, CIFAR100, Builtin)
	}
	return openFolder(ctx, spec, o)
}

func openFolder(ctx context.Context, spec string, o Options) (*Set, error) {
	path, err := filepath.Abs(spec)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the data: %w", err)
	}
	training, test, err := cifar.Read(spec)
	if err == nil {
		return &Set{Training: training, Test: test, Spec: path}, nil
	}
	if info, statErr := os.Stat(spec); statErr != nil || !info.IsDir() {
		return nil, err
	}
	transform := o.Transform
	if transform == (picture.Transform{}) {
		transform = defaultTransform
	}
	folder, folderErr := imagefolder.Read(ctx, spec, imagefolder.Options{Transform: transform, Seed: folderSeed, Progress: o.Decoded})
	switch {
	case errors.Is(folderErr, imagefolder.ErrNoPictures):
		return nil, err // which knows what of CIFAR is there
	case folderErr != nil:
		return nil, folderErr
	}
	return &Set{Training: folder.Training, Test: folder.Validation, Spec: path,
		Notice: skippedNotice(spec, folder.Skipped), Skipped: len(folder.Skipped)}, nil
}

// skippedNotice says what of a folder was left out; "" if nothing was.
func skippedNotice(spec string, skipped []imagefolder.Skipped) string {
	if len(skipped) == 0 {
		return ""
	}
	const shown = 5
	var b strings.Builder
	fmt.Fprintf(&b, "Left out of %s:", spec)
	for _, s := range skipped[:min(shown, len(skipped))] {
		path := s.Path
		if below, err := filepath.Rel(spec, path); err == nil {
			path = below
		}
		// No control sequences on a terminal.
		if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
			path = quoted
		}
		fmt.Fprintf(&b, "\n  %s %s", path, s.Why)
	}
	if more := len(skipped) - shown; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

func fetched(ctx context.Context, fetcher *cifar.Fetcher, kind cifar.Kind, spec string) (*Set, error) {
	dir, err := fetcher.Fetch(ctx, kind)
	if err != nil {
		return nil, err
	}
	training, test, err := cifar.Read(dir)
	if err != nil {
		return nil, err
	}
	return &Set{Training: training, Test: test, Spec: spec}, nil
}

func builtin() *Set {
	return &Set{
		Training: shapes10.Train(shapes10.DefaultTrain, builtinSeed),
		Test:     shapes10.Test(shapes10.DefaultTest, builtinSeed),
		Spec:     Builtin,
	}
}

// parseSubset returns what a subset makes of images; their names say so.
func parseSubset(subset string) (func(*dataset.Images) *dataset.Images, error) {
	if subset == "" {
		return func(m *dataset.Images) *dataset.Images { return m }, nil
	}
	number, perClass := strings.CutSuffix(subset, "/class")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("subset %q, want a number of images, as 500, or of images per class, as 50/class", subset)
	}
	return func(m *dataset.Images) *dataset.Images {
		before := m.Len()
		if perClass {
			m = m.FirstPerClass(n)
		} else {
			m = m.First(n)
		}
		if m.Len() < before {
			named := *m
			named.Name = fmt.Sprintf("%s, first %s", m.Name, strings.Replace(subset, "/", " per ", 1))
			m = &named
		}
		return m
	}, nil
}
