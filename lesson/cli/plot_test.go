package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const recordedSet = "../recorded/cifar10-jpeg-24-epochs"

func TestPlotRecordedRuns(t *testing.T) {
	figures := t.TempDir()
	output, err := lesson("plot", recordedSet, "--figures", figures)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	drawn, err := os.ReadFile(filepath.Join(figures, "accuracy.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"plain20, test", "plain56, training", "resnet56, test", "data: CIFAR-10 (JPEG)"} {
		if !strings.Contains(string(drawn), want) {
			t.Errorf("the figure has no %q", want)
		}
	}
	if want := "eval --run " + recordedSet + "/plain20 --data FOLDER"; !strings.Contains(output, want) {
		t.Errorf("the output has no %q:\n%s", want, output)
	}
}

func TestPlotNeedsRuns(t *testing.T) {
	empty := t.TempDir()
	for arg, want := range map[string]string{
		recordedSet + "/README.md": "is not a run folder",
		empty:                      "has a recipe.json",
	} {
		if _, err := lesson("plot", arg, "--figures", empty); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("plot %s: error %v, want %q", arg, err, want)
		}
	}
}

func TestRecordedRunsHaveWeightsButAreNotResumed(t *testing.T) {
	dir := recordedSet + "/resnet20"
	if _, err := lesson("train", "--run", dir, "--resume", "--backend", "cpu"); err == nil || !strings.Contains(err.Error(), "is a recorded run") {
		t.Errorf("train --resume: error %v", err)
	}
	exported := filepath.Join(t.TempDir(), "resnet20.safetensors")
	output, err := lesson("export", "--run", dir, "--out", exported)
	if err != nil || !strings.Contains(output, "test accuracy 84.01%") {
		t.Errorf("export: %v\n%s", err, output)
	}
	without := t.TempDir()
	for _, name := range []string{"recipe.json", "metrics.jsonl"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(without, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lesson("export", "--run", without, "--out", exported, "--force"); err == nil || !strings.Contains(err.Error(), "has no weights") {
		t.Errorf("export without weights: error %v", err)
	}
}

func TestShortNames(t *testing.T) {
	dirs := []string{"a/resnet20", "b/resnet20/", "b/plain20"}
	for i, want := range []string{filepath.Join("a", "resnet20"), filepath.Join("b", "resnet20"), "plain20"} {
		if got := shortName(dirs[i], dirs); got != want {
			t.Errorf("%s is called %s, want %s", dirs[i], got, want)
		}
	}
}
