package imagefolder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
)

// small is the transform of most tests.
var small = picture.Transform{Resize: 4, Height: 4, Width: 4}

// painted returns an image of one colour, by which tests recognise it.
func painted(red byte) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 6, 5))
	for i := 0; i < len(img.Pix); i += 4 {
		copy(img.Pix[i:], []byte{red, 10, 20, 255})
	}
	return img
}

func asPNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, img); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func asJPEG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := jpeg.Encode(&buffer, img, nil); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// write writes a file below dir, at a slash-separated path, and makes the folders above it.
func write(t *testing.T, dir, path string, content []byte) {
	t.Helper()
	path = filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// fill writes n images into the folder, with reds from first on.
func fill(t *testing.T, dir, folder string, first, n int) {
	t.Helper()
	for i := range n {
		write(t, dir, fmt.Sprintf("%s/%03d.png", folder, i), asPNG(t, painted(byte(first+i))))
	}
}

// reds returns the red values of the images of each class, sorted.
func reds(m *dataset.Images) map[string][]int {
	found := map[string][]int{}
	for i, label := range m.Labels {
		class := m.Classes[label]
		found[class] = append(found[class], int(m.Image(i)[0]))
	}
	for _, values := range found {
		slices.Sort(values)
	}
	return found
}

func read(t *testing.T, dir string, o Options) *Folder {
	t.Helper()
	o.Transform = small
	folder, err := Read(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, images := range []*dataset.Images{folder.Training, folder.Validation, folder.Test} {
		if images == nil {
			continue
		}
		if err := images.Validate(); err != nil {
			t.Error(err)
		}
	}
	return folder
}

func TestReadSplits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pets")
	fill(t, dir, "dog", 100, 10)
	fill(t, dir, "cat", 0, 5)
	fill(t, dir, "cat/garden/deep", 50, 5)
	fill(t, dir, "Ähre", 200, 2)
	fill(t, dir, "one", 250, 1)
	write(t, dir, "README.md", []byte("not an image"))
	write(t, dir, "cat/notes.txt", []byte("not an image"))
	write(t, dir, "cat/.hidden.png", []byte("not an image"))
	fill(t, dir, ".cache", 90, 3)

	folder := read(t, dir, Options{Seed: 3})
	if len(folder.Skipped) > 0 || len(folder.PassedOver) > 0 || fmt.Sprint(folder.Unread) != "map[.txt:1]" {
		t.Errorf("skipped %v, passed over %v, unread %v; want only one .txt", folder.Skipped, folder.PassedOver, folder.Unread)
	}
	if folder.Validation.Split != dataset.HeldOut || folder.Test != nil {
		t.Errorf("the images to evaluate on are the split %q, want held-out images", folder.Validation.Split)
	}
	for _, images := range []*dataset.Images{folder.Training, folder.Validation} {
		// Sorted by bytes, as Python does.
		if want := []string{"cat", "dog", "one", "Ähre"}; !slices.Equal(images.Classes, want) {
			t.Errorf("classes %q, want %q", images.Classes, want)
		}
		if images.Name != "pictures in pets" || images.Height != 4 || images.Width != 4 {
			t.Errorf("%s of %d×%d, want pictures in pets of 4×4", images.Name, images.Height, images.Width)
		}
	}
	training, validation := reds(folder.Training), reds(folder.Validation)
	for class, want := range map[string]struct{ training, validation int }{
		"dog": {8, 2}, "cat": {8, 2}, "Ähre": {1, 1}, "one": {1, 0},
	} {
		if len(training[class]) != want.training || len(validation[class]) != want.validation {
			t.Errorf("%s: %d to train on and %d to validate on, want %d and %d",
				class, len(training[class]), len(validation[class]), want.training, want.validation)
		}
	}
	// Every image is there once, in its own class.
	for class, want := range map[string][]int{
		"dog": {100, 101, 102, 103, 104, 105, 106, 107, 108, 109}, "cat": {0, 1, 2, 3, 4, 50, 51, 52, 53, 54},
		"Ähre": {200, 201}, "one": {250},
	} {
		if got := slices.Sorted(slices.Values(append(training[class], validation[class]...))); !slices.Equal(got, want) {
			t.Errorf("%s has the images %v, want %v", class, got, want)
		}
	}
	// The classes are mixed, so that the first few images are a sample of all classes.
	if sorted := slices.IsSorted(folder.Training.Labels); sorted {
		t.Errorf("the labels are in order, %v", folder.Training.Labels)
	}
}

// TestReadIsDeterministic: the images and their order do not depend on the number of workers,
// but do depend on the seed.
func TestReadIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 0, 20)
	fill(t, dir, "b", 100, 20)
	write(t, dir, "b/007.png", []byte("broken"))
	first := read(t, dir, Options{Seed: 1, workers: 1})
	for _, workers := range []int{0, 2, 7, 100} {
		again := read(t, dir, Options{Seed: 1, workers: workers})
		if !bytes.Equal(first.Training.Pixels, again.Training.Pixels) || !slices.Equal(first.Training.Labels, again.Training.Labels) ||
			!bytes.Equal(first.Validation.Pixels, again.Validation.Pixels) || !slices.Equal(first.Skipped, again.Skipped) {
			t.Errorf("%d workers give different images from one", workers)
		}
	}
	// The same on every machine.
	var got []int
	for i := range 6 {
		got = append(got, int(first.Validation.Image(i)[0]))
	}
	if want := []int{105, 102, 15, 12, 0, 115}; !slices.Equal(got, want) {
		t.Errorf("the first validation images are %v, want %v", got, want)
	}
	if other := read(t, dir, Options{Seed: 2}); bytes.Equal(first.Training.Pixels, other.Training.Pixels) {
		t.Error("another seed gives the same order")
	}
	if n := first.Validation.Len(); n != 8 {
		t.Errorf("a fifth of 20 and of 19 images are %d images, want 4 and 4", n)
	}
}

