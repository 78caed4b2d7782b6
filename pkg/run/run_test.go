package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
)

// childEnv names the folder in which a copy of the test binary trains, for the tests that kill a
// run. If startEnv is set, the run starts from weights.
const (
	childEnv = "RESIDUAL_TEST_RUN_CHILD"
	startEnv = "RESIDUAL_TEST_RUN_START"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child trains in dir, or resumes the run there, and saves after every step.
func child(dir string) int {
	r, options := testRecipe(), testOptions()
	if os.Getenv(startEnv) != "" {
		r, options = fineTuning()
	}
	options.CheckpointEvery = -1
	var err error
	if Exists(dir) {
		options.Start = nil
		_, err = Resume(context.Background(), dir, options)
	} else {
		_, err = Train(context.Background(), dir, r, options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// testImages returns n images of 8×8 pixels. The class of an image is the channel that is bright.
func testImages(n int, seed uint64) *dataset.Images {
	m := &dataset.Images{Name: "test pictures", Classes: []string{"red", "green", "blue"}, Height: 8, Width: 8}
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		label := i % 3
		m.Labels = append(m.Labels, int32(label))
		for range 8 * 8 {
			for c := range 3 {
				value := random.IntN(160)
				if c == label {
					value += 90
				}
				m.Pixels = append(m.Pixels, byte(value))
			}
		}
	}
	return m
}

func testRecipe() recipe.Recipe {
	config, err := resnet.CIFAR(8, 2)
	if err != nil {
		panic(err)
	}
	config.Classes = 3
	return recipe.Recipe{
		Name: "test", Model: config, Epochs: 3, BatchSize: 10,
		LearningRate: 0.05, Schedule: optim.Schedule{Kind: optim.OneCycle, Initial: 0.1},
		Momentum: 0.9, Nesterov: true, WeightDecay: 1e-3, LabelSmoothing: 0.1,
		Augment:       dataset.Augment{Crop: 1, Flip: true, Cutout: 2},
		Normalization: dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}, Seed: 7,
	}
}

func testOptions() Options {
	engine, err := backend.New("cpu")
	if err != nil {
		panic(err)
	}
	return Options{Backend: engine, Training: testImages(64, 1), Test: testImages(30, 2), LogEvery: 3}
}

// finalWeights returns the bytes of the run's last checkpoint's tensors, by name.
func finalWeights(t *testing.T, dir string) map[string]string {
	t.Helper()
	checkpoint, _, err := Latest(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	r := testRecipe()
	if want := r.Epochs * 7; checkpoint.Step != want {
		t.Fatalf("the last checkpoint is of step %d, want %d", checkpoint.Step, want)
	}
	found := map[string]string{}
	for name, tensor := range checkpoint.Weights {
		found[name] = fmt.Sprintf("%x", tensor.Data)
	}
	for name, tensor := range checkpoint.Momentum {
		found["momentum of "+name] = fmt.Sprintf("%x", tensor.Data)
	}
	return found
}

func uninterrupted(t *testing.T) (map[string]string, *Outcome) {
	t.Helper()
	dir := t.TempDir()
	outcome, err := Train(context.Background(), dir, testRecipe(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	return finalWeights(t, dir), outcome
}

func TestTrainLearnsAndRepeats(t *testing.T) {
	want, outcome := uninterrupted(t)
	if outcome.Test.Top1 < 0.6 {
		t.Errorf("test accuracy %.2f on images that differ in their colour, want at least 0.6", outcome.Test.Top1)
	}
	if got, _ := uninterrupted(t); !maps.Equal(got, want) {
		t.Error("the same recipe gave different weights the second time")
	}
}

func TestMetricsAreComplete(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	if _, err := Train(context.Background(), dir, testRecipe(), testOptions()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began).Seconds()
	lines, err := ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	var steps, epochs []int
	seconds := 0.0
	for _, line := range lines {
		seconds += line.Seconds
		switch line.Kind {
		case StepLine:
			steps = append(steps, line.Step)
		case EpochLine:
			epochs = append(epochs, line.Step)
			if line.TestTop1 == nil || line.Loss <= 0 || line.GradientNorm <= 0 || line.Seconds <= 0 {
				t.Errorf("epoch line %+v is incomplete", line)
			}
		}
	}
	if want := []int{3, 6, 10, 13, 17, 20}; !slices.Equal(steps, want) {
		t.Errorf("step lines at %v, want %v", steps, want)
	}
	if want := []int{7, 14, 21}; !slices.Equal(epochs, want) {
		t.Errorf("epoch lines at %v, want %v", epochs, want)
	}
	if seconds > took {
		t.Errorf("the steps took %g s, and the whole run only %g", seconds, took)
	}
}

func TestKilledAndResumedGivesTheSameBits(t *testing.T) {
	want, _ := uninterrupted(t)
	if got := killedAndResumed(t); !maps.Equal(got, want) {
		t.Error("the killed and resumed run ended with different weights")
	}
}

// killedAndResumed returns the final weights of a run that is killed several times, at random
// moments, and resumed each time.
func killedAndResumed(t *testing.T, env ...string) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	random := rand.New(rand.NewPCG(3, 9))
	kills := 0
	for attempt := 0; ; attempt++ {
		if attempt == 60 {
			t.Fatal("the run did not end after 60 attempts")
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(append(os.Environ(), childEnv+"="+dir), env...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 4 {
			// Kill it a random time after it has saved something new.
			before := len(progress(t, dir))
			for deadline := time.Now().Add(20 * time.Second); len(progress(t, dir)) == before && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
			if cmd.Process.Signal(syscall.SIGKILL) == nil {
				kills++
			}
		}
		if err := cmd.Wait(); err == nil {
			break
		} else if cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the run failed: %s", stderr.String())
		}
	}
	if kills < 3 {
		t.Fatalf("the run was killed %d times, want at least 3", kills)
	}
	return finalWeights(t, dir)
}

// progress returns a text that changes when the run in dir saves a checkpoint.
func progress(t *testing.T, dir string) string {
	t.Helper()
	paths, err := checkpoints(dir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Repeat("x", len(paths)) + strings.Join(paths, "")
}

type noting struct {
	silent
	notes  []string
	onStep func(Metrics)
}

func (n *noting) Note(text string) { n.notes = append(n.notes, text) }
func (n *noting) Step(m Metrics) {
	if n.onStep != nil {
		n.onStep(m)
	}
}

// interruptAt starts a run in dir and cancels it at the given step.
func interruptAt(t *testing.T, dir string, step int) {
	t.Helper()
	interruptRecipeAt(t, dir, testRecipe(), step)
}

// interruptRecipeAt does that with the given recipe.
func interruptRecipeAt(t *testing.T, dir string, r recipe.Recipe, step int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	options := testOptions()
	options.Keep = 3
	options.CheckpointEvery = -1
	options.Report = &noting{onStep: func(m Metrics) {
		if m.Step == step {
			cancel()
		}
	}}
	if _, err := Train(ctx, dir, r, options); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("a cancelled run ended with %v, want ErrInterrupted", err)
	}
}

// epochLines returns the epoch lines of the run in dir, without their speed.
func epochLines(t *testing.T, dir string) []string {
	t.Helper()
	lines, err := ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, line := range lines {
		if line.Kind == EpochLine {
			if line.Seconds <= 0 {
				t.Errorf("an epoch took %g s", line.Seconds)
			}
			line.ImagesPerSecond, line.Seconds = 0, 0
			content, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, string(content))
		}
	}
	return found
}

// Steps 7 and 21 are the last of their epochs: there, the evaluation is interrupted.
func TestInterruptedResumesToTheSameBits(t *testing.T) {
	whole := t.TempDir()
	if _, err := Train(context.Background(), whole, testRecipe(), testOptions()); err != nil {
		t.Fatal(err)
	}
	want, wantLines := finalWeights(t, whole), epochLines(t, whole)
	for _, step := range []int{1, 5, 7, 20, 21} {
		dir := t.TempDir()
		interruptAt(t, dir, step)
		if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
			t.Fatal(err)
		}
		if got := finalWeights(t, dir); !maps.Equal(got, want) {
			t.Errorf("interrupted after step %d and resumed, the run ended with different weights", step)
		}
		if got := epochLines(t, dir); !slices.Equal(got, wantLines) {
			t.Errorf("interrupted after step %d and resumed, the epochs' metrics are\n%s\nwant\n%s",
				step, strings.Join(got, "\n"), strings.Join(wantLines, "\n"))
		}
		lines, err := ReadMetrics(dir)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for _, line := range lines {
			if line.Step < last {
				t.Errorf("interrupted after step %d: metrics of step %d come after those of %d", step, line.Step, last)
			}
			last = line.Step
		}
	}
}

func TestDamagedCheckpointFallsBack(t *testing.T) {
	want, _ := uninterrupted(t)
	for name, damage := range map[string]func([]byte) []byte{
		"cut short":       func(b []byte) []byte { return b[:len(b)/2] },
		"empty":           func(b []byte) []byte { return nil },
		"one bit flipped": func(b []byte) []byte { b[len(b)-5] ^= 4; return b },
	} {
		dir := t.TempDir()
		interruptAt(t, dir, 9)
		paths, err := checkpoints(dir)
		if err != nil || len(paths) != 3 {
			t.Fatalf("%d checkpoints kept, %v; want 3", len(paths), err)
		}
		newest := paths[len(paths)-1]
		content, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(newest, damage(content), 0o644); err != nil {
			t.Fatal(err)
		}
		report := &noting{}
		options := testOptions()
		options.Report = report
		if _, err := Resume(context.Background(), dir, options); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		notes := strings.Join(report.notes, "\n")
		if !strings.Contains(notes, filepath.Base(newest)) || !strings.Contains(notes, "resuming after step 8") {
			t.Errorf("%s: the notes do not name the damaged file and the step before it:\n%s", name, notes)
		}
		if got := finalWeights(t, dir); !maps.Equal(got, want) {
			t.Errorf("%s: the run ended with different weights", name)
		}
	}
}

func TestAllCheckpointsDamaged(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	paths, _ := checkpoints(dir)
	for _, path := range paths {
		if err := os.Truncate(path, 10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error %v, want one that says all are damaged", err)
	}
}

func TestDivergedLossStopsTheRun(t *testing.T) {
	r := testRecipe()
	r.LearningRate = 1e30
	dir := t.TempDir()
	_, err := Train(context.Background(), dir, r, testOptions())
	if err == nil {
		t.Fatal("a learning rate of 1e30 trained to the end")
	}
	for _, part := range []string{"loss is", "at step", "learning rate", "try"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error is not one line: %q", err)
	}
}

// A run that was interrupted in an evaluation, resumed, and killed between the epoch's line and
// the checkpoint that follows it already has the line.
func TestAnEpochHasOneLine(t *testing.T) {
	whole := t.TempDir()
	if _, err := Train(context.Background(), whole, testRecipe(), testOptions()); err != nil {
		t.Fatal(err)
	}
	want := epochLines(t, whole)
	dir := t.TempDir()
	interruptAt(t, dir, 7)
	file, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(file, want[0]); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Fatal(err)
	}
	if got := epochLines(t, dir); !slices.Equal(got, want) {
		t.Errorf("the epochs' metrics are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestImagesThatDoNotFitLeaveNoRunBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := testRecipe()
	r.BatchSize = 9 // 64 images leave a last batch of one
	if _, err := Train(context.Background(), dir, r, testOptions()); err == nil || !strings.Contains(err.Error(), "batch of one") {
		t.Errorf("error %v, want one about the last batch of one", err)
	}
	r = testRecipe()
	r.Model.Classes = 5
	if _, err := Train(context.Background(), dir, r, testOptions()); err == nil || !strings.Contains(err.Error(), "classes") {
		t.Errorf("error %v, want one about the classes", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a run that could not start left its folder behind")
	}
}

func TestResumesWithoutItsCheckpointFolder(t *testing.T) {
	want, _ := uninterrupted(t)
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	if err := os.RemoveAll(filepath.Join(dir, checkpointDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Fatal(err)
	}
	if got := finalWeights(t, dir); !maps.Equal(got, want) {
		t.Error("a run that started over ended with different weights")
	}
}

func TestRefusesAFolderWithARun(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 1)
	if _, err := Train(context.Background(), dir, testRecipe(), testOptions()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("error %v, want one that says there is a run already", err)
	}
}

func TestTwoProcessesCannotTrainOneRun(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 2)
	lock := flock.New(filepath.Join(dir, ".lock"))
	if locked, err := lock.TryLock(); !locked {
		t.Fatalf("cannot lock the folder of a run that has ended: %v", err)
	}
	defer lock.Unlock()
	if _, err := Resume(context.Background(), dir, testOptions()); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error %v, want one that says another process trains the run", err)
	}
}

func TestInterruptedButNotSavedSaysSo(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	options := testOptions()
	options.Report = &noting{onStep: func(m Metrics) {
		if m.Step == 7 { // the last of an epoch
			cancel()
			os.RemoveAll(filepath.Join(dir, checkpointDir))
		}
	}}
	_, err := Train(ctx, dir, testRecipe(), options)
	if err == nil || errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "save the checkpoint") {
		t.Errorf("error %v, want the one about the checkpoint that could not be saved", err)
	}
}

func TestRefusesTheRemainsOfARun(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 2)
	if err := os.Remove(filepath.Join(dir, recipeFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(context.Background(), dir, testRecipe(), testOptions()); err == nil || !strings.Contains(err.Error(), "without its recipe") {
		t.Errorf("error %v, want one about a run without its recipe", err)
	}
}

func TestRefusesMissingOptions(t *testing.T) {
	dir := t.TempDir()
	for want, change := range map[string]func(o *Options){
		"Options.Backend is nil":  func(o *Options) { o.Backend = nil },
		"Options.Training is nil": func(o *Options) { o.Training = nil },
	} {
		options := testOptions()
		change(&options)
		for name, f := range map[string]func() (*Outcome, error){
			"Train":         func() (*Outcome, error) { return Train(context.Background(), dir, testRecipe(), options) },
			"TrainOrResume": func() (*Outcome, error) { return TrainOrResume(context.Background(), dir, testRecipe(), options) },
			"Resume":        func() (*Outcome, error) { return Resume(context.Background(), dir, options) },
		} {
			if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
	}
	if Exists(dir) {
		t.Error("a run was left behind")
	}
}

func TestLabelsOutOfRangeAreRefused(t *testing.T) {
	options := testOptions()
	options.Training.Labels[3] = 3
	if _, err := Train(context.Background(), t.TempDir(), testRecipe(), options); err == nil || !strings.Contains(err.Error(), "label 3") {
		t.Errorf("error %v, want one that names the label", err)
	}
}

func TestResumeRefusesOtherData(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 2)
	options := testOptions()
	options.Training = testImages(60, 1)
	if _, err := Resume(context.Background(), dir, options); err == nil || !strings.Contains(err.Error(), "64 images") {
		t.Errorf("error %v, want one that names the data it began with", err)
	}
}

// TestResumeRefusesChangedImages changes images that keep their number and their name.
func TestResumeRefusesChangedImages(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 2)
	swap := func(m *dataset.Images, i, j int) {
		for k := range m.Image(i) {
			m.Image(i)[k], m.Image(j)[k] = m.Image(j)[k], m.Image(i)[k]
		}
		m.Labels[i], m.Labels[j] = m.Labels[j], m.Labels[i]
	}
	for _, test := range []struct {
		want   string
		change func(o *Options)
	}{
		{"class green is now called lime", func(o *Options) { o.Training.Classes = []string{"red", "lime", "blue"} }},
		{"the classes are in another order, blue first instead of red", func(o *Options) { o.Training.Classes = []string{"blue", "green", "red"} }},
		{"class blue is missing", func(o *Options) { o.Training.Classes = []string{"red", "green"} }},
		{"images of class green were replaced or changed", func(o *Options) { o.Training.Image(1)[100]++ }},
		{"images of class blue were replaced or changed", func(o *Options) { o.Test.Image(2)[0]++ }},
		{"1 of the images moved from class red to class blue", func(o *Options) { o.Training.Labels[3] = 2 }},
		{"images moved between classes", func(o *Options) { o.Training.Labels[0], o.Training.Labels[1] = 1, 0 }},
		{"the images are the same in another order", func(o *Options) { swap(o.Training, 5, 6) }},
		{"the images are the same, but others are for training and for evaluation", func(o *Options) {
			copy(o.Training.Image(0), o.Test.Image(3))
			copy(o.Test.Image(3), testOptions().Training.Image(0))
		}},
	} {
		options := testOptions()
		options.Training.Classes = slices.Clone(options.Training.Classes)
		test.change(&options)
		options.Test.Classes = options.Training.Classes
		if len(options.Training.Classes) == 2 {
			options.Training.Labels, options.Test.Labels = make([]int32, 64), make([]int32, 30)
		}
		_, err := Resume(context.Background(), dir, options)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, test.want)
		}
	}
	// The refusals have changed nothing.
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Error(err)
	}
}

