// Package e2e runs the lesson command as a user does: as a process, in a folder of its own. The
// tests use neither the network nor the user's cache.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/shapes10"
)

// binary is the compiled command, and common a folder of files that several tests read.
var binary, common string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	var err error
	if common, err = os.MkdirTemp("", "lesson-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(common)
	binary = filepath.Join(common, "lesson")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if output, err := exec.Command("go", "build", "-o", binary, "github.com/residual-go/residual/lesson").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the lesson command: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// closed is an address where no server listens.
const closed = "http://127.0.0.1:1/x"

// place is a folder to run the command in, with its own environment.
type place struct {
	t   *testing.T
	dir string
	env []string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), env: os.Environ()}
	p.set("RESIDUAL_LANG", "en")
	p.set("RESIDUAL_CACHE", filepath.Join(t.TempDir(), "cache"))
	p.set("RESIDUAL_CIFAR10_URL", closed)
	p.set("RESIDUAL_CIFAR100_URL", closed)
	p.set("GOMLX_BACKEND", "")
	p.set("PJRT_PLUGIN_LIBRARY_PATH", filepath.Join(common, "no-plugins"))
	return p
}

func (p *place) set(name, value string) { p.env = append(p.env, name+"="+value) }

func (p *place) path(elements ...string) string {
	return filepath.Join(append([]string{p.dir}, elements...)...)
}

// patience is much longer than any command here takes. A command that hangs gets SIGQUIT, which
// prints its goroutines.
const patience = time.Minute

// command is the lesson command with the given arguments, in the place.
func (p *place) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// result is the outcome of a process.
type result struct {
	stdout, stderr string
	code           int
}

func (p *place) run(args ...string) result {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		p.t.Fatalf("lesson %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ok runs the command, requires it to succeed, and returns its standard output.
func (p *place) ok(args ...string) string {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.t.Fatalf("lesson %s: exit code %d, want 0; stderr:\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// fails runs the command and requires it to fail with one line on standard error that contains
// all the given words.
func (p *place) fails(words []string, args ...string) result {
	p.t.Helper()
	r := p.run(args...)
	if r.code == 0 {
		p.t.Errorf("lesson %s: exit code 0, want an error", strings.Join(args, " "))
	}
	if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "lesson: ") || !strings.HasSuffix(r.stderr, "\n") {
		p.t.Errorf("lesson %s: want one line on stderr that begins with lesson:, got:\n%s", strings.Join(args, " "), r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			p.t.Errorf("lesson %s: want %q in the error, got %s", strings.Join(args, " "), word, r.stderr)
		}
	}
	return r
}

// has requires the text to contain all the words.
func has(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("want %q in:\n%s", word, text)
		}
	}
}

// decode decodes text, which must be exactly one JSON value.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("want JSON, got %v in:\n%s", err, text)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Fatalf("want one JSON value and no more, got:\n%s", text)
	}
	return value
}

// checkFigures requires every figure in dir as a valid PNG and as a valid SVG that contains the
// words.
func checkFigures(t *testing.T, dir, words string, names ...string) {
	t.Helper()
	for _, name := range names {
		file, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		picture, err := png.Decode(file)
		file.Close()
		if err != nil {
			t.Errorf("%s.png: %v", name, err)
		} else if size := picture.Bounds().Size(); size.X < 100 || size.Y < 100 {
			t.Errorf("%s.png has %v pixels, want a figure", name, size)
		}
		svg, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil {
			t.Error(err)
			continue
		}
		decoder := xml.NewDecoder(bytes.NewReader(svg))
		for {
			if _, err := decoder.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("%s.svg: %v", name, err)
				break
			}
		}
		if !bytes.Contains(svg, []byte(words)) {
			t.Errorf("%s.svg does not say %q", name, words)
		}
	}
}

// writeCIFAR10 writes a folder in CIFAR-10's layout with n images in each file.
func writeCIFAR10(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	train, test := shapes10.Train(5*n, 1), shapes10.Test(n, 1)
	for i := range 5 {
		part := make([]int, n)
		for j := range part {
			part[j] = i*n + j
		}
		writeRecords(t, filepath.Join(dir, fmt.Sprintf("data_batch_%d.bin", i+1)), train.Pick(part))
	}
	writeRecords(t, filepath.Join(dir, "test_batch.bin"), test)
}

func writeRecords(t *testing.T, path string, images *dataset.Images) {
	t.Helper()
	var records bytes.Buffer
	if err := cifar.WriteRecords(&records, images); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, records.Bytes())
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tinyRecipe trains the smallest possible network, in milliseconds a step.
func tinyRecipe(t *testing.T, data string, epochs int) recipe.Recipe {
	t.Helper()
	config, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	config.Stem = resnet.ImageNetStem
	return recipe.Recipe{
		Name: "tiny", Model: config, Data: data, Epochs: epochs, BatchSize: 16,
		LearningRate: 0.05, Schedule: optim.Schedule{Kind: optim.Constant}, Momentum: 0.9,
		Normalization: dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}, Seed: 7,
	}
}

// begin creates the folder of a run that has no checkpoint yet, so that train --resume starts it.
// The models that --model names are too large to train many of them in tests.
func (p *place) begin(dir string, r recipe.Recipe) {
	p.t.Helper()
	content, err := json.Marshal(r)
	if err != nil {
		p.t.Fatal(err)
	}
	writeFile(p.t, p.path(dir, "recipe.json"), content)
	if err := os.Mkdir(p.path(dir, "checkpoints"), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// small returns a folder in CIFAR-10's layout with 80 training and 16 test images, which tests
// must not change.
func small(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(common, "small")
	writeSmall.Do(func() { writeCIFAR10(t, dir, 16) })
	return dir
}

var writeSmall, trainTiny sync.Once

// trained returns a place with its own copy of a finished run in runs/tiny.
func trained(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	from := filepath.Join(common, "trained")
	trainTiny.Do(func() {
		p.begin("made", tinyRecipe(t, small(t), 2))
		p.ok("train", "--run", "made", "--resume", "--log-every", "2")
		if err := os.CopyFS(from, os.DirFS(p.path("made"))); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.CopyFS(p.path("runs", "tiny"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return p
}

// newestCheckpoint returns the newest checkpoint of the run in dir.
func (p *place) newestCheckpoint(dir string) string {
	p.t.Helper()
	paths, err := filepath.Glob(p.path(dir, "checkpoints", "step-*.safetensors"))
	if err != nil || len(paths) == 0 {
		p.t.Fatalf("no checkpoints in %s (%v)", dir, err)
	}
	return paths[len(paths)-1]
}