// TestReadAddedLater: when images are added or removed, the others stay in their part, except
// the few that keep the sizes right.
func TestReadAddedLater(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 0, 40)
	fill(t, dir, "b", 100, 40)
	before := reds(read(t, dir, Options{}).Validation)
	fill(t, dir, "a/new", 50, 10)
	if err := os.Remove(filepath.Join(dir, "b", "003.png")); err != nil {
		t.Fatal(err)
	}
	folder := read(t, dir, Options{})
	training := reds(folder.Training)
	for class, values := range before {
		moved := 0
		for _, value := range values {
			if slices.Contains(training[class], value) {
				moved++
			}
		}
		// Ten more images of a make two more validation images, chosen among all.
		if moved > 3 {
			t.Errorf("%d of %d validation images of %s became training images", moved, len(values), class)
		}
	}
}

func TestReadOwnSplit(t *testing.T) {
	for _, test := range []struct{ train, val, aside string }{
		{"train", "val", ""}, {"train", "valid", ""}, {"Train", "Test", ""}, {"training", "validation", "prediction"}, {"train", "val", "__MACOSX"},
		{"training_set/training_set", "test_set/test_set", ""}, {"seg_train/seg_train", "seg_test/seg_test", "seg_pred"}, {"TrainSet", "dev-images", ""},
		{"pets/pets/train", "pets/pets/test", ""},
	} {
		dir := t.TempDir()
		fill(t, dir, test.train+"/cat", 0, 3)
		fill(t, dir, test.train+"/dog", 100, 2)
		fill(t, dir, test.train+"/owl", 200, 1)
		fill(t, dir, test.val+"/cat", 50, 2)
		fill(t, dir, test.val+"/dog", 150, 1)
		skipped := 0
		if test.aside != "" {
			fill(t, dir, test.aside+"/cat", 70, 1)
			if test.aside != "__MACOSX" { // that is what Macs add to an archive
				skipped = 1
			}
		}
		folder := read(t, dir, Options{})
		evaluated, split := folder.Test, dataset.Test
		if folder.Validation != nil {
			evaluated, split = folder.Validation, dataset.Validation
		}
		if evaluated.Split != split || folder.Validation != nil && folder.Test != nil {
			t.Errorf("%+v: the split is %q, want %q and no other", test, evaluated.Split, split)
		}
		if got, want := fmt.Sprint(reds(folder.Training)), "map[cat:[0 1 2] dog:[100 101] owl:[200]]"; got != want {
			t.Errorf("%+v: training images %s, want %s", test, got, want)
		}
		if got, want := fmt.Sprint(reds(evaluated)), "map[cat:[50 51] dog:[150]]"; got != want {
			t.Errorf("%+v: validation images %s, want %s", test, got, want)
		}
		top, _, _ := strings.Cut(test.train, "/")
		if len(folder.Skipped) > 0 || len(folder.PassedOver) != skipped || skipped > 0 && !strings.Contains(folder.PassedOver[0].Why, "is not used: the images come from "+top) {
			t.Errorf("%+v: skipped %v, passed over %v", test, folder.Skipped, folder.PassedOver)
		}
	}
}