func TestNoRun(t *testing.T) {
	if _, err := Resume(context.Background(), t.TempDir(), testOptions()); err == nil || !strings.Contains(err.Error(), "is not a run folder") {
		t.Errorf("error %v, want one that says there is no run", err)
	}
}

// A limit on the size of files simulates a full disk.
func TestFullDiskKeepsEarlierCheckpoints(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit -f of a Linux shell")
	}
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	before, err := checkpoints(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The limit, in blocks of 512 or 1024 bytes, is below the size of a checkpoint. Ignoring the
	// signal that comes with it makes writes fail as on a full disk.
	cmd := exec.Command("sh", "-c", "trap '' XFSZ; ulimit -f 4; exec "+os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	output, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("a run that cannot write its checkpoints succeeded")
	}
	if !bytes.Contains(output, []byte("save the checkpoint of step 6")) || bytes.Count(output, []byte("\n")) != 1 {
		t.Errorf("the error is not one line about the checkpoint:\n%s", output)
	}
	after, err := checkpoints(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) {
		t.Errorf("checkpoints %v became %v", before, after)
	}
	if _, _, err := Latest(dir, func(note string) { t.Error(note) }); err != nil {
		t.Error(err)
	}
	leftovers, _ := filepath.Glob(filepath.Join(dir, checkpointDir, ".*"))
	if len(leftovers) > 0 {
		t.Errorf("temporary files are left: %v", leftovers)
	}
}
