package xla

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/backend/backendtest"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
)

// trained is what a training run in a process of its own comes to.
type trained struct {
	Weights  string // SHA-256 of the last checkpoint, weights and momentum; "" on a GPU, whose bits vary
	Losses   []float64
	TestLoss float64
	Guesses  []int
}

// made is how the programs of a process came about.
type made struct{ Compiled, Loaded int64 }

// childVariable is set to the configuration of the backend in a child process.
const childVariable = "RESIDUAL_TEST_KEPT"

// TestKeptChild is the child process: it trains a small network in two ways, and prints a line of JSON.
func TestKeptChild(t *testing.T) {
	config := os.Getenv(childVariable)
	if config == "" {
		t.Skip("skipping: runs only as a child process of TestKeptPrograms")
	}
	engine := start(t, config)
	var all []trained
	for _, way := range []struct {
		input   run.Input
		devices int
	}{
		{run.InputHost, 1}, // a program for a step
		{run.InputDevice, min(2, engine.NumDevices())}, // one for a loop of steps, on two devices
	} {
		r := small(t)
		r.Epochs, r.Devices, r.BatchSize = 2, way.devices, 8
		o := run.Options{
			Backend: engine, Input: way.input, LogEvery: 2,
			Training: shapes10.Train(4*r.BatchSize, 1), Test: shapes10.Test(60, 2),
		}
		if way.input == run.InputDevice {
			o.ReadEvery = 2
		}
		dir := t.TempDir()
		outcome, err := run.Train(context.Background(), dir, r, o)
		if err != nil {
			t.Fatal(err)
		}
		result := trained{TestLoss: outcome.Test.Loss, Guesses: outcome.Test.Guesses}
		for _, line := range lines(t, dir) {
			result.Losses = append(result.Losses, line.Loss)
		}
		checkpoints, err := filepath.Glob(filepath.Join(dir, "checkpoints", "*.safetensors"))
		if err != nil || len(checkpoints) == 0 {
			t.Fatalf("%d checkpoints (%v)", len(checkpoints), err)
		}
		content, err := os.ReadFile(slices.Max(checkpoints))
		if err != nil {
			t.Fatal(err)
		}
		if !backend.Accelerated(engine) {
			sum := sha256.Sum256(content)
			result.Weights = hex.EncodeToString(sum[:])
		}
		all = append(all, result)
	}
	var m made
	m.Compiled, m.Loaded = backend.Programs()
	line, err := json.Marshal(struct {
		Trained []trained
		Made    made
	}{all, m})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s%s\n", childVariable, line)
}

// child trains in a process of its own, with a cache and more variables of the environment.
func child(t *testing.T, config, cache string, variables ...string) ([]trained, made) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKeptChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+config, "RESIDUAL_CACHE="+cache, "RESIDUAL_XLA_CACHE=on")
	cmd.Env = append(cmd.Env, variables...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the child process: %v\n%s\n%s", err, out, said.Bytes())
	}
	if strings.Contains(said.String(), "cpu_aot_loader") {
		t.Errorf("XLA printed\n%s", said.Bytes())
	}
	_, rest, found := strings.Cut(string(out), childVariable)
	line, _, _ := strings.Cut(rest, "\n")
	var result struct {
		Trained []trained
		Made    made
	}
	if err := json.Unmarshal([]byte(line), &result); !found || err != nil || len(result.Trained) == 0 {
		t.Fatalf("the child process printed %q (%v)", out, err)
	}
	return result.Trained, result.Made
}

