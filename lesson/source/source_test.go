package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/shapes10"
)

// offline keeps a test from the network and from the user's cache.
func offline(t *testing.T) {
	t.Helper()
	t.Setenv("RESIDUAL_CACHE", filepath.Join(t.TempDir(), "cache"))
	t.Setenv("RESIDUAL_CIFAR10_URL", "http://127.0.0.1:1/x")
	t.Setenv("RESIDUAL_CIFAR100_URL", "http://127.0.0.1:1/x")
}

// writeFolder writes images into dir in CIFAR-10's layout: n in each of six files.
func writeFolder(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var records bytes.Buffer
	if err := shapes10.WriteRecords(&records, shapes10.Train(n, 3)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		if err := os.WriteFile(filepath.Join(dir, name+".bin"), records.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBuiltin(t *testing.T) {
	offline(t)
	set, err := Open(context.Background(), Builtin, Options{Subset: "30/class"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Spec != Builtin || set.Notice != "" {
		t.Errorf("asked for, the built-in set has spec %q and notice %q, want no notice", set.Spec, set.Notice)
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
			t.Errorf("%d images, by class %v, want 30 of each", images.Len(), counts)
		}
	}
}

func TestAutoSaysWhatItFellBackTo(t *testing.T) {
	offline(t)
	set, err := Open(context.Background(), Auto, Options{Subset: "20"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Spec != Builtin || set.Training.Name != shapes10.Name+", first 20" || set.Training.Len() != 20 || set.Test.Len() != 20 {
		t.Errorf("fell back to %d images of %s, spec %q; want the first 20 of the built-in set", set.Training.Len(), set.Training.Name, set.Spec)
	}
	for _, word := range []string{"CIFAR-10 could not be had", "127.0.0.1:1", shapes10.Name, "not photographs", "not results on CIFAR-10"} {
		if !strings.Contains(set.Notice, word) {
			t.Errorf("want %q in the notice, got: %s", word, set.Notice)
		}
	}
}

// TestNamedDoesNotFallBack: who asks for CIFAR gets it or an error.
func TestNamedDoesNotFallBack(t *testing.T) {
	offline(t)
	for _, spec := range []string{CIFAR10, CIFAR100} {
		if set, err := Open(context.Background(), spec, Options{}); err == nil {
			t.Errorf("without a network %s gives %s, want an error", spec, set.Training.Name)
		}
	}
}

// TestCancelledDoesNotFallBack: Ctrl-C in a download is no wish for other images.
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
		t.Errorf("got set %v and error %v, want %v alone", set, err, context.Canceled)
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
	// Test images that are all there have the name of all of them.
	const name = "images in pictures (CIFAR-10 layout)"
	if set.Training.Name != name+", first 10" || set.Test.Name != name {
		t.Errorf("names %q and %q, want %q, the first with first 10 behind it", set.Training.Name, set.Test.Name, name)
	}
	if set.Caption() != "data: "+name+", first 10" {
		t.Errorf("caption %q", set.Caption())
	}

	// The spec gives the same images from anywhere.
	if !filepath.IsAbs(set.Spec) {
		t.Errorf("spec %q, want a path from the root", set.Spec)
	}
	t.Chdir(t.TempDir())
	again, err := Open(context.Background(), set.Spec, Options{Subset: "10"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Training.Pixels, set.Training.Pixels) || again.Spec != set.Spec {
		t.Errorf("%s gives other images the second time", set.Spec)
	}
}

func TestOpenErrors(t *testing.T) {
	offline(t)
	t.Chdir(t.TempDir())
	writeFolder(t, "pictures", 2)
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ spec, subset, want string }{
		{"nowhere", "", `unknown data "nowhere"`},
		{"CIFAR10", "", "cifar10, cifar100"},
		{"empty", "", "empty holds no CIFAR data"},
		{filepath.Join("pictures", "test_batch.bin"), "", "is a file"},
		{"pictures", "0", `"0"`},
		{"pictures", "-3", `"-3"`},
		{"pictures", "5/klass", `"5/klass"`},
		{"pictures", "/class", `"/class"`},
		{"pictures", "1e3", `"1e3"`},
		{"pictures", " 5", `" 5"`},
		// What is wrong with the subset is said before anything is fetched.
		{CIFAR10, "half", `"half"`},
	} {
		_, err := Open(context.Background(), test.spec, Options{Subset: test.subset})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("data %q, subset %q: got %v, want an error with %q", test.spec, test.subset, err, test.want)
		}
	}
}

func TestParseSubset(t *testing.T) {
	images := &dataset.Images{Name: "dots", Classes: []string{"a", "b"}, Height: 1, Width: 1,
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
		got := take(images)
		if got.Name != test.name || fmt.Sprint(got.Labels) != fmt.Sprint(test.labels) {
			t.Errorf("subset %q is %q with labels %v, want %q with %v", test.subset, got.Name, got.Labels, test.name, test.labels)
		}
	}
	if images.Name != "dots" {
		t.Errorf("the images are renamed to %q", images.Name)
	}
}

func TestSubsetsOfTheirOwn(t *testing.T) {
	set, err := Open(context.Background(), Builtin, Options{Subset: "30,2/class"})
	if err != nil {
		t.Fatal(err)
	}
	if set.Training.Len() != 30 || set.Test.Len() != 20 {
		t.Errorf("%d training and %d test images, want 30 and 20", set.Training.Len(), set.Test.Len())
	}
	for _, bad := range []string{"30,x", "x,30", "1,2,3", "30,0"} {
		if _, err := Open(context.Background(), Builtin, Options{Subset: bad}); err == nil {
			t.Errorf("subset %q was taken", bad)
		}
	}
}
