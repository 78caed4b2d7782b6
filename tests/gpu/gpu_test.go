package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/tests/internal/measure"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestMain lets the test program act as the measuring process that a driver starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"backend", "step", "train", "full"}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

// The records in testdata are made up; no machine has measured them.
func TestTables(t *testing.T) {
	var got bytes.Buffer
	if err := tables([]string{"testdata"}, &got); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "tables.md")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("tables:\n%s\nwant\n%s", got.String(), want)
	}
}

func TestCountHLO(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "hlo.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"fusion": 2, "transpose alone": 2, "convert alone": 1, "copy alone": 1,
		"__cudnn$convForward": 2, "custom-call": 1, "while": 1, "add": 1, "reduce": 1}
	if got := countHLO(string(text)); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// As on a real card, the programs that draw the initial weights are the largest.
func TestTrainingStepIsChosenByItsContent(t *testing.T) {
	const (
		drawing = "module_0001.VariableInitialization.sm_9.0_gpu_after_optimizations.txt"
		declare = "module_0012.jit_declare.sm_9.0_gpu_after_optimizations.txt"
		step    = "module_0042.jit_train_step.cpu_after_optimizations.txt"
	)
	programs := map[string]string{}
	for _, name := range []string{drawing, declare, step} {
		text, err := os.ReadFile(filepath.Join("testdata", "programs", name))
		if err != nil {
			t.Fatal(err)
		}
		programs[name] = string(text)
	}
	if len(programs[drawing]) < len(programs[step]) {
		t.Fatal("the test needs a larger program than the training step")
	}
	// A forward pass has one product for each layer: the first 22 of the step's 65.
	forward, products := "", 0
	for line := range strings.Lines(programs[step]) {
		if products += countProducts(line); products <= 22 {
			forward += line
		}
	}
	resnet20 := spec{Network: "resnet20", Size: 32}
	for _, test := range []struct {
		name  string
		dump  map[string]string
		want  string
		error string
	}{
		{"all", programs, step, ""},
		{"of two, the last", map[string]string{step: programs[step], "module_0050.jit_train_step.cpu_after_optimizations.txt": programs[step]},
			"module_0050.jit_train_step.cpu_after_optimizations.txt", ""},
		{"no step", map[string]string{drawing: programs[drawing], declare: programs[declare]}, "", "none of the 2 programs"},
		{"only evaluation", map[string]string{step: forward}, "", "no program more than 22"},
		{"nothing", nil, "", "had no effect"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dump := t.TempDir()
			for name, text := range test.dump {
				if err := os.WriteFile(filepath.Join(dump, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := trainingStep(dump, resnet20)
			if test.error != "" {
				if err == nil || !strings.Contains(err.Error(), test.error) {
					t.Errorf("%s, error %v; want an error with %q", got, err, test.error)
				}
			} else if err != nil || filepath.Base(got) != test.want {
				t.Errorf("%s, error %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestCountProducts(t *testing.T) {
	const text = `HloModule m
%fused (a: f32[4,4]) -> f32[4,4] {
  %convolution.1 = f32[4,4]{1,0} convolution(%a, %b), dim_labels=b01f_01io->b01f
  ROOT %dot.1 = f32[4,4]{1,0} dot(%a, %convolution.1)
}
ENTRY %main {
  %cudnn-conv.1 = (bf16[8,4]{1,0}, u8[0]{0}) custom-call(%a, %b), custom_call_target="__cudnn$convBackwardFilter"
  %custom-call.2 = (f32[8,4]{1,0}, s8[4]{0}) custom-call(%a, %b), custom_call_target="__cublas$gemm"
  %custom-call.3 = f32[8,4]{1,0} custom-call(%a), custom_call_target="Sharding"
  %convert.1 = f32[8,4]{1,0} convert(%dot.1)
}
`
	if got := countProducts(text); got != 4 {
		t.Errorf("counted %d, want 4", got)
	}
}

func TestResultsResumeAfterACutLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, resultsName)
	if err := os.WriteFile(path, []byte(`{"event":"fact","name":"a"}`+"\n"+`{"event":"fa`), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := openResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.add(record{Event: factEvent, Name: "b"}); err != nil {
		t.Fatal(err)
	}
	if err := r.file.Close(); err != nil {
		t.Fatal(err)
	}
	all, _, err := readRecords(dir)
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" {
		t.Errorf("read %+v, %v; want a and b", all, err)
	}
	if err := os.WriteFile(path, []byte("{\n{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openResults(dir); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a malformed line: error %v, want one with its number", err)
	}
}

// fakePython is a shell script that stands in for Python and its peers. It logs who measures when, and
// its behaviour depends on the spec's batch size.
const fakePython = `#!/bin/sh
case "$1" in
*machine.py)
  echo '{"event":"fact","name":"torch","value":"9"}'
  echo '{"event":"fact","name":"jax","value":"9"}'
  exit;;
esac
for spec; do :; done
peer=${spec#*\"peer\":\"}; peer=${peer%%\"*}
batch=${spec#*\"batch\":}; batch=${batch%%,*}
echo "start $peer $batch" >>"$LOG"
alive=$(grep -c . "$ALIVE")
echo x >>"$ALIVE"
if [ $peer$batch = jax4 ] || { [ $peer$batch = jax3 ] && [ $alive -gt 0 ]; }; then
  echo "RESOURCE_EXHAUSTED: no more" >&2; echo advice >&2; sed -i 1d "$ALIVE"; exit 1
fi
parameters=272474
if [ $peer$batch = jax2 ]; then parameters=1; fi
echo noise
echo "{\"event\":\"ready\",\"first_step_s\":1,\"parameters\":$parameters}"
while read -r seconds; do
  echo "$peer" >>"$LOG"
  echo '{"event":"window","steps":10,"seconds":2}'
done
sed -i 1d "$ALIVE"
`

func TestContest(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, []byte(fakePython), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		batches []int
		size    int
		log     string
		failed  string // the reasons
	}{
		{"in turn", []int{1}, 32, "start torch 1,torch,start jax 1,jax,torch,jax,torch,jax", ""},
		{"one after the other", []int{512}, 224, "start torch 512,torch,torch,torch,start jax 512,jax,jax,jax", ""},
		{"another network", []int{2}, 32, "start torch 2,torch,start jax 2,torch,torch,start jax 2", "the networks differ"},
		{"too large together", []int{3}, 32, "start torch 3,torch,start jax 3,torch,torch,start jax 3,jax,jax,jax", ""},
		{"too large, and so are larger batches", []int{4, 5}, 32,
			"start torch 4,torch,start jax 4,torch,torch,start jax 4,start torch 5,torch,torch,torch",
			"RESOURCE_EXHAUSTED: no more|out of memory with a smaller batch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			log, alive := filepath.Join(dir, "log"), filepath.Join(dir, "alive")
			if err := os.WriteFile(alive, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			t.Setenv("LOG", log)
			t.Setenv("ALIVE", alive)
			d := &driver{plan: plan{rounds: 3, seconds: 1}, log: &bytes.Buffer{}, out: dir, python: python, device: "cpu", memory: &sampler{}}
			var err error
			if d.results, err = openResults(dir); err != nil {
				t.Fatal(err)
			}
			defer d.results.file.Close()
			if err := d.findOut(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, batch := range test.batches {
				c := contest{speedPart, spec{Network: "resnet20", Size: test.size, Batch: batch, Precision: recipe.BFloat16}, []string{eager, jax}}
				for range 2 { // the second time, nothing is left to do
					if err := d.contest(t.Context(), c); err != nil {
						t.Fatal(err)
					}
				}
			}
			content, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(strings.TrimSpace(string(content)), "\n", ","); got != test.log {
				t.Errorf("log %s, want %s", got, test.log)
			}
			var reasons []string
			for _, r := range d.results.all {
				if r.Event == failedEvent {
					reasons = append(reasons, r.Error)
				}
			}
			if got := strings.Join(reasons, "|"); !containsInTurn(got, test.failed) {
				t.Errorf("reasons %q, want %q", got, test.failed)
			}
		})
	}
}

// containsInTurn reports whether each reason in text contains its counterpart in want. Both are
// separated by bars.
func containsInTurn(text, want string) bool {
	got, wanted := strings.Split(text, "|"), strings.Split(want, "|")
	return slices.EqualFunc(got, wanted, func(a, b string) bool { return strings.Contains(a, b) && (a == "") == (b == "") })
}

// TestDrive runs some parts of the quick plan with the CPU backend, from images to tables.
func TestDrive(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, data := t.TempDir(), t.TempDir()
	writeImages(t, data, 70)
	var stdout, stderr bytes.Buffer
	args := []string{"run", "-quick", "-device", "cpu", "-python", python, "-data", data, "-out", dir, fastPart}
	for range 2 {
		stdout.Reset()
		if err := command(t.Context(), args, nil, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
	}
	measured := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == "-quick" })
	if err := command(t.Context(), measured, nil, &stdout, &stderr); err == nil || !strings.Contains(err.Error(), "measured with -quick; use another folder") {
		t.Errorf("measuring into the folder of a rehearsal: error %v", err)
	}
	all, _, err := readRecords(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range all {
		if r.Event != factEvent {
			got[fmt.Sprint(r.Part, " ", r.Event, " ", r.Peer)]++
		}
	}
	want := map[string]int{"fast epoch ours": 2, "fast trained ours": 2, "fast failed torch-recipe": 2}
	if !maps.Equal(got, want) {
		t.Errorf("records %v, want %v\n%s", got, want, stderr.String())
	}
	for _, want := range []string{"| Residual | bfloat16 | 2 | 1 |", "there is no peer/torch_cifar.py"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in the tables:\n%s", want, stdout.String())
		}
	}
}

// The part speed measures what the goals are about, with the peers that they name.
func TestSpeedCoversTheGoals(t *testing.T) {
	goals := []spec{{Network: "resnet18-cifar", Size: 32, Batch: 512}, {Network: "resnet20", Size: 32, Batch: 128},
		{Network: "resnet50", Size: 32, Batch: 512}, {Network: "resnet50", Size: 224, Batch: 256}}
	contests := fullPlan().contests(speedPart)
	for _, goal := range goals {
		goal.Precision = recipe.BFloat16
		i := slices.IndexFunc(contests, func(c contest) bool { return c.of == goal })
		if i < 0 {
			t.Errorf("%v is not measured", goal)
			continue
		}
		for _, peer := range []string{ours, jax, graphed} {
			if !slices.Contains(contests[i].peers, peer) {
				t.Errorf("%v is not measured with %s", goal, peer)
			}
		}
	}
}

// The most useful runs come first, and the sets stay small.
func TestRecordings(t *testing.T) {
	all, err := fullPlan().recordings()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var size int64
	for _, r := range all {
		if err := r.recipe.Validate(); err != nil {
			t.Errorf("%s: %v", r.title(), err)
		}
		names = append(names, r.name)
		if r.weights {
			summary, err := r.recipe.Model.Summary(32, 32)
			if err != nil {
				t.Fatal(err)
			}
			size += 2*summary.Parameters + summary.Parameters/20 // biases and norms have four bytes each, and names
		}
		size += 1500 + 400*int64(r.recipe.Epochs) // the recipe, a line for each epoch
		if r.imageNet && (r.weights || r.recipe.Epochs != 10 || r.recipe.BatchSize != 64) {
			t.Errorf("%s: %+v", r.title(), r)
		}
		if !r.imageNet && r.recipe.Epochs != 164 {
			t.Errorf("%s: %d epochs, want 164", r.title(), r.recipe.Epochs)
		}
	}
	want := []string{"resnet20-seed-1", "plain20-seed-1", "resnet56-seed-1", "plain56-seed-1",
		"1-article", "2-normalization", "3-64-pixels", "4-128-pixels", "5-schedule", "6-augmentation", "resnet110-seed-1", "plain110-seed-1"}
	for _, seed := range []string{"2", "3"} {
		for _, depth := range []string{"20", "56", "110"} {
			want = append(want, "resnet"+depth+"-seed-"+seed, "plain"+depth+"-seed-"+seed)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("the order is %v, want %v", names, want)
	}
	// With what the course has recorded besides, they stay below the 10 MB that tests/suite/recorded allows.
	const folder, replaced = "../../lesson/recorded", "cifar10-jpeg-24-epochs"
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == replaced {
			return cmp.Or(err, fs.SkipDir)
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > 10_000_000 {
		t.Errorf("the recorded runs will have about %d bytes", size)
	}
	last := all[9].recipe
	if half := all[4].recipe; half.Normalization == last.Normalization || half.Transform != nil || half.Augment.Flip || half.Schedule.Kind != optim.Constant {
		t.Errorf("the article's program is %+v", half)
	}
	if last.Transform == nil || last.Transform.Width != 128 || last.Augment.Crop != 16 || last.Schedule.Kind != optim.Cosine || last.Normalization != dataset.ImageNetNormalization() {
		t.Errorf("the last improvement is %+v", last)
	}
}

// TestRecord interrupts the quick plan's recordings and resumes them.
func TestRecord(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, data := t.TempDir(), t.TempDir()
	writeImages(t, data, 70)
	args := []string{"run", "-quick", "-device", "cpu", "-python", python, "-data", data, "-out", dir, "-home", t.TempDir(), recordPart}
	var stdout, stderr bytes.Buffer
	run := func(ctx context.Context) error {
		stdout.Reset()
		stderr.Reset()
		return command(ctx, args, nil, &stdout, &stderr)
	}
	// The first run is stopped before the end of an epoch, and then after one. What is kept can be shown.
	first := filepath.Join(dir, "runs", paperSet, "resnet8-seed-1")
	for _, until := range []string{"recipe.json", "metrics.jsonl"} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		watched := make(chan bool)
		go func() {
			defer close(watched)
			for ctx.Err() == nil {
				if content, err := os.ReadFile(filepath.Join(first, until)); err == nil && len(content) > 0 {
					stop()
				}
				time.Sleep(time.Millisecond)
			}
		}()
		if err := run(ctx); err == nil {
			t.Fatal("the driver was not stopped")
		}
		<-watched
		kept, err := recorded.Runs(filepath.Join(dir, "recorded"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, name := range kept {
			if _, err := plots.Read(name); err != nil {
				t.Error(err)
			}
		}
	}
	partial := stderr.String()
	kept, err := os.ReadFile(filepath.Join(dir, "recorded", paperSet, "README.md"))
	if err != nil || !strings.Contains(string(kept), " of 2 |") {
		t.Errorf("after an interruption: %v\n%s\n%s", err, kept, partial)
	}

	for range 2 { // the second time, nothing is left to do
		if err := run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
	}
	if strings.Contains(stderr.String(), "training") {
		t.Errorf("it trains again:\n%s", stderr.String())
	}
	runs, err := recorded.Runs(filepath.Join(dir, "recorded"))
	if err != nil || len(runs) != 8 {
		t.Errorf("recorded %v, %v; want 8 runs", runs, err)
	}
	withWeights := 0
	for _, run := range runs {
		if _, err := recorded.Weights(run); err == nil {
			withWeights++
		}
	}
	if withWeights != 2 {
		t.Errorf("%d runs have weights, want 2: those of seed 1 but for the deepest networks", withWeights)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "runs", "*", "*")); len(left) > 0 {
		t.Errorf("checkpoints are left: %v", left)
	}
	kept, err = os.ReadFile(filepath.Join(dir, "recorded", paperSet, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| `resnet8-seed-1` | resnet8 | 2 of 2 |", "| `plain14-seed-2` |", "no GPU", "A rehearsal", "Command: "} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("the README has no %q:\n%s", want, kept)
		}
	}
	for _, want := range []string{"| cifar10-jpeg-paper/plain14-seed-1 | 32 | 1 | 2 |", "there are no ImageNet weights"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the tables have no %q:\n%s", want, stdout.String())
		}
	}
}

// writeImages writes CIFAR-10 files with n random images each.
func writeImages(t *testing.T, dir string, n int) {
	t.Helper()
	pixels := noise(spec{Size: 32, Batch: 2}).Pixels
	for i := range 6 {
		var content []byte
		for k := range n {
			content = append(append(content, byte((i+k)%measure.Classes)), pixels[k*3072:(k+1)*3072]...)
		}
		name := fmt.Sprintf("data_batch_%d.bin", i)
		if i == 0 {
			name = "test_batch.bin"
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConductorSkipsTheEndsOfEpochs(t *testing.T) {
	synctest.Test(t, conductorTest) // time passes only in Sleep
}

func conductorTest(t *testing.T) {
	var out bytes.Buffer
	stopped := false
	c := &conductor{commands: bufio.NewScanner(strings.NewReader("0.02\n")), out: json.NewEncoder(&out), stop: func() { stopped = true }, warmUps: 4}
	const wait = 10 * time.Millisecond
	for _, step := range []int{4, 8, 12, 16, 20, 24} {
		time.Sleep(wait)
		c.Step(run.Metrics{Step: step})
		c.Line(run.Metrics{Step: step})
		if step == 12 { // as long as all else
			c.Epoch(run.Metrics{Step: step})
			time.Sleep(20 * wait)
		}
	}
	var first, second record
	decoder := json.NewDecoder(&out)
	if err := errors.Join(decoder.Decode(&first), decoder.Decode(&second)); err != nil {
		t.Fatal(err)
	}
	// The warm-up ends at step 8. The window is from there to 12 and, after the end of the epoch, from 16.
	if first.Event != readyEvent || second.Steps != 8 || second.Seconds != 0.02 {
		t.Errorf("%+v, then %+v; want 8 steps in 0.02 s", first, second)
	}
	if !stopped {
		t.Error("it does not stop at the end of its input")
	}
}

func TestStep(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("RESIDUAL_CACHE", cache)
	for _, profiled := range []bool{false, true} {
		args := []string{"step", "-backend", "cpu", `{"network":"resnet20","size":32,"batch":2,"precision":"bfloat16"}`}
		if profiled {
			args = slices.Insert(args, 1, "-profile")
		}
		var stdout bytes.Buffer
		if err := command(t.Context(), args, strings.NewReader("0.4\n0.4\n"), &stdout, nil); err != nil {
			t.Fatal(err)
		}
		var events []string
		decoder := json.NewDecoder(&stdout)
		for decoder.More() {
			var r record
			if err := decoder.Decode(&r); err != nil {
				t.Fatal(err)
			}
			events = append(events, r.Event)
			if r.Event != windowEvent {
				continue
			}
			if r.Steps%logEvery(32, false) != 0 || r.Steps == 0 || r.Seconds < 0.4 || r.Seconds > 5 {
				t.Errorf("%d steps in %g s, want a multiple of %d in at least 0.4", r.Steps, r.Seconds, logEvery(32, false))
			}
			if busy := r.Execute + r.Fetch + r.Send; busy > r.Seconds || (busy > 0) != profiled {
				t.Errorf("profile %v: %g of %g s in device calls", profiled, busy, r.Seconds)
			}
		}
		if want := []string{readyEvent, windowEvent, windowEvent}; !slices.Equal(events, want) {
			t.Errorf("events %v, want %v", events, want)
		}
	}
	if got := os.Getenv("RESIDUAL_CACHE"); got != cache {
		t.Errorf("RESIDUAL_CACHE is left at %q", got)
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) > 0 {
		t.Errorf("the user's cache has %v (%v)", entries, err)
	}
	if err := command(t.Context(), []string{"step", "-backend", "cpu", `{"network":"resnet20","size":32,"batch":2,"precision":"bfloat16"}`},
		strings.NewReader("soon\n"), &bytes.Buffer{}, nil); err == nil || !strings.Contains(err.Error(), `"soon" is not a positive number`) {
		t.Errorf("a window of \"soon\": error %v", err)
	}
}

// TestPython compiles the Python files and runs the peers whose libraries this machine has.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Skip("no /usr/bin/python3")
	}
	for peer, library := range map[string]string{"torch_peer.py": "torch", "jax_peer.py": "jax"} {
		t.Run(library, func(t *testing.T) {
			compile := "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
			if output, err := exec.Command(python, "-c", compile, peer).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			if exec.Command(python, "-c", "import sys, importlib.util as u; sys.exit(u.find_spec(sys.argv[1]) is None)", library).Run() != nil {
				t.Skipf("%s has no %s", python, library)
			}
			cmd := exec.CommandContext(context.Background(), python, peer, "--device", "cpu",
				`{"peer":"torch","network":"resnet20","size":32,"batch":2,"precision":"float32"}`)
			cmd.Stdin = strings.NewReader("0.1\n")
			output, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var first, second record
			decoder := json.NewDecoder(bytes.NewReader(output))
			if err := decoder.Decode(&first); err != nil {
				t.Fatal(err)
			}
			if err := decoder.Decode(&second); err != nil {
				t.Fatal(err)
			}
			if err := sameNetwork(spec{Peer: library, Network: "resnet20", Size: 32}, first.Parameters); err != nil {
				t.Error(err)
			}
			if first.Event != readyEvent || second.Event != windowEvent || second.Steps < 1 {
				t.Errorf("unexpected output %s", output)
			}
		})
	}
}

func TestNewer(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{{"2.34", "2.9", true}, {"2.9", "2.34", false}, {"2.2.5", "2.2", true}, {"2.34", "2.34", false}, {"2.2", "", true}, {"PRIVATE", "2.2", false}} {
		if got := newer(test.a, test.b); got != test.want {
			t.Errorf("%s newer than %q: %v", test.a, test.b, got)
		}
	}
}

// Tests that could not run are tried again.
func TestTestsRunWhenTheyCan(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	d := &driver{log: &bytes.Buffer{}, out: t.TempDir(), home: t.TempDir(), device: "cpu"}
	var err error
	if d.results, err = openResults(d.out); err != nil {
		t.Fatal(err)
	}
	defer d.results.file.Close()
	program := filepath.Join(d.home, testsName)
	for _, step := range []struct{ backend, program, want string }{
		{"cpu", "", "not run: they are for XLA, but our backend is cpu"},
		{"xla:cuda", "", "not run: xla.test is missing beside this program; make bench-gpu packs it"},
		{"xla:cuda", "#!/bin/sh\necho \"--- PASS: Test-$RESIDUAL_TEST_XLA (0.00s)\"\n", "1 passed"},
		{"xla:cuda", "#!/bin/sh\nexit 1\n", "1 passed"}, // they do not run again
	} {
		d.backend = step.backend
		if step.program != "" {
			if err := os.WriteFile(program, []byte(step.program), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.test(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, _ := d.fact(testsPart); got != step.want {
			t.Errorf("on %s: %q, want %q", step.backend, got, step.want)
		}
	}
}

// Results that are copied to another machine may name a folder of JAX's plugins that it does not have.
func TestPluginsAreFoundAgain(t *testing.T) {
	bin := t.TempDir()
	for name, text := range map[string]string{
		"nvidia-smi": "#!/bin/sh\necho a card\n",
		"python":     "#!/bin/sh\necho \"{\\\"event\\\":\\\"fact\\\",\\\"name\\\":\\\"jax_plugins\\\",\\\"value\\\":\\\"$PLUGINS\\\"}\"\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	out := t.TempDir()
	for _, machine := range []string{"first", "second"} {
		folder := filepath.Join(t.TempDir(), machine)
		if err := os.MkdirAll(filepath.Join(folder, "xla_cuda13"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PLUGINS", folder)
		for range 2 {
			d := &driver{log: &bytes.Buffer{}, out: out, python: filepath.Join(bin, "python"), device: "cuda"}
			var err error
			if d.results, err = openResults(out); err != nil {
				t.Fatal(err)
			}
			if err := d.machine(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := d.results.file.Close(); err != nil {
				t.Fatal(err)
			}
			if want := "xla:" + filepath.Join(folder, "xla_cuda13"); d.backend != want {
				t.Errorf("on the %s machine, the backend is %s, want %s", machine, d.backend, want)
			}
			if n := d.results.count(func(r record) bool { return r.Name == "jax_plugins" && r.Value == folder }); n != 1 {
				t.Errorf("on the %s machine, Python was asked %d times, want once", machine, n)
			}
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
	}
}

// The README of the article's program says which weights it started from.
func TestOriginOfTheArticlesWeights(t *testing.T) {
	for name, want := range map[string]string{"": "Martinez et al. 2021", "mine.safetensors": "the weights in `mine.safetensors`"} {
		d := &driver{plan: fullPlan(), log: &bytes.Buffer{}, out: t.TempDir()}
		if name != "" {
			d.weights, d.imageNet = filepath.Join("folder", name), name
		}
		var err error
		if d.results, err = openResults(d.out); err != nil {
			t.Fatal(err)
		}
		defer d.results.file.Close()
		all, err := d.recordings()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(r recording) bool { return r.imageNet })
		if start := all[i].recipe.Start; strings.Contains(start, "pqf") != (name == "") || !strings.Contains(start, name) {
			t.Errorf("with weights %q, the recipe starts from %q", name, start)
		}
		if err := os.MkdirAll(d.keptDir(all[i]), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d.keptDir(all[i]), "metrics.jsonl"), []byte(`{"kind":"epoch","epoch":1}`+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := d.describeSets(all); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(d.out, "recorded", articleSet, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) || strings.Contains(string(text), "Martinez") != (name == "") {
			t.Errorf("with weights %q, the README says\n%s", name, text)
		}
	}
}

// run.sh decompresses the programs once, and again after newer ones were copied over them.
func TestRunScript(t *testing.T) {
	if _, err := exec.LookPath("gunzip"); err != nil {
		t.Skip("no gunzip")
	}
	dir := t.TempDir()
	if err := copyFile("run.sh", filepath.Join(dir, "run.sh")); err != nil {
		t.Fatal(err)
	}
	for i, version := range []string{"old", "new"} {
		program := filepath.Join(dir, binaryName)
		packed := t.TempDir()
		if err := os.WriteFile(filepath.Join(packed, binaryName), []byte("#!/bin/sh\necho "+version+" $*\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := shrink(packed); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(packed, binaryName+".gz"), program+".gz"); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(program+".gz", at, at); err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command(filepath.Join(dir, "run.sh"), "-minutes", "9", recordPart).CombinedOutput()
		if want := version + " run -minutes 9 record\n"; err != nil || string(output) != want {
			t.Errorf("run.sh printed %q, error %v; want %q", output, err, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		output string
		err    error
		want   string
	}{
		{"=== RUN   TestA\n--- PASS: TestA (0.1s)\n    --- PASS: TestA/sub (0.1s)\n--- PASS: TestB (2s)\nPASS\n", nil, "2 passed"},
		{"--- PASS: TestA (0s)\n--- SKIP: TestDevices (0s)\nPASS\n", nil, "1 passed, skipped TestDevices"},
		{"--- PASS: TestA (0s)\n    a_test.go:1: wrong\n--- FAIL: TestB (0s)\nFAIL\n", errors.New("exit status 1"), "1 passed, FAILED TestB"},
		{"--- PASS: TestA (0s)\nSIGSEGV: segmentation violation\n", errors.New("exit status 2"), "1 passed, then exit status 2: --- PASS: TestA (0s) SIGSEGV: segmentation violation"},
	} {
		if got := verdict([]byte(test.output), test.err); got != test.want {
			t.Errorf("%q: %q, want %q", test.output, got, test.want)
		}
	}
}
