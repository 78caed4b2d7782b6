package onnx

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// onnxRuntime is the npm package with ONNX Runtime for the common systems.
const onnxRuntime = "onnxruntime-node@1.20.1"

// modules returns the folder with the package, or an error that says what is missing.
var modules = sync.OnceValues(func() (string, error) {
	dir, err := install()
	if err != nil {
		return "", err
	}
	load := exec.Command("node", "--eval", `require("onnxruntime-node")`)
	load.Env = append(os.Environ(), "NODE_PATH="+dir)
	if output, err := load.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not run on this system: %w: %s", onnxRuntime, err, firstLine(output))
	}
	return dir, nil
})

// install installs the package into bin/ if it is not there, and returns its folder.
func install() (string, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s is not installed; on Debian: apt-get install nodejs npm", program)
		}
	}
	bin, err := filepath.Abs(filepath.Join("..", "..", "..", "bin"))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(bin, onnxRuntime)
	found := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(found); err == nil {
		return found, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	// Installed elsewhere and renamed at the end, since npm may be interrupted.
	unfinished, err := os.MkdirTemp(bin, "onnxruntime.tmp-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// The package's script would download GPU libraries.
	npm := exec.CommandContext(ctx, "npm", "install", "--prefix", unfinished, "--ignore-scripts", "--no-audit", "--no-fund",
		"--fetch-retries=1", "--fetch-retry-mintimeout=1000", onnxRuntime)
	npm.WaitDelay = 5 * time.Second
	if output, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w: %s", onnxRuntime, err, firstLine(output))
	}
	if err := os.Rename(unfinished, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return found, nil
}

func firstLine(output []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	return line
}

// job asks run.js to run a model on images.
type job struct {
	Model  string `json:"model"`
	Images string `json:"images"`
	Dims   []int  `json:"dims"`

	name string
	want []float32 // logits
}

// answer is run.js's answer to a job.
type answer struct {
	Dims  []int
	Data  []float32
	Error string
}

// jobs is a list of jobs whose files are in one folder.
type jobs struct {
	modules, dir string
	list         []job
}

// begin starts a list. It skips the test if there is no ONNX Runtime.
func begin(t *testing.T) *jobs {
	t.Helper()
	found, err := modules()
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	return &jobs{modules: found, dir: t.TempDir()}
}

// add adds jobs for the model, unfolded and folded, on n images [n, height, width, 3] and on
// the first of them alone. want are the logits, [n, classes].
func (j *jobs) add(t *testing.T, name string, m *weights.Model, images []float32, n, height, width int, want []float32) {
	t.Helper()
	path := func(what string) string { return filepath.Join(j.dir, fmt.Sprintf("%d %s", len(j.list), what)) }
	size := height * width * 3
	input := map[int]string{}
	for _, batch := range []int{1, n} {
		// In ONNX the channels precede height and width.
		var content []byte
		for i := range batch {
			for c := range 3 {
				for p := c; p < size; p += 3 {
					content = binary.LittleEndian.AppendUint32(content, math.Float32bits(images[i*size+p]))
				}
			}
		}
		input[batch] = path(fmt.Sprint(batch, " images"))
		writeFile(t, input[batch], content)
	}
	for _, fold := range []bool{false, true} {
		file := path("onnx")
		writeFile(t, file, write(t, m, fold))
		for batch, images := range input {
			j.list = append(j.list, job{Model: file, Images: images, Dims: []int{batch, 3, height, width},
				name: fmt.Sprintf("%s, %d images, folded %v", name, batch, fold), want: want[:batch*m.Config.Classes]})
		}
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs the jobs in ONNX Runtime and returns the answers.
func (j *jobs) run(t *testing.T) []answer {
	t.Helper()
	input, err := json.Marshal(j.list)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	node := exec.CommandContext(ctx, "node", "run.js")
	node.Env = append(os.Environ(), "NODE_PATH="+j.modules)
	node.Stdin, node.Stdout, node.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := node.Run(); err != nil {
		t.Fatalf("run ONNX Runtime: %v\n%s", err, stderr.String())
	}
	var answers []answer
	if err := json.Unmarshal(stdout.Bytes(), &answers); err != nil || len(answers) != len(j.list) {
		t.Fatalf("ONNX Runtime gave %d answers to %d jobs (%v):\n%s%s", len(answers), len(j.list), err, stdout.String(), stderr.String())
	}
	return answers
}

// compare fails the test unless the answers are those that the jobs want.
func (j *jobs) compare(t *testing.T, tolerance float64) {
	t.Helper()
	worst := 0.0
	for i, got := range j.run(t) {
		job := j.list[i]
		if got.Error != "" {
			t.Errorf("%s: %s", job.name, got.Error)
			continue
		}
		classes := len(job.want) / job.Dims[0]
		if !slices.Equal(got.Dims, []int{job.Dims[0], classes}) {
			t.Errorf("%s: logits %v, want [%d %d]", job.name, got.Dims, job.Dims[0], classes)
			continue
		}
		d := difference(got.Data, job.want)
		if !(d <= tolerance) {
			t.Errorf("%s: the logits differ by %.1e of the largest, want at most %.0e", job.name, d, tolerance)
		}
		worst = max(worst, d)
	}
	t.Logf("%d runs of ONNX Runtime; the largest difference is %.1e", len(j.list), worst)
}

// difference returns max|got−want| / max|want|. It is infinite or NaN if a value in got or want
// is, or if all are 0.
func difference(got, want []float32) float64 {
	var gap, scale float64
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			return d
		}
		gap, scale = max(gap, d), max(scale, math.Abs(float64(want[i])))
	}
	return gap / scale
}

// logits returns the logits [n, classes] that this project's network computes for images
// [n, height, width, 3].
func logits(t *testing.T, m *weights.Model, images []float32, n, height, width int) []float32 {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	const path = "/network"
	store := model.NewStore()
	if err := m.Restore(store, path); err != nil {
		t.Fatal(err)
	}
	outputs, err := model.CallOnce(engine, store, func(_ *model.Scope, images *graph.Node) *graph.Node {
		return m.Config.Forward(store.Scope(path), images)
	}, tensors.FromFlatDataAndDimensions(slices.Clone(images), n, height, width, 3))
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](outputs)
}