// TestReadTrainAlone holds validation images out of the only part there is.
func TestReadTrainAlone(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "train/cat", 0, 5)
	fill(t, dir, "train/dog", 100, 5)
	folder := read(t, dir, Options{})
	if folder.Training.Len() != 8 || folder.Validation.Len() != 2 || !slices.Equal(folder.Training.Classes, []string{"cat", "dog"}) {
		t.Errorf("%d and %d images of %q, want 8 and 2 of cat and dog", folder.Training.Len(), folder.Validation.Len(), folder.Training.Classes)
	}
	// Beside other folders, train is a class.
	fill(t, dir, "bus", 50, 5)
	if folder := read(t, dir, Options{}); !slices.Equal(folder.Training.Classes, []string{"bus", "train"}) {
		t.Errorf("classes %q, want bus and train", folder.Training.Classes)
	}
}

// TestReadThreeParts: with folders for all three parts, each is what it says.
func TestReadThreeParts(t *testing.T) {
	dir := t.TempDir()
	for i, part := range []string{"train", "val", "test"} {
		fill(t, dir, part+"/cat", 10*i, 3-i)
		fill(t, dir, part+"/dog", 100+10*i, 3)
	}
	folder := read(t, dir, Options{})
	for _, test := range []struct {
		images *dataset.Images
		split  dataset.Split
		want   string
	}{
		{folder.Training, dataset.Training, "map[cat:[0 1 2] dog:[100 101 102]]"},
		{folder.Validation, dataset.Validation, "map[cat:[10 11] dog:[110 111 112]]"},
		{folder.Test, dataset.Test, "map[cat:[20] dog:[120 121 122]]"},
	} {
		if got := fmt.Sprint(reds(test.images)); got != test.want || test.images.Split != test.split {
			t.Errorf("%s images %s, split %q; want %s", test.split, got, test.images.Split, test.want)
		}
	}
	if len(folder.Skipped)+len(folder.PassedOver) > 0 {
		t.Errorf("skipped %v, passed over %v", folder.Skipped, folder.PassedOver)
	}
}

