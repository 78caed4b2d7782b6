// Package recorded tests the recorded runs of the course, in lesson/recorded: that their folders are
// complete and small, and that their weights are as accurate as their metrics say.
package recorded

import (
	"bytes"
	"flag"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

var all = flag.Bool("all", false, "evaluate all recorded weights, which takes minutes, and not only those of ResNet-20")

const (
	root   = "../../../lesson/recorded"
	budget = 10_000_000 // bytes, for everything in root
	images = "CIFAR-10 (JPEG)"
)

func runs(t *testing.T) []string {
	t.Helper()
	dirs, err := recorded.Runs(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) == 0 {
		t.Fatal("there are no recorded runs")
	}
	return dirs
}

// readReadme returns the README of a set of recorded runs.
func readReadme(t *testing.T, set string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, set, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestRecordedRunsAreWhole(t *testing.T) {
	for _, dir := range runs(t) {
		r, err := run.ReadRecipe(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		lines, err := run.ReadMetrics(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		for i, line := range lines {
			if line.Kind != run.EpochLine || line.Epoch != i+1 || line.Epochs != r.Epochs || line.TestTop1 == nil {
				t.Errorf("%s: line %d of the metrics is %+v", dir, i+1, line)
			}
		}
		if r.Data == "" || len(lines) == 0 {
			t.Errorf("%s: data %q, %d epochs", dir, r.Data, len(lines))
		}
		readme := filepath.Join(filepath.Dir(dir), "README.md")
		content, err := os.ReadFile(readme)
		if err != nil {
			t.Error(err)
		} else if !bytes.Contains(content, []byte("`"+filepath.Base(dir)+"`")) {
			t.Errorf("%s does not list %s", readme, filepath.Base(dir))
		}
	}
}

func TestRecordedRunsAreSmall(t *testing.T) {
	var size int64
	err := filepath.WalkDir(root, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > budget {
		t.Errorf("%s has %d bytes, want at most %d", root, size, budget)
	}
}

func TestRecordedWeightsHaveTheRecordedAccuracy(t *testing.T) {
	test := testImages(t)
	engine, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	evaluated := 0
	for _, dir := range runs(t) {
		r, err := run.ReadRecipe(dir)
		if err != nil {
			t.Fatal(err)
		}
		path, err := recorded.Weights(dir)
		if err != nil || r.Data != images || !*all && r.Model.Name != "resnet20" {
			continue
		}
		lines, err := run.ReadMetrics(dir)
		if err != nil {
			t.Fatal(err)
		}
		m, err := weights.Open(t.Context(), path, weights.Options{})
		if err != nil {
			t.Fatal(err)
		}
		store := model.NewStore()
		if err := m.Restore(store, run.ModelPath); err != nil {
			t.Fatal(err)
		}
		network, err := infer.New(engine, store, run.ModelPath, m.Config, m.Normalization)
		if err != nil {
			t.Fatal(err)
		}
		network.SetPrecision(r.DType()) // as it was recorded
		result, err := network.Evaluate(t.Context(), test, 250, nil)
		network.Finalize()
		if err != nil {
			t.Fatal(err)
		}
		evaluated++
		want := *lines[len(lines)-1].TestTop1
		t.Logf("%s: %.2f%% of %d test images, recorded %.2f%%", dir, 100*result.Top1, result.Total, 100*want)
		if math.Abs(result.Top1-want) > 0.001+1e-9 {
			t.Errorf("%s: accuracy %.2f%%, recorded %.2f%%, want a difference of at most 0.1 points", dir, 100*result.Top1, 100*want)
		}
	}
	if evaluated == 0 {
		t.Error("no recorded weights were evaluated")
	}
}

// testImages unpacks the test images of CIFAR-10 (JPEG), or skips the test.
func testImages(t *testing.T) *dataset.Images {
	t.Helper()
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set; the test needs a folder with cifar10-jpeg.tar.gz and unpack.go")
	}
	archive, program := filepath.Join(data, "cifar10-jpeg.tar.gz"), filepath.Join(data, "unpack.go")
	for _, path := range []string{archive, program} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("no images of CIFAR-10 (JPEG): %v", err)
		}
	}
	dir := t.TempDir()
	if output, err := exec.CommandContext(t.Context(), "go", "run", program, "-in", archive, "-out", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack the images: %v: %s", err, output)
	}
	training, test, err := cifar.Read(filepath.Join(dir, "cifar-10-batches-bin"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "CIFAR-10 (JPEG)"; training.Name != want || test.Name != want {
		t.Errorf("the images are named %q and %q, want %q", training.Name, test.Name, want)
	}
	return test
}
