// Package datasource opens the images that a name stands for: CIFAR-10 or CIFAR-100, the
// built-in drawings of package shapes10, or a folder of people's own photographs.
//
// [Open] decides where the images come from, and reports in [Set.Notice] if they are not the
// ones that were asked for. It also takes subsets of them (subset.go). [Resize] makes them
// larger or smaller. The images themselves are read by packages cifar, shapes10 and
// imagefolder.
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
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Names of data that are not folders.
const (
	Auto     = "auto"     // CIFAR-10 from the cache or the network, or else the built-in set
	Cached   = "cached"   // CIFAR-10 if it is in the cache, or else the built-in set
	CIFAR10  = "cifar10"  // from the cache or the network
	CIFAR100 = "cifar100" // from the cache or the network
	Builtin  = "builtin"  // drawn on the spot; see package shapes10
)

const (
	builtinSeed = 1 // the built-in set is the same for everybody
	folderSeed  = 1 // so is the held-out part of a folder of images
)

// defaultTransform makes photographs the size of CIFAR's images.
var defaultTransform = picture.Transform{Resize: 32, Height: 32, Width: 32}

// Set is training and test images.
type Set struct {
	Training, Test *dataset.Images
	// Spec opens the same images again, from any working directory. For Auto and Cached it is
	// the name of the data that was used, for a folder its absolute path.
	Spec string
	// Notice, if not empty, is what people must be told before they look at results.
	Notice string
	// Skipped is the number of files in a folder that could not be read and were left out.
	Skipped int
}

// Caption is the line in figures that says what the data is.
func (s *Set) Caption() string {
	caption := "data: " + s.Training.Name
	if s.Spec == Builtin {
		caption += ", drawn shapes, not CIFAR-10"
	}
	return caption
}

// Options for [Open].
type Options struct {
	// Subset limits the training and the test images: "500" takes the first 500 of each,
	// "50/class" the first 50 of each class, and "5000,1000" 5000 training images and 1000
	// test images. Empty takes all.
	Subset string
	// Transform is applied to the photographs in a folder; the zero Transform stands for the
	// centre at 32×32 pixels. It does not apply to other data; see [Resize].
	Transform picture.Transform
	// Progress, if not nil, is called with the number of bytes downloaded.
	Progress func(done, total int64)
	// Decoded, if not nil, is called with the number of photographs decoded.
	Decoded func(done, total int)
}

// Open returns the images that spec names: [Auto], [Cached], [CIFAR10], [CIFAR100],
// [Builtin], or a folder. A folder holds either the files of one of CIFAR's binary archives,
// or photographs in a sub-folder for each class; see package imagefolder. If it has no
// validation images of its own, the same fifth of each class is held out as the test images
// every time.
func Open(ctx context.Context, spec string, o Options) (*Set, error) {
	// A mistake in the subset is reported before anything is downloaded.
	training, test, err := parseSubsets(o.Subset)
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
	case Cached:
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
		set.Notice = fmt.Sprintf("CIFAR-10 is not available: %v.\nUsing %s instead: drawn shapes, not photographs. Results on it are not results on CIFAR-10.",
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
		return nil, fmt.Errorf("find the data folder: %w", err)
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
	case errors.Is(folderErr, imagefolder.ErrNoImages):
		return nil, err // it says which of CIFAR's files are missing
	case folderErr != nil:
		return nil, folderErr
	}
	return &Set{Training: folder.Training, Test: folder.Validation, Spec: path,
		Notice: skippedNotice(spec, folder.Skipped), Skipped: len(folder.Skipped)}, nil
}

// skippedNotice lists the files that were left out of a folder, "" if there are none.
func skippedNotice(spec string, skipped []imagefolder.Skipped) string {
	if len(skipped) == 0 {
		return ""
	}
	const shown = 5
	var b strings.Builder
	fmt.Fprintf(&b, "Left out of %s:", spec)
	for _, s := range skipped[:min(shown, len(skipped))] {
		path := s.Path
		if relative, err := filepath.Rel(spec, path); err == nil {
			path = relative
		}
		if !printable.Is(path) {
			path = strconv.Quote(path)
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