func TestReadTest(t *testing.T) {
	const whole = "map[cat:[0 1 2 3 4] dog:[100 101]]"
	for _, test := range []struct {
		name, part string // of the folder with the images
		beside     []string
		split      dataset.Split
	}{
		{"class folders", ".", nil, dataset.All},
		{"test", "test", []string{"train", "val"}, dataset.Test},
		{"test beside val", "seg_test/seg_test", []string{"seg_val"}, dataset.Test},
		{"val", "val", []string{"train"}, dataset.Validation},
		{"a part alone", "train", nil, dataset.All},
		{"wrapped", "pets/pets", nil, dataset.All},
	} {
		dir := t.TempDir()
		fill(t, dir, test.part+"/cat", 0, 5)
		fill(t, dir, test.part+"/dog", 100, 2)
		for _, part := range test.beside {
			write(t, dir, part+"/cat/1.png", []byte("must not be read"))
			write(t, dir, part+"/owl/1.png", []byte("must not be read"))
		}
		folder, err := ReadTest(context.Background(), dir, Options{Transform: small})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := fmt.Sprint(reds(folder.Test)); folder.Training != nil || folder.Validation != nil || got != whole || folder.Test.Split != test.split {
			t.Errorf("%s: %s, split %q; want %s, split %q", test.name, got, folder.Test.Split, whole, test.split)
		}
		if len(folder.Skipped) > 0 {
			t.Errorf("%s: skipped %v", test.name, folder.Skipped)
		}
	}

	// One class is enough to evaluate on.
	dir := t.TempDir()
	fill(t, dir, "test/cat", 0, 3)
	fill(t, dir, "train/cat", 0, 1)
	fill(t, dir, "train/dog", 0, 1)
	for _, dir := range []string{dir, filepath.Join(dir, "test")} {
		folder, err := ReadTest(context.Background(), dir, Options{Transform: small})
		if err != nil || folder.Test.Len() != 3 || !slices.Equal(folder.Test.Classes, []string{"cat"}) {
			t.Errorf("one class: %v, error %v", folder, err)
		}
	}
}

// hugeHeader returns a PNG of about a hundred bytes that claims to have 10¹⁰ pixels.
func hugeHeader(t *testing.T) []byte {
	huge := asPNG(t, painted(1))
	binary.BigEndian.PutUint32(huge[16:], 100_000)
	binary.BigEndian.PutUint32(huge[20:], 100_000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	return huge
}

func TestReadSkips(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 0, 4)
	fill(t, dir, "b", 100, 4)
	fill(t, dir, "a/folder.jpg", 50, 1)                                             // a folder with that name
	write(t, dir, "b/wrong-name.jpg", asPNG(t, painted(150)))                       // the content decides
	write(t, dir, "b/photo.JPEG", asJPEG(t, image.NewGray(image.Rect(0, 0, 5, 5)))) // readable
	write(t, dir, "a/empty.png", nil)
	write(t, dir, "a/huge.png", hugeHeader(t))
	whole := asJPEG(t, painted(9))
	write(t, dir, "b/cut.jpg", whole[:len(whole)-30])
	write(t, dir, "b/page.jpg", []byte("<html>not found</html>"))
	write(t, dir, "b/phone.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"))
	write(t, dir, "loose.png", asPNG(t, painted(1)))
	write(t, dir, "docs/index.html", []byte("<html>"))

	folder := read(t, dir, Options{})
	passed := map[string]string{
		"loose.png": "is not in a class folder",
		"docs":      "has no images, so it is not a class",
	}
	want := map[string]string{
		"a/empty.png":  "it is empty",
		"a/huge.png":   "has 100000×100000 pixels",
		"b/cut.jpg":    "is damaged",
		"b/page.jpg":   "is an HTML page",
		"b/phone.heic": "is a HEIC image; save it as JPEG or PNG",
	}
	if len(folder.Skipped) != len(want) || len(folder.PassedOver) != len(passed) {
		t.Errorf("%d were skipped and %d passed over, want %d and %d", len(folder.Skipped), len(folder.PassedOver), len(want), len(passed))
	}
	maps.Copy(want, passed)
	for _, skipped := range slices.Concat(folder.Skipped, folder.PassedOver) {
		path, err := filepath.Rel(dir, skipped.Path)
		if err != nil {
			t.Fatal(err)
		}
		if why := want[filepath.ToSlash(path)]; why == "" || !strings.Contains(skipped.Why, why) {
			t.Errorf("%s %s; want %q", path, skipped.Why, why)
		}
	}
	all := reds(folder.Training)
	for class, values := range reds(folder.Validation) {
		all[class] = append(all[class], values...)
		slices.Sort(all[class])
	}
	if got, want := fmt.Sprint(all), "map[a:[0 1 2 3 50] b:[0 100 101 102 103 150]]"; got != want {
		t.Errorf("the readable images are %s, want %s", got, want)
	}
}

