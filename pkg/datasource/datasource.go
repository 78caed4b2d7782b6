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
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	builtinSeed    = 1 // the built-in set is the same for everybody
	folderSeed     = 1 // so is the held-out part of a folder of images
	validationSeed = 1 // and so are the images for validation
)

// defaultTransform makes photographs the size of CIFAR's images.
var defaultTransform = picture.Transform{Resize: 32, Height: 32, Width: 32}

// Set is images to train on and images to evaluate on.
type Set struct {
	Training *dataset.Images // nil after OpenTest
	// Test are the images that the results of a network are about. Their Split says which they
	// are: test or validation images, images that were held out, or all images of a folder.
	Test *dataset.Images
	// Validation are the images to evaluate on during training. They are nil unless the data
	// has both validation and test images or Options.Validation asked for some; without them,
	// the test images serve for both.
	Validation *dataset.Images
	// Spec opens the same images again, from any working directory. For Auto and Cached it is
	// the name of the data that was used, for a folder its absolute path.
	Spec string
	// Notice, if not empty, is what people must be told before they look at results.
	Notice string
	// Unavailable, if not nil, is why these are the built-in images and not CIFAR-10. Notice says it
	// too.
	Unavailable error
	// Skipped is the number of files in a folder that could not be read and were left out.
	Skipped int
}

// Name is the name of the images.
func (s *Set) Name() string {
	if s.Training != nil {
		return s.Training.Name
	}
	return s.Test.Name
}

// Caption is the line in figures that says what the data is.
func (s *Set) Caption() string {
	caption := "data: " + s.Name()
	if s.Spec == Builtin {
		caption += ", drawn shapes, not CIFAR-10"
	}
	return caption
}

// InTraining are the images to evaluate on during training.
func (s *Set) InTraining() *dataset.Images {
	if s.Validation != nil {
		return s.Validation
	}
	return s.Test
}

// Options for [Open].
type Options struct {
	// Subset limits the training and the test images: "500" takes the first 500 of each,
	// "50/class" the first 50 of each class, and "5000,1000" 5000 training images and 1000
	// test images. Empty takes all.
	Subset string
	// Validation, if not 0, is the number of training images to hold out for validation, the same
	// ones every time, in equal shares of all classes. Use it to choose settings without the test
	// images. OpenTest ignores it.
	Validation int
	// Transform is applied to the photographs in a folder; the zero Transform stands for the
	// centre at 32×32 pixels. It does not apply to other data; see [Resize].
	Transform picture.Transform
	// Progress, if not nil, is called with the number of bytes downloaded.
	Progress func(done, total int64)
	// Decoded, if not nil, is called with the number of photographs decoded.
	Decoded func(done, total int)
}

