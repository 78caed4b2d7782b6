package e2e

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/weights"
)

// weightsOf returns the weights of a checkpoint as strings that can be compared.
func weightsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	state, err := checkpoint.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name, tensor := range state.Weights {
		found[name] = fmt.Sprintf("%x", tensor.Data)
	}
	return found
}

// recipeOf returns the recipe of the run in dir.
func (p *place) recipeOf(dir string) recipe.Recipe {
	p.t.Helper()
	content, err := os.ReadFile(p.path(dir, "recipe.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	return decode[recipe.Recipe](p.t, string(content))
}

// Fine-tune the network of a run on other images, and use the result.
func TestFinetune(t *testing.T) {
	t.Parallel()
	p := trained(t)
	out := p.ok("finetune", "--weights", "runs/tiny", "--data", "builtin", "--subset", "2/class,20", "--batch", "10",
		"--epochs", "2", "--lr", "0.02", "--head-lr", "0.1", "--freeze", "layer1", "--log-every", "1")
	dir := filepath.Join("runs", "resnet8-w2-finetune-1")
	start := p.newestCheckpoint("runs/tiny")
	has(t, out, "Data: Shapes-10 (built-in), first 2 per class; 20 training and 20 test images",
		"tensors loaded; the 2 of the head are new, for 10 classes\n",
		"Learning rate: 0.02, 0.1 for the head. Frozen: layer1 and everything before it, and all running statistics",
		"Model: resnet8-w2. Recipe: finetune, 2 epochs, batch 10.", "Run: "+dir, "Epoch [1/2], Step [2/2], Loss: ",
		"Wrote:", "Try next:", "eval --run "+dir, "predict --run "+dir, "export --run "+dir)
	if !accuracyLine.MatchString(out) {
		t.Errorf("no line of the form Test Accuracy: 83.99%% in:\n%s", out)
	}
	r := p.recipeOf(dir)
	tiny := tinyRecipe(t, "", 1)
	if !strings.HasSuffix(r.Start, filepath.Base(start)) || r.Freeze != "layer1" || !r.FreezeNorms || math.Abs(r.HeadLearningRateMultiplier-5) > 1e-12 ||
		r.Normalization != tiny.Normalization || r.Model.Name != tiny.Model.Name || r.Data != "builtin" || r.Subset != "2/class,20" {
		t.Errorf("recipe.json has %+v, want what the flags and the weights say", r)
	}
	checkFigures(t, p.path(dir, "figures"), "data: Shapes-10 (built-in), first 2 per class, drawn shapes, not CIFAR-10", "loss", "accuracy", "confusion", "guesses")

	before, after := weightsOf(t, start), weightsOf(t, p.newestCheckpoint(dir))
	for name := range before {
		frozen := strings.HasPrefix(name, "conv1.") || strings.HasPrefix(name, "bn1.") || strings.HasPrefix(name, "layer1.") ||
			strings.Contains(name, ".running_")
		if same := before[name] == after[name]; same != frozen {
			t.Errorf("frozen up to layer1: %s is unchanged: %v, want %v", name, same, frozen)
		}
	}
	has(t, p.ok("eval", "--run", dir), "resnet8-w2, trained on Shapes-10 (built-in), first 2 per class, evaluated on 20 test images", "Test Accuracy: ")
	p.ok("export", "--run", dir, "--out", "w.safetensors")
	// The result can be fine-tuned in turn.
	has(t, p.ok("finetune", "--weights", "w.safetensors", "--data", small(t), "--recipe", "head", "--batch", "16", "--epochs", "1"),
		"Learning rate: 0.1. Frozen: body and everything before it", "Run: "+filepath.Join("runs", "resnet8-w2-head-1"))
}

// Photos in a folder are resized to what the weights expect, in training and for all later uses
// of the result.
func TestFinetunePhotos(t *testing.T) {
	t.Parallel()
	p := trained(t)
	for class, name := range []string{"dark", "light"} {
		for i := range 10 {
			photo := image.NewRGBA(image.Rect(0, 0, 40+i, 50))
			draw.Draw(photo, photo.Bounds(), image.NewUniform(color.Gray{uint8(40 + 150*class + i)}), image.Point{}, draw.Src)
			writeFile(t, p.path("photos", name, fmt.Sprintf("%d.png", i)), encodePNG(t, photo))
		}
	}
	m, err := weights.Open(t.Context(), p.newestCheckpoint("runs/tiny"), weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.Transform = picture.Transform{Resize: 36, Height: 32, Width: 32, Filter: picture.Bicubic}
	if err := m.Save(p.path("w.safetensors")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir  string
		args []string
		want picture.Transform
	}{
		{"own", nil, m.Transform},
		{"sized", []string{"--size", "24"}, picture.Transform{Resize: 27, Height: 24, Width: 24, Filter: picture.Bicubic}},
	} {
		out := p.ok(append([]string{"finetune", "--weights", "w.safetensors", "--data", "photos", "--freeze-norms=false",
			"--batch", "8", "--epochs", "6", "--run", test.dir}, test.args...)...)
		has(t, out, "16 training and 4 held-out images", "the 2 of the head are new, for 2 classes\n")
		const accuracy = "Correct: 4 of 4 held-out images (a fifth of each class)\nHeld-out Accuracy: 100.00%\n"
		has(t, out, accuracy) // dark and light are told apart
		has(t, p.ok("eval", "--run", test.dir), accuracy)
		has(t, p.ok("predict", "--run", test.dir, "photos/dark/1.png"), "dark")
		got, err := weights.Open(t.Context(), p.newestCheckpoint(test.dir), weights.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Transform != test.want || !slices.Equal(got.Classes, []string{"dark", "light"}) {
			t.Errorf("the run's weights have %+v and classes %v, want %+v, dark and light", got.Transform, got.Classes, test.want)
		}
	}
	p.ok("train", "--resume", "--run", "sized")
}

// A frozen body stays the same bit for bit, and so does one that is trained at a vanishing
// learning rate.
func TestFinetuneHead(t *testing.T) {
	t.Parallel()
	p := trained(t)
	before := weightsOf(t, p.newestCheckpoint("runs/tiny"))
	for _, args := range [][]string{
		{"--recipe", "head"},
		{"--recipe", "article", "--freeze", "body"},
		{"--recipe", "article", "--freeze-norms", "--lr", "1e-30", "--head-lr", "0.1"},
	} {
		dir := "runs/" + strings.Join(args, "")
		p.ok(append([]string{"finetune", "--weights", "runs/tiny", "--data", small(t), "--batch", "16", "--epochs", "1", "--run", dir}, args...)...)
		after := weightsOf(t, p.newestCheckpoint(dir))
		for name := range before {
			if same := before[name] == after[name]; same != !strings.HasPrefix(name, "fc.") {
				t.Errorf("finetune %s: %s is unchanged: %v", strings.Join(args, " "), name, same)
			}
		}
	}
}

// The program that tutorials show, on a small scale.
func TestFinetuneArticle(t *testing.T) {
	t.Parallel()
	p := trained(t)
	p.ok("finetune", "--weights", "runs/tiny", "--data", small(t), "--recipe", "article", "--epochs", "1")
	r := p.recipeOf(filepath.Join("runs", "resnet8-w2-article-1"))
	if r.BatchSize != 64 || r.LearningRate != 0.001 || r.Momentum != 0.9 || r.HeadLearningRateMultiplier != 0 || r.Freeze != "" || r.FreezeNorms {
		t.Errorf("recipe.json has %+v, want the article's", r)
	}
}

// --size resizes the images, and so do a resumed run and eval.
func TestFinetuneSize(t *testing.T) {
	t.Parallel()
	p := trained(t)
	out := p.ok("finetune", "--weights", "runs/tiny", "--data", small(t), "--subset", "32", "--size", "48", "--batch", "16", "--epochs", "1", "--run", "run")
	r := p.recipeOf("run")
	if r.Transform == nil || r.Transform.Resize != 48 || r.Transform.Height != 48 || r.Transform.Width != 48 || r.Augment.Crop != 6 {
		t.Errorf("recipe.json has transform %+v and crop %d, want 48 pixels and a crop of 6", r.Transform, r.Augment.Crop)
	}
	accuracy := accuracyLine.FindString(out)
	for _, args := range [][]string{{"finetune", "--resume"}, {"train", "--resume"}, {"eval"}} {
		again := p.ok(append(args, "--run", "run")...)
		if got := accuracyLine.FindString(again); got != accuracy || accuracy == "" {
			t.Errorf("%s: %q, want %q as in training", strings.Join(args, " "), got, accuracy)
		}
	}
	if r := p.run("finetune", "--weights", "runs/tiny", "--data", "builtin", "--size", "1024"); r.code == 0 || !strings.Contains(r.stderr, "GiB of memory, more than the 4.00 GiB allowed; choose a smaller --size") {
		t.Errorf("images that need too much memory: exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}

// A run that was killed can be resumed without the weights it started from, and ends with the
// same bits.
func TestFinetuneKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the test kills the run with a signal")
	}
	p := trained(t)
	args := []string{"finetune", "--weights", "weights.safetensors", "--data", small(t), "--batch", "16", "--epochs", "12", "--log-every", "1"}
	start, err := os.ReadFile(p.newestCheckpoint("runs/tiny"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.path("weights.safetensors"), start)
	p.ok(append(args, "--run", "whole")...)

	cmd := p.command(append(args, "--run", "killed")...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for n := 0; n < 12 && lines.Scan(); {
		if stepLine.MatchString(lines.Text()) {
			n++
		}
	}
	killed := cmd.Process.Kill()
	for lines.Scan() {
	}
	if err := cmd.Wait(); killed != nil || err == nil {
		t.Fatalf("the run ended before it was killed (%v, %v)", killed, err)
	}
	if err := os.Remove(p.path("weights.safetensors")); err != nil {
		t.Fatal(err)
	}
	has(t, p.ok("finetune", "--run", "killed", "--resume"), "resuming after step ", "Epoch [12/12] done")
	whole, again := weightsOf(t, p.newestCheckpoint("whole")), weightsOf(t, p.newestCheckpoint("killed"))
	for name := range whole {
		if whole[name] != again[name] {
			t.Errorf("%s differs after the run was killed and resumed", name)
		}
	}
	// The metrics have every epoch exactly once.
	var epochs []string
	for _, line := range p.metrics("killed") {
		if line["kind"] == "epoch" {
			epochs = append(epochs, fmt.Sprint(line["epoch"]))
		}
	}
	if want := strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12"); !slices.Equal(epochs, want) {
		t.Errorf("the metrics have epochs %v, want %v", epochs, want)
	}
}

// Mistakes that are found before any work begins.
func TestFinetuneMistakes(t *testing.T) {
	t.Parallel()
	p := trained(t)
	writeFile(t, p.path("words.safetensors"), []byte("words"))
	data := small(t)
	for _, test := range []struct {
		args string
		want []string
	}{
		{"finetune", []string{"--weights", "lesson train"}},
		{"finetune --weights nowhere.safetensors --data " + data, []string{"nowhere.safetensors"}},
		{"finetune --weights words.safetensors --data " + data, []string{"words.safetensors"}},
		{"finetune --weights runs/tiny --recipe slow", []string{`"slow"`, "article", "finetune", "head"}},
		{"finetune --weights runs/tiny --freeze layer9 --data " + data, []string{`"layer9"`, "stem, layer1, layer2, layer3, body"}},
		{"finetune --weights runs/tiny --head-lr 0", []string{"--head-lr 0"}},
		{"finetune --weights runs/tiny --head-lr NaN", []string{"--head-lr NaN"}},
		{"finetune --weights runs/tiny --lr -1 --head-lr 1", []string{"learning rate -1"}},
		{"finetune --weights runs/tiny --size 0", []string{"--size 0"}},
		{"finetune --weights runs/tiny --epochs 0", []string{"0 epochs"}},
		{"finetune --weights runs/tiny --log-every 0", []string{"--log-every 0"}},
		{"finetune --weights runs/tiny --backend abacus", []string{`"abacus"`}},
		{"finetune --weights runs/tiny --data nowhere", []string{`"nowhere"`}},
		{"finetune --weights runs/tiny --run runs/tiny --data " + data, []string{"runs/tiny already holds a run"}},
		{"finetune --resume", []string{"--run"}},
		{"finetune --resume --run runs/tiny --weights runs/tiny", []string{"--weights cannot be combined with --resume"}},
		{"finetune --resume --run runs/tiny --freeze stem", []string{"--freeze cannot be combined with --resume"}},
		{"train --recipe head --batch 16 --data " + data, []string{"freezes layers that have not been trained"}},
	} {
		if r := p.run(strings.Fields(test.args)...); r.code == 0 || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("lesson %s: exit code %d, stderr:\n%s", test.args, r.code, r.stderr)
		} else {
			has(t, r.stderr, test.want...)
		}
	}
}

// Weights that PyTorch trained on CIFAR-10 get a new head for CIFAR-10: the features of the body
// are still good.
func TestFinetuneRealWeights(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with weights/resnet20-12fca82f.th and cifar10-exact/")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	p.ok("finetune", "--weights", filepath.Join(folder, "weights", "resnet20-12fca82f.th"), "--data", filepath.Join(folder, "cifar10-exact"),
		"--subset", "500", "--recipe", "head", "--epochs", "3", "--run", "run")
	lines := p.metrics("run")
	// With its original head the network gets 455 of the 500 right.
	if accuracy := lines[len(lines)-1]["test_top1"].(float64); accuracy < 0.88 {
		t.Errorf("a new head reaches %.1f%%, want about the 91%% of the original one", 100*accuracy)
	}
}

// After Ctrl-C the command says how to resume.
func TestFinetuneInterrupted(t *testing.T) {
	t.Parallel()
	p := trained(t)
	said := p.interrupted("finetune", "--weights", "runs/tiny", "--data", small(t), "--batch", "16", "--epochs", "100", "--log-every", "1", "--run", "run")
	has(t, said, "resume with: lesson finetune --run run --resume --log-every 1\n")
}