// TestReadLinks: links to files and links that are classes are followed, loops are not.
func TestReadLinks(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	fill(t, dir, "a", 0, 4)
	fill(t, elsewhere, "dogs", 100, 4)
	for link, to := range map[string]string{
		"b":           filepath.Join(elsewhere, "dogs"),
		"a/file.png":  filepath.Join(elsewhere, "dogs", "000.png"),
		"a/folder":    filepath.Join(elsewhere, "dogs"),
		"a/loop":      dir,
		"loop":        dir,
		"above":       filepath.Dir(dir),
		"a/lost.png":  filepath.Join(elsewhere, "nothing"),
		"lost-folder": filepath.Join(elsewhere, "nothing"),
	} {
		if err := os.Symlink(to, filepath.Join(dir, filepath.FromSlash(link))); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	folder := read(t, dir, Options{})
	if got := folder.Training.Len() + folder.Validation.Len(); got != 9 || !slices.Equal(folder.Training.Classes, []string{"a", "b"}) {
		t.Errorf("%d images of %q, want 9 of a and b", got, folder.Training.Classes)
	}
	var skipped []string
	for _, s := range slices.Concat(folder.Skipped, folder.PassedOver) {
		path, _ := filepath.Rel(dir, s.Path)
		skipped = append(skipped, filepath.ToSlash(path))
	}
	slices.Sort(skipped)
	if want := []string{"a/folder", "a/loop", "a/lost.png", "above", "loop", "lost-folder"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
}

// TestReadIgnoresWhatSystemsMake: their folders are not classes, but a photograph may have such a name.
func TestReadIgnoresWhatSystemsMake(t *testing.T) {
	dir := t.TempDir()
	for i, path := range []string{"a/@account.png", "a/$100.png", "b/1.png", "b/2.png"} {
		write(t, dir, path, asPNG(t, painted(byte(i))))
	}
	for _, folder := range []string{"a/@eaDir", "$RECYCLE.BIN", "@Recycle", "__MACOSX", ".hidden"} {
		fill(t, dir, folder, 100, 2)
	}
	folder, err := ReadTest(context.Background(), dir, Options{Transform: small})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(reds(folder.Test)), "map[a:[0 1] b:[2 3]]"; got != want {
		t.Errorf("the images are %s, want %s", got, want)
	}
}

func TestReadUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("nothing is unreadable for this user")
	}
	dir := t.TempDir()
	fill(t, dir, "a", 0, 3)
	fill(t, dir, "b", 100, 3)
	if err := os.Chmod(filepath.Join(dir, "a", "001.png"), 0); err != nil {
		t.Fatal(err)
	}
	folder := read(t, dir, Options{})
	if len(folder.Skipped) != 1 || !strings.HasPrefix(folder.Skipped[0].Why, "cannot be read: permission denied") {
		t.Errorf("skipped %v, want one that cannot be read", folder.Skipped)
	}
	if err := os.Chmod(filepath.Join(dir, "b"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "b"), 0o755)
	if _, err := Read(context.Background(), dir, Options{Transform: small}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a class folder that cannot be read: got error %v, want %v", err, os.ErrPermission)
	}
}

