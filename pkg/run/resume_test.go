package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/recipe"
)

// writeFile writes a file of the run in dir.
func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestResumeOnAnotherBackend(t *testing.T) {
	for _, test := range []struct {
		backend    string
		want, note string
	}{
		{"go", "was trained on the backend cpu, not on go", "cpu, not on go; its weights will differ, at least in the last bits"},
		{"cpu:devices=2", "was trained on the backend cpu, not on cpu with 2 devices", "cpu with 2 devices; it uses 1 of them, as before"},
	} {
		dir := t.TempDir()
		interruptAt(t, dir, 5)
		o := manyDevices(t, test.backend)
		var log noteLog
		o.Report = &log
		_, err := Resume(context.Background(), dir, o)
		if other, ok := errors.AsType[*OtherBackendError](err); !ok || other.TooFew || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want an OtherBackendError with %q", test.backend, err, test.want)
		}
		if _, checked := Check(dir, o); checked == nil || checked.Error() != err.Error() {
			t.Errorf("%s: Check returns %v, and Resume %v", test.backend, checked, err)
		}
		if record, err := readBackend(dir); err != nil || record.Name != "cpu" || record.Devices != 1 {
			t.Errorf("after a refusal, the record is %v, %v", record, err)
		}
		o.AnyBackend = true
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it still finishes a step
		if _, err := Resume(ctx, dir, o); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if !strings.Contains(log.text, test.note) {
			t.Errorf("%s: the notes are\n%swant %q among them", test.backend, log.text, test.note)
		}
		if record, err := readBackend(dir); err != nil || *record != backendOf(o.Backend) {
			t.Errorf("%s: the record is %v, %v", test.backend, record, err)
		}
	}
}

