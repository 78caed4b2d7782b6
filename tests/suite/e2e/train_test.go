package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/recipe"
)

var (
	stepLine     = regexp.MustCompile(`(?m)^Epoch \[(\d+)/(\d+)\], Step \[(\d+)/(\d+)\], Loss: \d+\.\d{4}$`)
	accuracyLine = regexp.MustCompile(`(?m)^Test Accuracy: \d{1,3}\.\d\d%$`)
)

// metrics returns the lines of the run's metrics.jsonl, decoded.
func (p *place) metrics(dir string) []map[string]any {
	p.t.Helper()
	content, err := os.ReadFile(p.path(dir, "metrics.jsonl"))
	if err != nil {
		p.t.Fatal(err)
	}
	var lines []map[string]any
	for text := range strings.Lines(string(content)) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			p.t.Errorf("metrics.jsonl has the line %q: %v", text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

// Train a named model with flags, from the start to the figures.
func TestTrain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	out := p.ok("train", "--model", "resnet20", "--recipe", "fast", "--data", small(t), "--subset", "8",
		"--batch", "4", "--epochs", "1", "--lr", "0.01", "--log-every", "1")
	dir := filepath.Join("runs", "resnet20-fast-1")
	var steps []string
	for _, match := range stepLine.FindAllStringSubmatch(out, -1) {
		steps = append(steps, strings.Join(match[1:], " "))
	}
	if got, want := strings.Join(steps, ", "), "1 1 1 2, 1 1 2 2"; got != want {
		t.Errorf("epoch, epochs, step and steps of the log lines are %s, want %s, in:\n%s", got, want, out)
	}
	if !accuracyLine.MatchString(out) {
		t.Errorf("no line of the form Test Accuracy: 83.99%% in:\n%s", out)
	}
	has(t, out, "Data: images in small (CIFAR-10 layout), first 8; 8 training and 8 test images", "Run: "+dir,
		"Wrote:", "Try next:", "eval --run "+dir)

	content, err := os.ReadFile(p.path(dir, "recipe.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := decode[recipe.Recipe](t, string(content))
	if r.Model.Name != "resnet20" || r.Epochs != 1 || r.BatchSize != 4 || r.LearningRate != 0.01 || r.Data != small(t) || r.Subset != "8" {
		t.Errorf("recipe.json has %+v, want what the flags say", r)
	}
	lines := p.metrics(dir)
	if len(lines) != 3 || lines[0]["kind"] != "step" || lines[2]["kind"] != "epoch" || lines[2]["test_top1"] == nil {
		t.Errorf("metrics.jsonl has %v, want two steps and a tested epoch", lines)
	}
	if got, want := filepath.Base(p.newestCheckpoint(dir)), "step-00000002.safetensors"; got != want {
		t.Errorf("the newest checkpoint is %s, want %s", got, want)
	}
	figures := p.path(dir, "figures")
	checkFigures(t, figures, "resnet20", "loss", "accuracy", "schedule", "confusion", "guesses")
	checkFigures(t, figures, "images in small (CIFAR-10 layout), first 8", "loss", "accuracy", "confusion", "guesses")
}

// The recipe quick trains on smaller images at first, and says how long training took.
func TestTrainQuick(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	out := p.ok("train", "--recipe", "quick", "--data", small(t), "--subset", "16", "--batch", "4", "--epochs", "1", "--run", "quick")
	if !regexp.MustCompile(`(?m)^Training took \d\S*s, without evaluation$`).MatchString(out) {
		t.Errorf("the time that training took is not in:\n%s", out)
	}
	content, err := os.ReadFile(p.path("quick", "recipe.json"))
	if err != nil {
		t.Fatal(err)
	}
	quick, err := recipe.ByName("quick")
	if err != nil {
		t.Fatal(err)
	}
	if r := decode[recipe.Recipe](t, string(content)); !slices.Equal(r.Sizes, quick.Sizes) || r.Muon != quick.Muon {
		t.Errorf("recipe.json has %+v", r)
	}
	lines := p.metrics("quick")
	if seconds, _ := lines[len(lines)-1]["seconds"].(float64); seconds <= 0 {
		t.Errorf("the last line of metrics.jsonl is %v, want the seconds of the epoch", lines[len(lines)-1])
	}
	// The sizes are shares of CIFAR's 32 pixels.
	p.ok("train", "--recipe", "quick", "--data", small(t), "--subset", "16", "--batch", "4", "--epochs", "1", "--size", "16", "--run", "small")
	if content, err = os.ReadFile(p.path("small", "recipe.json")); err != nil {
		t.Fatal(err)
	}
	for i, size := range decode[recipe.Recipe](t, string(content)).Sizes {
		if want := quick.Sizes[i].Pixels / 2; size.Pixels != want {
			t.Errorf("with images of 16 pixels, part %d has images of %d, want %d", i+1, size.Pixels, want)
		}
	}
}

// With --validation, settings are chosen on training images, and the test images are left to eval.
func TestTrainValidation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	out := p.ok("train", "--data", small(t), "--subset", "20", "--validation", "8", "--batch", "4", "--epochs", "1", "--lr", "0.01", "--run", "held")
	has(t, out, "; 12 training, 8 validation and 16 test images", "validation accuracy", "of 8 validation images\nValidation Accuracy: ")
	if strings.Contains(out, "Test Accuracy") || strings.Contains(out, "of 16 test images") {
		t.Errorf("the test images were evaluated:\n%s", out)
	}
	checkFigures(t, p.path("held", "figures"), "the first validation images", "guesses")
	lines := p.metrics("held")
	if last := lines[len(lines)-1]; last["test_split"] != "validation" || last["test_images"] != 8.0 {
		t.Errorf("the metrics are %v, want those of the 8 validation images", last)
	}
	// The recipe has it, and so the same images are held out again.
	has(t, p.ok("train", "--run", "held", "--resume"), "12 training, 8 validation and 16 test images", "Validation Accuracy: ")
	if got := decode[evaluation](t, p.ok("eval", "--run", "held", "--json")); got.Total != 16 || got.Split != "test" {
		t.Errorf("eval: %d images, split %q; want the 16 test images", got.Total, got.Split)
	}
	p.fails([]string{"--validation 0, want at least 1"}, "train", "--data", small(t), "--validation", "0")
	p.fails([]string{"20 of 20 images cannot be held out"}, "train", "--data", small(t), "--subset", "20", "--validation", "20")
	p.fails([]string{"--validation cannot be combined with --resume"}, "train", "--run", "held", "--resume", "--validation", "4")
}

// The flags for accelerators work on the CPU as well. Where the images are kept does not change
// the weights.
func TestTrainOnDevices(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	base := []string{"train", "--model", "resnet20", "--data", small(t), "--subset", "8", "--batch", "4", "--epochs", "1", "--lr", "0.01", "--log-every", "1"}
	p.ok(append(base, "--run", "host")...)
	p.ok(append(base, "--run", "device", "--input", "device")...)
	checkpoint := func(dir string) []byte {
		content, err := os.ReadFile(p.newestCheckpoint(dir))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	if !bytes.Equal(checkpoint("host"), checkpoint("device")) {
		t.Error("images on the device change the checkpoint")
	}
	p.ok("train", "--run", "device", "--resume", "--input", "host") // --input belongs to the machine, not to the recipe
	p.ok(append(base, "--run", "two", "--devices", "2", "--backend", "cpu:devices=2", "--precision", "bfloat16", "--local-norms")...)
	content, err := os.ReadFile(p.path("two", "recipe.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := decode[recipe.Recipe](t, string(content))
	if r.Devices != 2 || r.Precision != recipe.BFloat16 || !r.LocalNorms {
		t.Errorf("recipe.json has %+v, want what the flags say", r)
	}

	p.fails([]string{"2 devices requested, but backend cpu has 1"}, append(base, "--run", "none", "--devices", "2")...)
	p.fails([]string{"trained on the backend cpu with 2 devices, not on cpu with 1 device; resume it with --backend cpu:devices=2\n"},
		"train", "--run", "two", "--resume")
	p.fails([]string{"batches of 4 cannot be shared out to 3 devices"}, append(base, "--run", "none", "--devices", "3", "--backend", "cpu:devices=3")...)
	p.fails([]string{"--local-norms needs several devices"}, append(base, "--run", "none", "--local-norms")...)
	p.fails([]string{"--devices 0"}, append(base, "--run", "none", "--devices", "0")...)
	p.fails([]string{`unknown precision "half"`, "float32, bfloat16"}, append(base, "--run", "none", "--precision", "half")...)
	p.fails([]string{`--input: unknown input "disk"`, "auto, host and device"}, append(base, "--run", "none", "--input", "disk")...)
	if _, err := os.Stat(p.path("none")); err == nil {
		t.Error("a run that cannot start leaves a folder")
	}
}

// A learning rate that is far too high ends in a one-line error.
func TestTrainDiverges(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.fails([]string{"loss is NaN at step 2", "diverged", "lower learning rate"},
		"train", "--model", "resnet20", "--data", small(t), "--subset", "8", "--batch", "4", "--epochs", "2", "--lr", "1e30")
}

func TestTrainRefuses(t *testing.T) {
	t.Parallel()
	p := trained(t)
	p.fails([]string{"runs/tiny already holds a run", "--resume"}, "train", "--run", "runs/tiny", "--data", small(t))
	p.fails([]string{"--epochs cannot be combined with --resume"}, "train", "--run", "runs/tiny", "--resume", "--epochs", "5")
	p.fails([]string{"do not fill a batch of 128", "smaller batch"}, "train", "--data", small(t))

	writeFile(t, p.path("file"), []byte("no folder"))
	p.fails([]string{"file", "not a directory"}, "train", "--run", "file/run", "--data", small(t), "--batch", "16")

	// The default folder for runs.
	other := newPlace(t)
	writeFile(t, other.path("runs"), []byte("no folder"))
	other.fails([]string{"runs", "not a directory"}, "train", "--data", small(t), "--batch", "16")
}

// The data folder of a run has other images when the run is resumed.
func TestResumeOfOtherData(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	writeCIFAR10(t, p.path("images"), 8)
	p.begin("run", tinyRecipe(t, p.path("images"), 1))
	p.ok("train", "--run", "run", "--resume")
	writeCIFAR10(t, p.path("images"), 4)
	r := p.run("train", "--run", "run", "--resume")
	if r.code == 0 {
		t.Error("a run was resumed with other images than it began with")
	}
	has(t, r.stderr, "40 images", "20 of images in images")
}

func TestTrainJSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.begin("run", tinyRecipe(t, small(t), 1))
	r := p.run("train", "--run", "run", "--resume", "--json", "--log-every", "5")
	got := decode[map[string]any](t, r.stdout)
	for _, key := range []string{"run", "weights", "data", "correct", "total", "loss", "top1", "top5"} {
		if got[key] == nil {
			t.Errorf("train --json has no %s: %v", key, got)
		}
	}
	if !stepLine.MatchString(r.stderr) || !accuracyLine.MatchString(r.stderr) {
		t.Errorf("want the log on stderr, got:\n%s", r.stderr)
	}
}

// interrupted runs the command, sends it Ctrl-C after the first log line of a step, and returns
// the one line on standard error. The exit code must be 130.
func (p *place) interrupted(args ...string) (said string) {
	p.t.Helper()
	if runtime.GOOS == "windows" {
		p.t.Skip("Windows has no way to send Ctrl-C to another process")
	}
	cmd := p.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	sent := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if !sent && stepLine.MatchString(lines.Text()) {
			sent = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		p.t.Fatalf("exit code %d after Ctrl-C, want 130; stderr:\n%s", code, stderr.String())
	}
	if strings.Count(stderr.String(), "\n") != 1 {
		p.t.Errorf("want one line on stderr, got:\n%s", stderr.String())
	}
	return stderr.String()
}

// Stop a run with Ctrl-C and resume it with exactly the command that it prints.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	const epochs = 30 // of 5 steps
	p := newPlace(t)
	dir := "runs/it's mine" // needs quoting in a shell
	p.begin(dir, tinyRecipe(t, small(t), epochs))
	said := p.interrupted("train", "--run", dir, "--resume", "--log-every", "1", "--backend", "cpu:devices=2")
	match := regexp.MustCompile(`interrupted after step (\d+) of 150; resume with: lesson (.*)\n$`).FindStringSubmatch(said)
	if match == nil {
		t.Fatalf("the message does not say how to resume: %s", said)
	}
	has(t, match[2], " --resume --backend cpu:devices=2 --log-every 1")
	advice := "add --backend cpu:devices=2 to keep using it, or --backend cpu to switch\n"
	p.fails([]string{"was trained on the backend cpu with 2 devices, not on cpu with 1 device; " + advice}, "train", "--run", dir, "--resume")
	if want := fmt.Sprintf("step-%08s.safetensors", match[1]); filepath.Base(p.newestCheckpoint(dir)) != want {
		t.Errorf("the newest checkpoint is %s, want %s", p.newestCheckpoint(dir), want)
	}

	again := exec.Command("sh", "-c", binary+" "+match[2])
	again.Dir, again.Env = p.dir, p.env
	output, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", match[2], err, output)
	}
	has(t, string(output), "resuming after step "+match[1]+",", "Epoch [30/30] done")
	if !accuracyLine.Match(output) {
		t.Errorf("the resumed run does not end with its accuracy:\n%s", output)
	}
	// Every step and every epoch exactly once and in order.
	steps, epoch := 0, 0
	for _, line := range p.metrics(dir) {
		if line["kind"] == "epoch" {
			epoch++
			if line["epoch"] != float64(epoch) {
				t.Errorf("epoch line %d is of epoch %v", epoch, line["epoch"])
			}
		} else if step := line["step"].(float64); step > float64(steps) {
			steps = int(step)
		} else {
			t.Errorf("step %v comes after step %d", step, steps)
		}
	}
	if epoch != epochs {
		t.Errorf("metrics have %d epochs, want %d", epoch, epochs)
	}
}

// A run resumes with the recipe and on the backend that it began with.
func TestResumeRefusesChanges(t *testing.T) {
	t.Parallel()
	p := trained(t)
	resume := []string{"train", "--run", "runs/tiny", "--resume"}
	path := p.path("runs", "tiny", "recipe.json")
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(old, replacement, want string, commands ...[]string) {
		t.Helper()
		changed := strings.Replace(string(original), old, replacement, 1)
		if changed == string(original) {
			t.Fatalf("%s is not in %s", old, original)
		}
		writeFile(t, path, []byte(changed))
		for _, command := range commands {
			p.fails([]string{"recipe.json", want}, command...)
		}
		writeFile(t, path, original)
	}
	edited(`"epochs":2`, `"epochs":3`, "epochs is 3, was 2; put the old values back, or start a new run in another folder with --run", resume)
	edited(`"data":"`, `"data":"no`, "data is ", resume)
	all := [][]string{resume, {"eval", "--run", "runs/tiny"}, {"plot", "runs/tiny"}, {"export", "--run", "runs/tiny", "--out", "x.onnx"},
		{"finetune", "--weights", "runs/tiny", "--data", small(t)}}
	edited(`"learning_rate"`, `"learning_rat"`, "unknown key learning_rat; did you mean learning_rate?", all...)
	edited(`"blocks":[1,1,1]`, `"blocks":[9999999]`, "stage 1 has 9999999 blocks, want at most 1000", all...)
	edited(`"epochs":2`, `"epochs":-2`, "-2 epochs, want at least 1", all...)

	// Another backend is recorded, and --backend names this one.
	record, err := os.ReadFile(p.path("runs", "tiny", "backend.json"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.path("runs", "tiny", "backend.json"), bytes.Replace(record, []byte(`"cpu"`), []byte(`"go"`), 1))
	p.fails([]string{"trained on the backend go, not on cpu; add --backend go to keep using it, or --backend cpu to switch"}, resume...)
	if out := p.ok(append(resume, "--backend", "cpu")...); strings.Contains(out, "differ") { // it takes no more steps
		t.Errorf("a finished run warns of another backend:\n%s", out)
	}
}

// The command that degradation prints when it is interrupted repeats its flags.
func TestDegradationInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	args := []string{"degradation", "--data", small(t), "--shallow", "8", "--deep", "14", "--width", "2", "--epochs", "500", "--batch", "16",
		"--backend", "cpu:kernel=portable", "--run", "the four"}
	said := p.interrupted(args...)
	match := regexp.MustCompile(`resume with: lesson (.*) \(finished work is kept in the four\)\n$`).FindStringSubmatch(said)
	if match == nil {
		t.Fatalf("the message does not say how to resume: %s", said)
	}
	has(t, match[1], "degradation --backend cpu:kernel=portable --batch 16 --data ", " --deep 14 --epochs 500 --run 'the four' --shallow 8 --width 2")
	p.fails([]string{"holds a run of a different recipe: epochs is 500 there, not 501"}, append(args, "--epochs", "501")...)
	p.set("GOMLX_BACKEND", "go")
	p.fails([]string{"plain8: the run in ", "was trained on the backend cpu, not on go; add --backend cpu to keep using it, or --backend go to switch"},
		append(args, "--backend", "auto")...)
}

// The picture is there after the first epoch of the first network, where degradation said, and changes while
// training goes on.
func TestDegradationDrawsWhileItTrains(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cmd := p.command("degradation", "--data", small(t), "--shallow", "8", "--deep", "14", "--width", "2", "--epochs", "500", "--batch", "16", "--run", "four")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	path := filepath.Join("four", "figures", "degradation.png")
	said, epochs := false, 0
	var first []byte
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		said = said || lines.Text() == "Picture: "+path+", redrawn after every epoch"
		if !strings.Contains(lines.Text(), "/500] done: ") {
			continue
		}
		if epochs++; epochs == 1 { // it is drawn after this line
			continue
		}
		picture, err := os.ReadFile(p.path(path))
		if err != nil {
			t.Fatalf("in epoch %d: %v", epochs, err)
		}
		if first == nil {
			first = picture
			if _, err := png.Decode(bytes.NewReader(picture)); err != nil || !said {
				t.Errorf("the picture: %v; announced: %t", err, said)
			}
		} else if !bytes.Equal(picture, first) {
			return
		}
	}
	t.Errorf("the picture did not change in %d epochs", epochs)
}

func TestDegradation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	args := []string{"degradation", "--data", small(t), "--shallow", "8", "--deep", "14", "--width", "2", "--epochs", "2", "--batch", "16"}
	out := p.ok(args...)
	dir := filepath.Join("runs", "degradation-small")
	for network, depth := range map[string]int{"plain8": 8, "plain14": 14, "resnet8": 8, "resnet14": 14} {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^ *%s +%d +\d+ +\d+\.\d{4} +\d+\.\d\d%% +\d+\.\d\d%% *$`, network, depth))
		if got := len(row.FindAllString(out, -1)); got != 1 {
			t.Errorf("%d rows for %s in the table, want 1:\n%s", got, network, out)
		}
	}
	has(t, out, "Plain: the training loss at depth 14 is", "Residual: the training loss at depth 14 is", "Wrote:", "Try next:",
		"eval --run "+filepath.Join(dir, "resnet14"))
	checkFigures(t, p.path(dir, "figures"), "data: images in small (CIFAR-10 layout)", "degradation", "degradation-loss", "gradient-norms")

	type summary struct {
		Data string
		Arms []struct {
			Network   string
			Plain     bool
			TrainLoss float64 `json:"train_loss"`
			Dir       string
		}
		PlainGap    float64 `json:"plain_gap"`
		ResidualGap float64 `json:"residual_gap"`
	}
	before := p.metrics(filepath.Join(dir, "plain8"))
	r := p.run(append(args, "--json")...)
	got := decode[summary](t, r.stdout)
	if len(got.Arms) != 4 || got.Data != "images in small (CIFAR-10 layout)" {
		t.Fatalf("degradation --json gives %+v, want four networks", got)
	}
	if gap := got.Arms[1].TrainLoss - got.Arms[0].TrainLoss; math.Abs(gap-got.PlainGap) > 1e-12 || !got.Arms[1].Plain {
		t.Errorf("plain gap %g, want %g", got.PlainGap, gap)
	}
	if gap := got.Arms[3].TrainLoss - got.Arms[2].TrainLoss; math.Abs(gap-got.ResidualGap) > 1e-12 || got.Arms[3].Plain {
		t.Errorf("residual gap %g, want %g", got.ResidualGap, gap)
	}
	// The second invocation trains nothing, or the speeds in the metrics would differ.
	if after := p.metrics(filepath.Join(dir, "plain8")); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("the second invocation trains again")
	}
	has(t, r.stderr, "resuming after step 10")

	if r := p.run(append(args, "--lr", "0.2")...); r.code == 0 || !strings.Contains(r.stderr, "plain8 holds a run of a different recipe: learning_rate is 0.05 there, not 0.2; remove that folder, or choose another with --run\n") {
		t.Errorf("other settings on old runs: exit code %d, stderr:\n%s", r.code, r.stderr)
	}
	// The same folder by another path is the same data.
	relative, err := filepath.EvalSymlinks(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if relative, err = filepath.Rel(relative, small(t)); err == nil {
		args[2] = relative
		p.ok(args...)
	}
	// Each of the four is an ordinary run.
	has(t, p.ok("eval", "--run", filepath.Join(dir, "resnet14")), "Test Accuracy: ")
}