// Open returns the images that spec names: [Auto], [Cached], [CIFAR10], [CIFAR100],
// [Builtin], or a folder; "" stands for [Auto]. A folder holds either the files of one of CIFAR's binary archives,
// or photographs in a subfolder for each class; see package imagefolder. If it has neither
// test nor validation images of its own, the same fifth of each class is held out every time.
func Open(ctx context.Context, spec string, o Options) (*Set, error) {
	// A mistake in the subset is reported before anything is downloaded.
	training, test, err := parseSubsets(o.Subset)
	if err != nil {
		return nil, err
	}
	set, err := open(ctx, spec, o, openFolder)
	if err != nil {
		return nil, err
	}
	set.Training, set.Test = training(set.Training), test(set.Test)
	if set.Validation != nil {
		set.Validation = test(set.Validation)
	}
	if o.Validation != 0 {
		if err := set.holdOut(o.Validation); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// holdOut takes n of the training images for validation.
func (s *Set) holdOut(n int) error {
	if s.Validation != nil {
		return fmt.Errorf("%s has validation images of its own", s.Name())
	}
	rest, validation, err := s.Training.HoldOut(n, validationSeed)
	if err != nil {
		return err
	}
	rest.Name = fmt.Sprintf("%s, without %d for validation", rest.Name, n)
	s.Training, s.Validation = rest, validation
	return nil
}

// OpenTest returns only images to evaluate on. Of a folder it needs, and opens, no others, and
// it holds nothing out: without test or validation images of its own, all its images are
// evaluated.
func OpenTest(ctx context.Context, spec string, o Options) (*Set, error) {
	_, test, err := parseSubsets(o.Subset)
	if err != nil {
		return nil, err
	}
	set, err := open(ctx, spec, o, openTestFolder)
	if err != nil {
		return nil, err
	}
	set.Training, set.Validation, set.Test = nil, nil, test(set.Test)
	return set, nil
}

func open(ctx context.Context, spec string, o Options, openFolder func(context.Context, string, Options) (*Set, error)) (*Set, error) {
	fetcher := &cifar.Fetcher{Progress: o.Progress}
	switch spec {
	case Builtin:
		return builtin(ctx)
	case Cached:
		if _, ok := fetcher.Cached(cifar.CIFAR10); !ok {
			return builtin(ctx)
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
		unavailable := err
		if set, err = builtin(ctx); err != nil {
			return nil, err
		}
		set.Unavailable = unavailable
		set.Notice = fmt.Sprintf("CIFAR-10 is not available: %v.\nUsing %s instead: drawn shapes, not photographs. Results on it are not results on CIFAR-10.",
			unavailable, shapes10.Name)
		return set, nil
	}
	if _, err := os.Stat(spec); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("unknown data %q: it is neither a folder nor one of %s, %s, %s, %s", spec, Auto, CIFAR10, CIFAR100, Builtin)
	}
	path, err := filepath.Abs(spec)
	if err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	set, err := openFolder(ctx, spec, o)
	if err != nil {
		return nil, err
	}
	set.Spec = path
	return set, nil
}

// openFolder opens a folder with images to train on and to evaluate on.
func openFolder(ctx context.Context, spec string, o Options) (*Set, error) {
	training, test, err := cifar.Read(spec)
	if err == nil {
		return &Set{Training: training, Test: test}, nil
	}
	folder, err := readPhotos(ctx, spec, o, err, imagefolder.Read)
	if err != nil {
		return nil, err
	}
	set := photos(spec, folder)
	if set.Test == nil {
		set.Test, set.Validation = set.Validation, nil
	}
	return set, nil
}

// openTestFolder opens a folder with images to evaluate on.
func openTestFolder(ctx context.Context, spec string, o Options) (*Set, error) {
	test, err := cifar.ReadTest(spec)
	if err == nil {
		return &Set{Test: test}, nil
	}
	folder, err := readPhotos(ctx, spec, o, err, imagefolder.ReadTest)
	if err != nil {
		return nil, err
	}
	return photos(spec, folder), nil
}

// readPhotos reads a folder of photographs. notCIFAR says why it is not one of CIFAR's.
func readPhotos(ctx context.Context, spec string, o Options, notCIFAR error,
	read func(context.Context, string, imagefolder.Options) (*imagefolder.Folder, error)) (*imagefolder.Folder, error) {
	if info, err := os.Stat(spec); err != nil || !info.IsDir() {
		return nil, notCIFAR
	}
	transform := o.Transform
	if transform == (picture.Transform{}) {
		transform = defaultTransform
	}
	folder, err := read(ctx, spec, imagefolder.Options{Transform: transform, Seed: folderSeed, Progress: o.Decoded})
	switch {
	case errors.Is(err, imagefolder.ErrNoImages) && errors.Is(notCIFAR, cifar.ErrNoData):
		return nil, fmt.Errorf("%s holds no CIFAR data and no photographs; want the .bin files of cifar-10-batches-bin or cifar-100-binary, or a subfolder of photographs for each class", spec)
	case errors.Is(err, imagefolder.ErrNoImages):
		return nil, notCIFAR // it says which of CIFAR's files are missing
	}
	return folder, err
}

// photos returns the images of a folder of photographs as a set.
func photos(spec string, folder *imagefolder.Folder) *Set {
	return &Set{Training: folder.Training, Validation: folder.Validation, Test: folder.Test,
		Notice: notice(spec, folder), Skipped: len(folder.Skipped)}
}

// notice says what was left out of a folder, "" if nothing was.
func notice(spec string, folder *imagefolder.Folder) string {
	var parts []string
	if text := skippedNotice("Left out of", spec, folder.Skipped); text != "" {
		parts = append(parts, text)
	}
	if text := skippedNotice("Passed over in", spec, folder.PassedOver); text != "" {
		parts = append(parts, text)
	}
	if text := unreadNotice(spec, folder.Unread); text != "" {
		parts = append(parts, text)
	}
	if n := len(folder.Animated); n > 0 {
		parts = append(parts, fmt.Sprintf("Of each image with several frames or pages in %s (%d, such as %s), only the first is used",
			spec, n, relative(spec, folder.Animated[0])))
	}
	return strings.Join(parts, "\n")
}

// relative returns the path from the folder, quoted if it cannot be shown.
func relative(folder, path string) string {
	if inside, err := filepath.Rel(folder, path); err == nil {
		path = inside
	}
	if !printable.Is(path) {
		path = strconv.Quote(path)
	}
	return path
}

// unreadNotice counts the files in class folders that are not images, "" if there are none.
func unreadNotice(spec string, unread map[string]int) string {
	if len(unread) == 0 {
		return ""
	}
	var kinds []string
	for _, ext := range slices.Sorted(maps.Keys(unread)) {
		name := ext
		switch {
		case ext == "":
			name = "without extension"
		case !printable.Is(ext):
			name = strconv.Quote(ext)
		}
		kinds = append(kinds, fmt.Sprintf("%d %s", unread[ext], name))
	}
	const shown = 5
	if len(kinds) > shown {
		kinds = append(kinds[:shown], "…")
	}
	return fmt.Sprintf("Passed over in %s: files that are not images by their names (%s)", spec, strings.Join(kinds, ", "))
}

// skippedNotice lists files and folders after a heading, "" if there are none.
func skippedNotice(heading, spec string, skipped []imagefolder.Skipped) string {
	if len(skipped) == 0 {
		return ""
	}
	const shown = 5
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s:", heading, spec)
	for _, s := range skipped[:min(shown, len(skipped))] {
		fmt.Fprintf(&b, "\n  %s %s", relative(spec, s.Path), s.Why)
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

// builtin draws Shapes-10, which takes seconds on a busy machine. A cancelled caller does not wait for
// it: the drawing continues in the background and its result is discarded.
func builtin(ctx context.Context) (*Set, error) {
	drawn := make(chan *Set, 1)
	go func() {
		drawn <- &Set{
			Training: shapes10.Train(shapes10.DefaultTrain, builtinSeed),
			Test:     shapes10.Test(shapes10.DefaultTest, builtinSeed),
			Spec:     Builtin,
		}
	}()
	select {
	case set := <-drawn:
		return set, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