func TestReadErrors(t *testing.T) {
	files := func(paths ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, path := range paths {
				write(t, dir, path, asPNG(t, painted(1)))
			}
		}
	}
	ok := Options{Transform: small}
	for _, test := range []struct {
		name    string
		make    func(t *testing.T, dir string)
		options Options
		want    string
	}{
		{"nothing", files(), ok, "no images in DIR; want a subfolder for each class, as in DIR/cat/1.jpg and DIR/dog/1.jpg"},
		{"no images", func(t *testing.T, dir string) { write(t, dir, "a/README", nil) }, ok, "no images in DIR"},
		{"at the top", files("1.jpg", "2.jpg"), ok, "the images in DIR are not in class folders; want a subfolder for each class, as in DIR/cat/1.jpg"},
		{"one class", files("cat/1.jpg"), ok, "DIR has images of only one class, cat; want a subfolder"},
		{"validation without classes", files("train/a/1.png", "train/b/1.png", "val/1.png"), ok, "the images in DIR/val are not in class folders; want a subfolder for each class, as in DIR/val/cat/1.jpg"},
		{"validation with another class", files("train/a/1.png", "train/b/1.png", "val/c/1.png"), ok, "DIR/val/c is a class that DIR/train does not have"},
		{"validation that is empty", func(t *testing.T, dir string) {
			files("train/a/1.png", "train/b/1.png")(t, dir)
			write(t, dir, "val/README", nil)
		}, ok, "no validation images in DIR/val"},
		{"nothing to validate on", files("a/1.png", "b/1.png"), ok, "DIR has no images to evaluate on: want a class with two or more"},
		{"broken", func(t *testing.T, dir string) {
			files("a/1.png", "a/2.png")(t, dir)
			write(t, dir, "b/1.png", nil)
			write(t, dir, "b/2.png", nil)
		}, ok, "no image of class b can be read: DIR/b/1.png is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image"},
		{"unprintable", files("a/1.png", "b\x1b[31m/1.png"), ok, `DIR: subfolder "b\x1b[31m" has unprintable characters in its name`},
		{"memory", files("a/1.png", "b/1.png", "b/2.png"), Options{Transform: picture.Transform{Resize: 1024, Height: 1024, Width: 1024}, memory: 9<<20 - 1},
			"read the images in DIR: 3 images of 1024×1024 pixels take 0.01 GiB of memory, more than the 0.01 GiB allowed"},
		{"transform", files("a/1.png", "b/1.png"), Options{}, "resize of 0 pixels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(t, dir)
			folder, err := Read(context.Background(), dir, test.options)
			want := filepath.FromSlash(strings.ReplaceAll(test.want, "DIR", dir))
			if err == nil || folder != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, want)
			}
			if got := strings.HasPrefix(test.want, "no images in"); got != errors.Is(err, ErrNoImages) {
				t.Errorf("%v is ErrNoImages: %v, want %v", err, !got, got)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(path), "file", nil)
	for path, want := range map[string]string{path: "is a file; want a subfolder", filepath.Join(path, "none"): "read an image folder"} {
		if _, err := Read(context.Background(), path, ok); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", path, err, want)
		}
	}
}

func TestReadProgressAndCancellation(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "a", 0, 30)
	fill(t, dir, "b", 100, 30)
	last := 0
	o := Options{Transform: small, workers: 3, Progress: func(done, total int) {
		if done != last+1 || total != 60 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}}
	if _, err := Read(context.Background(), dir, o); err != nil || last != 60 {
		t.Errorf("progress ends at %d with error %v, want 60", last, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	o.Progress = func(done, total int) {
		if n++; n == 5 {
			cancel()
		}
	}
	if _, err := Read(ctx, dir, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if n > 20 {
		t.Errorf("%d images were decoded after the fifth, which cancelled", n-5)
	}
	if _, err := Read(ctx, dir, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled beforehand: got %v, want %v", err, context.Canceled)
	}
}

func TestArrange(t *testing.T) {
	for _, order := range [][]int{{}, {0}, {1, 0}, {2, 0, 1}, {0, 3, 2, 1}, {4, 2, 0, 3, 1}} {
		records := make([]byte, 2*len(order))
		var want []byte
		for i := range order {
			records[2*i], records[2*i+1] = byte(i), byte(10*i)
			want = append(want, byte(order[i]), byte(10*order[i]))
		}
		if arrange(records, 2, order); !bytes.Equal(records, want) {
			t.Errorf("order %v gives %v, want %v", order, records, want)
		}
	}
}