// normal returns n normally distributed values.
func normal(n int) []float32 {
	numbers := rand.New(rand.NewPCG(3, 4))
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(numbers.NormFloat64())
	}
	return data
}

func TestONNXRuntime(t *testing.T) {
	j := begin(t)
	configs := kinds()
	size := map[string]int{}
	for _, name := range []string{"resnet18", "resnet50"} {
		config, err := resnet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		configs[name], size[name] = config, 64
	}
	for name, config := range configs {
		height, width := 13, 18 // odd and even, not square
		if n := size[name]; n > 0 {
			height, width = n, n
		}
		m := random(t, config, height, width)
		images := normal(3 * height * width * 3)
		j.add(t, name, m, images, 3, height, width, logits(t, m, images, 3, height, width))
	}
	j.compare(t, 1e-4)
}

// A model without a transform takes images of any size.
func TestAnySize(t *testing.T) {
	j := begin(t)
	m := random(t, kinds()["ImageNet stem, basic, A"], 0, 0)
	for _, size := range []int{32, 57} {
		images := normal(size * size * 3)
		j.add(t, "any size", m, images, 1, size, size, logits(t, m, images, 1, size, size))
	}
	j.compare(t, 1e-4)
}

// TestComparisonFails shows that compare can fail: changed weights give other answers.
func TestComparisonFails(t *testing.T) {
	j := begin(t)
	m := random(t, kinds()["CIFAR stem, grouped, A"], 8, 8)
	images := normal(8 * 8 * 3)
	want := logits(t, m, images, 1, 8, 8)
	for _, name := range []string{"conv1.weight", "layer1.0.bn1.running_mean", "layer1.0.bn2.running_var", "layer2.0.conv2.weight", "fc.bias"} {
		whole := m.Tensors[name]
		changed := slices.Clone(whole.Data)
		for i := range changed {
			changed[i] += 0.1
		}
		m.Tensors[name] = statedict.Tensor{Shape: whole.Shape, Data: changed}
		j.add(t, name, m, images, 1, 8, 8, want)
		m.Tensors[name] = whole
	}
	for i, got := range j.run(t) {
		if d := difference(got.Data, want); !(d > 1e-4) {
			t.Errorf("%s changed, but the logits differ by only %.1e", j.list[i].name, d)
		}
	}
}

// TestRealWeights exports published weights that were trained in PyTorch, and compares with
// PyTorch's logits for the first test image of CIFAR-10.
func TestRealWeights(t *testing.T) {
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set: it names a folder with weights/ and cifar10-exact/")
	}
	m, err := weights.Open(t.Context(), filepath.Join(folder, "weights", "resnet20-12fca82f.th"), weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, test, err := cifar.Read(filepath.Join(folder, "cifar10-exact"))
	if err != nil {
		t.Fatal(err)
	}
	n := dataset.ImageNetNormalization()
	images := make([]float32, test.ImageSize())
	for i, x := range test.Pixels[:len(images)] {
		images[i] = (float32(x)/255 - n.Mean[i%3]) / n.Std[i%3]
	}
	want := []float32{-5.30968, -0.49577, 0.87726, 23.73051, -4.10504, 4.46373, -0.23435, -5.41793, -3.71180, -9.88218}
	j := begin(t)
	j.add(t, "resnet20", m, images, 1, test.Height, test.Width, want)
	j.compare(t, 1e-5)
}