// Devices that a run does not use change nothing.
func TestSpareDevicesGiveTheSameBits(t *testing.T) {
	want, _ := uninterrupted(t)
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	o := manyDevices(t, "cpu:devices=2")
	o.AnyBackend = true
	if _, err := Resume(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
	if got := finalWeights(t, dir); !maps.Equal(got, want) {
		t.Error("a run on one of two devices ended with different weights")
	}
}

func TestResumeWithOtherKernels(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	before := testOptions().Backend.(interface{ Kernels() string }).Kernels()
	if before == "portable" {
		t.Skip("this machine has only one set of kernels")
	}
	o := manyDevices(t, "cpu:kernel=portable")
	for _, want := range []string{"was trained with the " + before + " kernels and resumes with the portable kernels; the last bits", ""} {
		var log noteLog
		o.Report = &log
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := Resume(ctx, dir, o); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if got := strings.Contains(log.text, "kernels"); got != (want != "") || !strings.Contains(log.text, want) {
			t.Errorf("the notes are\n%swant %q about kernels", log.text, want)
		}
	}
}

// Runs of older versions have no record of their backend.
func TestResumeWithoutARecord(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	if err := os.Remove(filepath.Join(dir, backendFile)); err != nil {
		t.Fatal(err)
	}
	o := testOptions()
	var log noteLog
	o.Report = &log
	if _, err := Resume(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
	if want := "which did not record its backend"; !strings.Contains(log.text, want) {
		t.Errorf("the notes are\n%swant %q among them", log.text, want)
	}
	if record, err := readBackend(dir); err != nil || *record != backendOf(o.Backend) {
		t.Errorf("the record is %v, %v", record, err)
	}
	writeFile(t, dir, backendFile, `{"name": `)
	if _, err := Resume(context.Background(), dir, o); err == nil || !strings.Contains(err.Error(), backendFile+" is damaged") {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestResumeWithAnEditedRecipe(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	original, err := os.ReadFile(filepath.Join(dir, recipeFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, replacement, want string }{
		{`"learning_rate": 0.05`, `"learning_rate": 0.5`, "recipe.json was changed after the run began: learning_rate is 0.5, was 0.05"},
		{`"seed": 7`, `"seed": 8`, "seed is 8, was 7"},
		{`"epochs": 3`, `"epochs": 4`, "epochs is 4, was 3"},
		{`"flip": true,`, ``, "augment.flip is false, was true"},
		{`"learning_rate": 0.05`, `"learning_rat": 0.05`, "recipe.json: unknown key learning_rat"},
		{`"width": 2`, `"width": 99999999`, "width 99999999"},
		{`"epochs": 3`, `"epochs": 3,,`, `recipe.json, line 16: invalid character ','`},
		{`"name": "test",`, `"name": "test", "start": "` + strings.Repeat("x", maxRecipe) + `",`, "more than 1048576 bytes"},
	} {
		changed := strings.Replace(string(original), test.old, test.replacement, 1)
		if changed == string(original) {
			t.Fatalf("%s is not in %s", test.old, original)
		}
		writeFile(t, dir, recipeFile, changed)
		_, err := Resume(context.Background(), dir, testOptions())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", test.replacement, err, test.want)
		}
		if _, checked := Check(dir, testOptions()); checked == nil || checked.Error() != err.Error() {
			t.Errorf("%s: Check returns %v, and Resume %v", test.replacement, checked, err)
		}
	}
	// Several changes are all named.
	writeFile(t, dir, recipeFile, strings.NewReplacer(`"seed": 7`, `"seed": 8`, `"epochs": 3`, `"epochs": 4`).Replace(string(original)))
	if _, err := Resume(context.Background(), dir, testOptions()); err == nil || !strings.Contains(err.Error(), "epochs is 4, was 3; seed is 8, was 7") {
		t.Errorf("two changes: %v", err)
	}
	writeFile(t, dir, recipeFile, string(original))
	if r, err := Check(dir, testOptions()); err != nil || len(r.Differences(testRecipe())) > 0 {
		t.Errorf("the original recipe: %+v, %v", r, err)
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Error(err)
	}
}

func TestTrainOrResume(t *testing.T) {
	whole, err := Train(context.Background(), t.TempDir(), testRecipe(), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	whole.Store.Finalize()
	want, err := os.ReadFile(whole.Weights)
	if err != nil {
		t.Fatal(err)
	}
	interrupted := t.TempDir()
	interruptAt(t, interrupted, 5)
	for name, dir := range map[string]string{"a new folder": filepath.Join(t.TempDir(), "new"), "an interrupted run": interrupted} {
		for _, again := range []bool{false, true} {
			outcome, err := TrainOrResume(context.Background(), dir, testRecipe(), testOptions())
			if err != nil {
				t.Fatalf("%s, again %v: %v", name, again, err)
			}
			outcome.Store.Finalize()
			if got, err := os.ReadFile(outcome.Weights); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, again %v: the weights are not those of a run without interruption (%v)", name, again, err)
			}
		}
	}
	r := testRecipe()
	r.LearningRate *= 2
	if _, err := TrainOrResume(context.Background(), interrupted, r, testOptions()); !errors.Is(err, ErrOtherRecipe) || !strings.Contains(err.Error(), "learning_rate is 0.05 there, not 0.1") {
		t.Errorf("a run of another recipe: %v", err)
	}
}

// A run that was killed while it wrote a file leaves a temporary one, of which resuming gets rid.
func TestResumeSweeps(t *testing.T) {
	dir := t.TempDir()
	interruptAt(t, dir, 5)
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	gone, alive := ended.Process.Pid, os.Getppid()
	abandoned := []string{".recipe.json.tmp-%d-0", ".backend.json.tmp-%d-0", ".metrics.jsonl.tmp-%d-1", "checkpoints/.step-00000005.safetensors.tmp-%d-0"}
	for _, name := range abandoned {
		writeFile(t, dir, fmt.Sprintf(name, gone), "part")
		writeFile(t, dir, fmt.Sprintf(name, alive), "part") // its process's number has been given to another
	}
	writeFile(t, dir, fmt.Sprintf(".network.onnx.tmp-%d-0", gone), "part")
	exported := fmt.Sprintf(".network.onnx.tmp-%d-0", alive) // an export that is being written
	writeFile(t, dir, exported, "part")
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{".*.tmp-*", checkpointDir + "/.*.tmp-*"} {
		left, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range left {
			if filepath.Base(path) != exported {
				t.Errorf("%s is left", path)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, exported)); err != nil {
		t.Error("the temporary file of a running process was removed")
	}
}

// A cancelled run does not wait for the compilation of its first step.
func TestCancelledWhileItPrepares(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{ctx: ctx, steps: 9}
	release, done := make(chan struct{}), make(chan struct{})
	time.AfterFunc(time.Millisecond, cancel)
	abandoned, err := s.unlessCancelled(3, func() error { <-release; return nil }, func() { close(done) })
	if !abandoned || !errors.Is(err, ErrInterrupted) || err.Error() != "interrupted after step 3 of 9" {
		t.Errorf("abandoned %t with %v", abandoned, err)
	}
	select {
	case <-done:
		t.Error("the end was reported before it came")
	default:
	}
	close(release)
	<-done

	// What ends soon is awaited, and errors are passed on.
	failure := errors.New("boom")
	if abandoned, err := s.unlessCancelled(3, func() error { return failure }, nil); abandoned || err != failure {
		t.Errorf("abandoned %t with %v, want the work's error", abandoned, err)
	}
	if abandoned, err := s.unlessCancelled(3, func() error { panic(failure) }, nil); abandoned || !errors.Is(err, failure) {
		t.Errorf("abandoned %t with %v, want the work's panic", abandoned, err)
	}
}

// What a recipe asks for is bounded before anything is built, also where there is no checkpoint.
func TestHugeRecipesAreRefused(t *testing.T) {
	for want, change := range map[string]func(r *recipe.Recipe){
		"9999999 blocks":            func(r *recipe.Recipe) { r.Model.Blocks = []int{9999999} },
		"width 1000000000":          func(r *recipe.Recipe) { r.Model.Width = 1e9 },
		"for 1000000000000 classes": func(r *recipe.Recipe) { r.Model.Classes = 1e12 },
		"1000000000000 epochs":      func(r *recipe.Recipe) { r.Epochs = 1e12 },
		"batch size 1000000000000":  func(r *recipe.Recipe) { r.BatchSize = 1e12 },
		"crop 1000000000000":        func(r *recipe.Recipe) { r.Augment = dataset.Augment{Crop: 1e12} },
		"learning rate -1":          func(r *recipe.Recipe) { r.LearningRate = -1 },
	} {
		dir := t.TempDir()
		r := testRecipe()
		change(&r)
		if err := writeRecipe(dir, r); err != nil {
			t.Fatal(err)
		}
		if _, err := Resume(context.Background(), dir, testOptions()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
