package datasource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/shapes10"
)

// offline keeps a test away from the network and the user's cache.
func offline(t *testing.T) {
	t.Helper()
	t.Setenv("RESIDUAL_CACHE", filepath.Join(t.TempDir(), "cache"))
	t.Setenv("RESIDUAL_CIFAR10_URL", "http://127.0.0.1:1/x")
	t.Setenv("RESIDUAL_CIFAR100_URL", "http://127.0.0.1:1/x")
}

// writeFolder writes six files in CIFAR-10's layout into dir, with n images in each.
func writeFolder(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var records bytes.Buffer
	if err := cifar.WriteRecords(&records, shapes10.Train(n, 3)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		if err := os.WriteFile(filepath.Join(dir, name+".bin"), records.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBuiltinIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if set, err := Open(ctx, Builtin, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v and error %v, want context.Canceled", set, err)
	}
}

func TestBuiltin(t *testing.T) {
	offline(t)
	set, err := Open(context.Background(), Builtin, Options{Subset: "30/class"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Spec != Builtin || set.Notice != "" {
		t.Errorf("spec %q and notice %q for the built-in set, want no notice", set.Spec, set.Notice)
	}
	if want := "data: " + shapes10.Name + ", first 30 per class, drawn shapes, not CIFAR-10"; set.Caption() != want {
		t.Errorf("caption %q, want %q", set.Caption(), want)
	}
	for _, images := range []*dataset.Images{set.Training, set.Test} {
		counts := make([]int, len(images.Classes))
		for _, label := range images.Labels {
			counts[label]++
		}
		if !slices.Equal(counts, slices.Repeat([]int{30}, 10)) {
			t.Errorf("%d images, %v by class, want 30 of each", images.Len(), counts)
		}
	}
}

func TestAutoReportsItsFallback(t *testing.T) {
	offline(t)
	set, err := Open(context.Background(), Auto, Options{Subset: "20"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Spec != Builtin || set.Training.Name != shapes10.Name+", first 20" || set.Training.Len() != 20 || set.Test.Len() != 20 {
		t.Errorf("fell back to %d images of %s, spec %q; want the first 20 of the built-in set", set.Training.Len(), set.Training.Name, set.Spec)
	}
	for _, word := range []string{"CIFAR-10 is not available", "127.0.0.1:1", shapes10.Name, "not photographs", "not results on CIFAR-10"} {
		if !strings.Contains(set.Notice, word) {
			t.Errorf("no %q in the notice: %s", word, set.Notice)
		}
	}
}

// TestNamedDoesNotFallBack: asking for CIFAR gives CIFAR or an error.
func TestNamedDoesNotFallBack(t *testing.T) {
	offline(t)
	for _, spec := range []string{CIFAR10, CIFAR100} {
		if set, err := Open(context.Background(), spec, Options{}); err == nil {
			t.Errorf("%s without a network gives %s, want an error", spec, set.Training.Name)
		}
	}
}

// TestCancelledDoesNotFallBack: Ctrl-C during a download does not ask for other images.
func TestCancelledDoesNotFallBack(t *testing.T) {
	offline(t)
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	t.Setenv("RESIDUAL_CIFAR10_URL", server.URL)
	set, err := Open(ctx, Auto, Options{})
	if set != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got set %v and error %v, want only %v", set, err, context.Canceled)
	}
}

func TestFolder(t *testing.T) {
	offline(t)
	t.Chdir(t.TempDir())
	writeFolder(t, "pictures", 7)
	set, err := Open(context.Background(), "pictures", Options{Subset: "10"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Training.Len() != 10 || set.Test.Len() != 7 {
		t.Errorf("%d training and %d test images, want 10 and 7", set.Training.Len(), set.Test.Len())
	}
	// The name of the test images has no subset in it: none of them is left out.
	const name = "images in pictures (CIFAR-10 layout)"
	if set.Training.Name != name+", first 10" || set.Test.Name != name {
		t.Errorf("names %q and %q, want %q, with \", first 10\" after the first", set.Training.Name, set.Test.Name, name)
	}
	if set.Caption() != "data: "+name+", first 10" {
		t.Errorf("caption %q", set.Caption())
	}

	// The spec gives the same images from any working directory.
	if !filepath.IsAbs(set.Spec) {
		t.Errorf("spec %q, want an absolute path", set.Spec)
	}
	t.Chdir(t.TempDir())
	again, err := Open(context.Background(), set.Spec, Options{Subset: "10"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Training.Pixels, set.Training.Pixels) || again.Spec != set.Spec {
		t.Errorf("%s gives different images the second time", set.Spec)
	}
}

// writePhotos writes n images of each class into a folder.
func writePhotos(t *testing.T, dir string, n int, classes ...string) {
	t.Helper()
	for shade, class := range classes {
		if err := os.MkdirAll(filepath.Join(dir, class), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			img := image.NewGray(image.Rect(0, 0, 50, 40))
			for j := range img.Pix {
				img.Pix[j] = byte(10*i + 100*shade)
			}
			var file bytes.Buffer
			if err := png.Encode(&file, img); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, class, fmt.Sprintf("%d.png", i)), file.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPhotos(t *testing.T) {
	offline(t)
	t.Chdir(t.TempDir())
	writePhotos(t, "pets", 10, "cat", "dog")
	decoded := 0
	set, err := Open(context.Background(), "pets", Options{Decoded: func(done, total int) { decoded = 100*done + total }})
	if err != nil {
		t.Fatal(err)
	}
	if decoded != 2020 {
		t.Errorf("progress ends with %d, want 20 of 20", decoded)
	}
	if set.Notice != "" || set.Caption() != "data: pictures in pets" {
		t.Errorf("notice %q and caption %q, want none and pictures in pets", set.Notice, set.Caption())
	}
	if set.Training.Len() != 16 || set.Test.Len() != 4 || !slices.Equal(set.Test.Classes, []string{"cat", "dog"}) {
		t.Errorf("%d training and %d test images of %q, want 16 and 4 of cat and dog", set.Training.Len(), set.Test.Len(), set.Test.Classes)
	}
	if set.Training.Height != 32 || set.Training.Width != 32 {
		t.Errorf("%d×%d pixels, want 32×32", set.Training.Height, set.Training.Width)
	}

	// The same images from another working directory, in another size, and some of them.
	t.Chdir(t.TempDir())
	again, err := Open(context.Background(), set.Spec, Options{Subset: "10,1/class", Transform: picture.Transform{Resize: 20, Height: 16, Width: 12}})
	if err != nil {
		t.Fatal(err)
	}
	if again.Spec != set.Spec || again.Training.Height != 16 || again.Training.Width != 12 {
		t.Errorf("%s at %d×%d pixels, want %s at 16×12", again.Spec, again.Training.Height, again.Training.Width, set.Spec)
	}
	if again.Training.Name != "pictures in pets, first 10" || again.Training.Len() != 10 || again.Test.Len() != 2 {
		t.Errorf("%d training images of %s and %d test images, want the first 10, and 2", again.Training.Len(), again.Training.Name, again.Test.Len())
	}
	for i := range again.Training.Len() {
		if again.Training.Image(i)[0] != set.Training.Image(i)[0] {
			t.Fatalf("image %d differs the second time", i)
		}
	}
	if _, err := Open(context.Background(), set.Spec, Options{Transform: picture.Transform{Resize: 20}}); err == nil || !strings.Contains(err.Error(), "height of 0 pixels") {
		t.Errorf("an incomplete transform: got error %v", err)
	}
}

// TestOpenTest: images to evaluate on are never split, and need no others.
func TestOpenTest(t *testing.T) {
	offline(t)
	t.Chdir(t.TempDir())
	writePhotos(t, "pets", 5, "cat", "dog")
	writeFolder(t, "records", 7)
	for i := range 5 {
		if err := os.Remove(filepath.Join("records", fmt.Sprintf("data_batch_%d.bin", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		spec, subset string
		n            int
		split        dataset.Split
	}{
		{"pets", "", 10, dataset.All},
		{"pets", "2/class", 4, dataset.All},
		{"records", "", 7, dataset.Test},
		{Builtin, "20", 20, dataset.Test},
	} {
		set, err := OpenTest(context.Background(), test.spec, Options{Subset: test.subset})
		if err != nil {
			t.Error(err)
			continue
		}
		if set.Training != nil || set.Test.Len() != test.n || set.Test.TestSplit() != test.split || set.Name() != set.Test.Name {
			t.Errorf("%s: %d images, split %q; want only %d, split %q", test.spec, set.Test.Len(), set.Test.TestSplit(), test.n, test.split)
		}
		if err := set.Resize(context.Background(), picture.Transform{Resize: 8, Height: 8, Width: 8}); err != nil || set.Test.Height != 8 {
			t.Errorf("%s: images of %d pixels, error %v, want 8", test.spec, set.Test.Height, err)
		}
	}
	if _, err := Open(context.Background(), "records", Options{}); err == nil || !strings.Contains(err.Error(), "data_batch_1.bin is missing") {
		t.Errorf("to train on test images alone: got error %v", err)
	}
}

// TestPhotosNotice: files that were left out are reported before anybody sees results.
func TestPhotosNotice(t *testing.T) {
	offline(t)
	t.Chdir(t.TempDir())
	writePhotos(t, "pets", 3, "cat", "dog")
	write := func(name string) {
		if err := os.WriteFile(filepath.Join("pets", "cat", name), []byte("\x00\x00\x00\x0cjP  \r\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	notice := func() string {
		set, err := Open(context.Background(), "pets", Options{})
		if err != nil {
			t.Fatal(err)
		}
		return set.Notice
	}
	write("0.jp2")
	if got, want := notice(), "Left out of pets:\n  "+filepath.Join("cat", "0.jp2")+" is a JPEG 2000 image; save it as JPEG or PNG"; got != want {
		t.Errorf("notice %q, want %q", got, want)
	}
	write("1\x1b[2J.jp2")
	for i := range 5 {
		write(fmt.Sprintf("a%d.jp2", i))
	}
	got := notice()
	if strings.Contains(got, "\x1b") || !strings.Contains(got, `1\x1b[2J.jp2" is a JPEG 2000 image`) {
		t.Errorf("an unprintable name is not quoted in %q", got)
	}
	if lines := strings.Count(got, "\n"); lines != 6 || !strings.HasSuffix(got, "\n  and 2 more") {
		t.Errorf("%d lines about 7 files left out, want 5 and one for 2 more: %s", lines, got)
	}
}

func TestOpenErrors(t *testing.T) {
	offline(t)
	t.Chdir(t.TempDir())
	writeFolder(t, "pictures", 2)
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	writePhotos(t, "one-class", 2, "cat")
	writePhotos(t, filepath.Join("flat", "."), 2, ".")
	for _, test := range []struct{ spec, subset, want string }{
		{"one-class", "", "images of only one class, cat"},
		{"flat", "", "the images in flat are not in class folders; want a subfolder for each class"},
		{"nowhere", "", `unknown data "nowhere"`},
		{"CIFAR10", "", "cifar10, cifar100"},
		{"empty", "", "empty holds no CIFAR data and no photographs; want the .bin files of cifar-10-batches-bin or cifar-100-binary, or a subfolder"},
		{filepath.Join("pictures", "test_batch.bin"), "", "is a file"},
		{"pictures", "0", `"0"`},
		{"pictures", "-3", `"-3"`},
		{"pictures", "5/klass", `"5/klass"`},
		{"pictures", "/class", `"/class"`},
		{"pictures", "1e3", `"1e3"`},
		{"pictures", " 5", `" 5"`},
		// A mistake in the subset is reported before anything is fetched.
		{CIFAR10, "half", `"half"`},
	} {
		_, err := Open(context.Background(), test.spec, Options{Subset: test.subset})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("data %q, subset %q: got %v, want an error with %q", test.spec, test.subset, err, test.want)
		}
	}
}

func TestParseSubset(t *testing.T) {
	dots := &dataset.Images{Name: "dots", Classes: []string{"a", "b"}, Height: 1, Width: 1,
		Pixels: make([]byte, 5*3), Labels: []int32{0, 0, 0, 1, 0}}
	for _, test := range []struct {
		subset, name string
		labels       []int32
	}{
		{"", "dots", []int32{0, 0, 0, 1, 0}},
		{"4", "dots, first 4", []int32{0, 0, 0, 1}},
		{"5", "dots", []int32{0, 0, 0, 1, 0}},
		{"500", "dots", []int32{0, 0, 0, 1, 0}},
		{"1/class", "dots, first 1 per class", []int32{0, 1}},
		{"4/class", "dots", []int32{0, 0, 0, 1, 0}},
	} {
		take, err := parseSubset(test.subset)
		if err != nil {
			t.Error(err)
			continue
		}
		got := take(dots)
		if got.Name != test.name || fmt.Sprint(got.Labels) != fmt.Sprint(test.labels) {
			t.Errorf("subset %q gives %q with labels %v, want %q with %v", test.subset, got.Name, got.Labels, test.name, test.labels)
		}
	}
	if dots.Name != "dots" {
		t.Errorf("the original images were renamed to %q", dots.Name)
	}
}

func TestDifferentSubsets(t *testing.T) {
	set, err := Open(context.Background(), Builtin, Options{Subset: "30,2/class"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Training.Len() != 30 || set.Test.Len() != 20 {
		t.Errorf("%d training and %d test images, want 30 and 20", set.Training.Len(), set.Test.Len())
	}
	for _, bad := range []string{"30,x", "x,30", "1,2,3", "30,0"} {
		if _, err := Open(context.Background(), Builtin, Options{Subset: bad}); err == nil {
			t.Errorf("subset %q was accepted", bad)
		}
	}
}

func TestValidation(t *testing.T) {
	offline(t)
	set, err := Open(context.Background(), Builtin, Options{Subset: "30/class,10", Validation: 50})
	if err != nil {
		t.Fatal(err)
	}
	if set.Training.Len() != 250 || set.Validation.Len() != 50 || set.Test.Len() != 10 {
		t.Errorf("%d training, %d validation and %d test images", set.Training.Len(), set.Validation.Len(), set.Test.Len())
	}
	if set.InTraining() != set.Validation || set.Validation.TestSplit() != dataset.Validation {
		t.Errorf("in training, %s images are evaluated", set.InTraining().TestSplit())
	}
	name := shapes10.Name + ", first 30 per class"
	if want := name + ", without 50 for validation"; set.Name() != want || set.Validation.Name != name {
		t.Errorf("the names are %q and %q, want %q and %q", set.Name(), set.Validation.Name, want, name)
	}
	if got := set.Validation.Fingerprint().Counts; !slices.Equal(got, slices.Repeat([]int{5}, 10)) {
		t.Errorf("the classes give %v images", got)
	}
	for n, want := range map[int]string{250: "250 of 250 images cannot be held out", -1: "-1 of 250 images"} {
		whole := &Set{Training: set.Training, Test: set.Test}
		if err := whole.holdOut(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d images for validation: error %v, want %q", n, err, want)
		}
	}
	if err := set.holdOut(5); err == nil || !strings.Contains(err.Error(), "has validation images of its own") {
		t.Errorf("holding out twice: error %v", err)
	}
}
