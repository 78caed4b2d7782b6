package e2e

import (
	"os"
	"path/filepath"
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
