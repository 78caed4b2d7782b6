package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// caseFiles returns the folder of the given name beside the real data, with files of the kinds
// that people bring. They are not part of the project.
func caseFiles(t *testing.T, elements ...string) string {
	t.Helper()
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder, so there is no ../cases beside it")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{folder, "..", "cases"}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no cases: %v", err)
	}
	return path
}

// pretrained is the ResNet-20 of the real data; PyTorch classifies 455 of 500 images correctly
// with it.
func pretrained(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(os.Getenv("RESIDUAL_TEST_DATA"), "weights", "resnet20-12fca82f.th"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil || os.Getenv("RESIDUAL_TEST_DATA") == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with weights/resnet20-12fca82f.th")
	}
	return path
}

// eval measures all images of a folder without a split.
func TestEvalCaseFolder(t *testing.T) {
	t.Parallel()
	folder, weights := caseFiles(t, "eval-folder"), pretrained(t)
	p := newPlace(t)
	got := decode[evaluation](t, p.ok("eval", "--weights", weights, "--data", folder, "--json"))
	if got.Correct != 455 || got.Total != 500 || got.Split != "all" {
		t.Errorf("%d of %d %s images are correct, want 455 of all 500", got.Correct, got.Total, got.Split)
	}
	has(t, p.ok("eval", "--weights", weights, "--data", folder), "Correct: 455 of 500 images (all in the folder)\nTest Accuracy: 91.00%\n")
}

// eval needs the test images only.
func TestEvalTestBatchAlone(t *testing.T) {
	t.Parallel()
	p := trained(t)
	for _, file := range []string{"test_batch.bin", "cifar-10-batches-bin/test_batch.bin"} {
		dir := filepath.Dir(p.path("alone", filepath.Base(filepath.Dir(file)), file))
		writeFile(t, filepath.Join(dir, "test_batch.bin"), readFile(t, filepath.Join(small(t), "test_batch.bin")))
		for _, data := range []string{dir, filepath.Dir(dir)} {
			if data != dir && filepath.Base(dir) != "cifar-10-batches-bin" {
				continue
			}
			out := p.ok("eval", "--run", "runs/tiny", "--data", data)
			has(t, out, "; 16 test images\n", "of 16 test images\nTest Accuracy: ")
		}
		p.fails([]string{"data_batch_1.bin", "is missing"}, "train", "--data", dir)
	}
	want := decode[evaluation](t, p.ok("eval", "--run", "runs/tiny", "--json"))
	got := decode[evaluation](t, p.ok("eval", "--run", "runs/tiny", "--data", p.path("alone", "cifar-10-batches-bin"), "--json"))
	if got.Correct != want.Correct || *got.Loss != *want.Loss || got.Split != "test" {
		t.Errorf("test_batch.bin alone gives %+v, with the training images %+v", got, want)
	}
	// It is CIFAR-10 if its records are.
	real, weights := os.Getenv("RESIDUAL_TEST_DATA"), pretrained(t)
	path := filepath.Join(real, "cifar10-exact", "cifar-10-batches-bin", "test_batch.bin")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no exact records: %v", err)
	}
	writeFile(t, p.path("exact", "test_batch.bin"), readFile(t, path))
	has(t, p.ok("eval", "--weights", weights, "--data", "exact"), "Data: CIFAR-10 (subset); 500 test images", "Correct: 455 of 500 test images\n")
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Formats of all kinds are read, and files that are not images are mentioned.
func TestCaseFormats(t *testing.T) {
	t.Parallel()
	p := trained(t)
	formats := caseFiles(t, "formats")
	r := p.run("predict", "--run", "runs/tiny", formats)
	if r.code != 0 {
		t.Errorf("exit code %d, want 0; stderr:\n%s", r.code, r.stderr)
	}
	has(t, r.stdout, "bmp.bmp", "tif.tif", "still.gif", "anim.webp")
	has(t, r.stderr, "anim.webp has several frames or pages; the first is used")
	has(t, p.ok("data", "verify", "--data", caseFiles(t, "layouts", "mixedppm")), "Data: pictures in mixedppm; ", "All records are complete")
	counts := decode[struct{ Training, Test []int }](t, p.ok("data", "verify", "--data", caseFiles(t, "layouts", "mixedppm"), "--json"))
	if got := counts.Training[0] + counts.Test[0]; got < 20 {
		t.Errorf("%d of the images of the first class are read, want the PPM files too", got)
	}
}

// PPM, PGM, BMP and GIF beside PNG: all are read.
func TestMixedFormats(t *testing.T) {
	t.Parallel()
	p := trained(t)
	for i, class := range []string{"cat", "dog"} {
		level := fmt.Sprint(100 * i)
		writeFile(t, p.path("mixed", class, "text.ppm"), []byte("P3 2 1 255 "+strings.Repeat(level+" ", 6)))
		writeFile(t, p.path("mixed", class, "binary.PGM"), []byte("P5 2 1 255\nab"))
		writeFile(t, p.path("mixed", class, "bits.pbm"), []byte("P4 2 1\n\x80"))
		var still bytes.Buffer
		frame := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.White, color.Black})
		if err := gif.EncodeAll(&still, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}); err != nil {
			t.Fatal(err)
		}
		writeFile(t, p.path("mixed", class, "moving.gif"), still.Bytes())
		writeFile(t, p.path("mixed", class, "GT-00000.csv"), []byte("name;class"))
	}
	out := p.ok("data", "verify", "--data", "mixed")
	has(t, out, "6 training and 2 held-out images", "files that are not images by their names (2 .csv)",
		"Of 2 images with several frames or pages in mixed, such as "+filepath.Join("cat", "moving.gif")+", the first is used")
	r := p.run("predict", "--run", "runs/tiny", filepath.Join("mixed", "cat"))
	has(t, r.stdout, "text.ppm", "binary.PGM", "bits.pbm", "moving.gif")
	has(t, r.stderr, "moving.gif has several frames or pages; the first is used")
}