// Programs that an earlier process left compute the same bits as new ones, in steps, in loops of steps, on two
// devices and in evaluations. Those that do not fit are compiled.
func TestKeptPrograms(t *testing.T) {
	config := "xla:" + backendtest.Plugin(t)
	cache := t.TempDir()
	want, cold := child(t, config, cache, "RESIDUAL_XLA_CACHE=off")
	if cold.Compiled == 0 || cold.Loaded != 0 {
		t.Fatalf("without a cache, %d programs are compiled and %d loaded", cold.Compiled, cold.Loaded)
	}
	same := func(what string, got []trained) {
		t.Helper()
		if want[0].Weights != "" && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: training comes to\n%+v, want\n%+v", what, got, want)
		}
		for i := range want {
			if diff := got[i].TestLoss - want[i].TestLoss; !(math.Abs(diff) <= 3*rounding*want[i].TestLoss) {
				t.Errorf("%s: the test loss is %g, want %g", what, got[i].TestLoss, want[i].TestLoss)
			}
		}
	}
	files := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(cache, "xla/programs/*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := files(); len(found) > 0 {
		t.Fatalf("without a cache, %d files are written", len(found))
	}

	got, first := child(t, config, cache)
	same("first", got)
	kept := len(files())
	// Programs that compile in less than 0.3 s are not kept.
	if kept == 0 || first.Compiled+first.Loaded != cold.Compiled {
		t.Fatalf("at first, %d programs are compiled, %d loaded and %d kept; without a cache %d are compiled", first.Compiled, first.Loaded, kept, cold.Compiled)
	}
	got, m := child(t, config, cache)
	same("again", got)
	if m.Loaded < int64(kept) || m.Compiled+m.Loaded != cold.Compiled {
		t.Errorf("again, %d programs are compiled and %d loaded, with %d kept; want %d together", m.Compiled, m.Loaded, kept, cold.Compiled)
	}

	// Each file is damaged in another way: too short, not what it says, and what the plugin cannot load.
	for i, file := range files() {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			content = content[:len(content)/2]
		case 1:
			content[len(content)/2] ^= 0x10
		case 2: // the header, of 72 bytes, ends in the SHA-256
			garbage := []byte("not an executable of XLA")
			sum := sha256.Sum256(garbage)
			content = slices.Concat(content[:40], sum[:], garbage)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, m = child(t, config, cache)
	same("with damaged files", got)
	if m.Compiled < int64(kept) {
		t.Errorf("with damaged files, %d programs are compiled, want %d", m.Compiled, kept)
	}

	// Programs for other flags are not loaded. This flag changes nothing in the code.
	got, m = child(t, config, cache, "XLA_FLAGS="+strings.TrimSpace(os.Getenv("XLA_FLAGS")+" --xla_gpu_autotune_level=3"))
	same("with other flags", got)
	if m.Compiled < int64(kept) {
		t.Errorf("with other flags, %d programs are compiled, want %d", m.Compiled, kept)
	}
}

// A run says where its programs came from, and loaded programs compute what compiled ones do.
func TestWordsForKeptProgramsOnXLA(t *testing.T) {
	t.Setenv("RESIDUAL_XLA_CACHE", "on")
	plugin := backendtest.Plugin(t)
	t.Setenv("RESIDUAL_CACHE", t.TempDir())
	engine := start(t, "xla:"+plugin)
	r := small(t)
	var want []run.Metrics
	for _, word := range []string{"compiling the training step took", "loading the training step from the cache took"} {
		var notes notes
		dir := t.TempDir()
		o := run.Options{Backend: engine, Training: shapes10.Train(4*r.BatchSize, 1), Report: &notes}
		if _, err := run.Train(context.Background(), dir, r, o); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = lines(t, dir)
		}
		compare(t, word, lines(t, dir), want, rounding)
		if !slices.ContainsFunc(notes.all, func(note string) bool { return strings.HasPrefix(note, word) }) {
			t.Errorf("the run says %q, want %q", notes.all, word)
		}
	}
}

// A run whose programs cannot be kept says so, once, and trains.
func TestWordsForUnkeptProgramsOnXLA(t *testing.T) {
	t.Setenv("RESIDUAL_XLA_CACHE", "on")
	plugin := backendtest.Plugin(t)
	cache := t.TempDir()
	t.Setenv("RESIDUAL_CACHE", cache)
	// A file in the place of the folder stands for a full disk.
	if err := os.Mkdir(filepath.Join(cache, "xla"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cache, "xla", "programs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r := small(t)
	var notes notes
	o := run.Options{
		Backend: start(t, "xla:"+plugin), Report: &notes,
		Training: shapes10.Train(4*r.BatchSize, 1), Test: shapes10.Test(60, 2),
	}
	if _, err := run.Train(context.Background(), t.TempDir(), r, o); err != nil {
		t.Fatal(err)
	}
	const want = "keeping the compiled program for the next run failed: write program: "
	said := 0
	for _, note := range notes.all {
		if strings.HasPrefix(note, want) {
			said++
		}
	}
	if said != 1 {
		t.Errorf("the run says %q, want %q once", notes.all, want)
	}
}

// notes is a Reporter that keeps the notes.
type notes struct {
	interrupter
	all []string
}

func (*notes) Step(run.Metrics)   {}
func (n *notes) Note(text string) { n.all = append(n.all, text) }
