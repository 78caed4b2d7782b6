package e2e

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	out := p.ok()
	commands := []string{"degradation", "train", "finetune", "eval", "predict", "serve", "summary", "data", "plot", "export", "weights", "doctor", "check", "grade"}
	for _, name := range commands {
		if !regexp.MustCompile(`(?m)^  ` + name + ` +\S`).MatchString(out) {
			t.Errorf("without arguments lesson does not list %s:\n%s", name, out)
		}
	}
	for _, name := range append(commands, "data fetch", "data verify", "data show") {
		has(t, p.ok(append(strings.Fields(name), "--help")...), "Examples:", "  lesson "+name)
	}
	has(t, p.ok("--version"), "lesson", "\ngo1.")
	// Without a subcommand, data prints its help.
	has(t, p.ok("data"), "fetch", "verify", "show")
}

// Mistakes that are found before any work begins. Nothing is printed but an error that says what to
// do.
func TestMistakes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, test := range []struct {
		args string
		want []string
	}{
		{"bogus", []string{`"bogus"`, "lesson --help"}},
		{"data bogus", []string{`"bogus"`, "lesson data --help"}},
		{"train extra", []string{`"extra"`, "lesson train --help"}},
		{"train --bogus", []string{"--bogus", "lesson train --help"}},
		{"--bogus", []string{"--bogus", "lesson --help"}},
		{"trian --epochs 2", []string{`unknown command "trian"`, "did you mean train?", "lesson --help"}},
		{"help foo", []string{`unknown command "foo"`}},
		{"train --size abc", []string{`--size "abc"`, "whole number"}},
		{"train --epoch 2", []string{"--epoch", "did you mean --epochs?"}},
		{"train --epochs many", []string{`"many"`, "--epochs"}},
		{"train --seed -1", []string{`"-1"`, "--seed"}},
		{"predict", []string{"no image given", "lesson predict --help"}},
		{"plot", []string{"no run given", "lesson plot --help"}},
		{"train --model resnet21", []string{`"resnet21"`, "resnet20", "resnet56"}},
		{"summary --model nope", []string{`"nope"`, "resnet50"}},
		{"summary --model resnet18 --size 0", []string{"0×0"}},
		{"summary --model resnet18 --size 1000000000", []string{"--size", "65536"}},
		{"summary --model resnet18 --classes 0", []string{"0 classes"}},
		{"train --recipe slow", []string{`"slow"`, "article", "paper", "fast"}},
		{"train --backend abacus", []string{`"abacus"`, "auto", "go"}},
		{"degradation --backend abacus", []string{`"abacus"`, "auto", "go"}},
		{"train --data nowhere", []string{`"nowhere"`, "auto", "cifar10", "cifar100", "builtin", "folder"}},
		{"data fetch --data builtin", []string{`"builtin"`, "cifar10", "cifar100"}},
		{"train --subset some", []string{`"some"`, "500", "50/class"}},
		{"train --subset 0", []string{`"0"`}},
		{"train --subset -5/class", []string{`"-5/class"`}},
		{"train --batch 0", []string{"batch size 0", "at least 2"}},
		{"train --batch 1", []string{"batch size 1", "at least 2"}},
		{"train --epochs -1", []string{"-1 epochs", "at least 1"}},
		{"train --epochs 0", []string{"0 epochs"}},
		{"train --lr -1", []string{"learning rate -1", "above 0"}},
		{"train --lr NaN", []string{"learning rate NaN"}},
		{"train --lr Inf", []string{"learning rate +Inf"}},
		{"train --log-every 0", []string{"--log-every 0", "at least 1"}},
		{"train --log-every -3", []string{"--log-every -3"}},
		{"train --resume", []string{"--run"}},
		{"train --resume --run nowhere", []string{"nowhere", "recipe.json"}},
		{"train --resume --run nowhere --lr 1", []string{"--lr", "--resume"}},
		{"train --resume --run nowhere --data builtin", []string{"--data", "--resume"}},
		{"degradation --shallow 9", []string{"9", "6n+2"}},
		{"degradation --shallow 20 --deep 8", []string{"20 and 8"}},
		{"degradation --width 0", []string{"width 0"}},
		{"degradation --lr NaN", []string{"learning rate NaN"}},
		{"degradation --batch 0", []string{"batch size 0"}},
		{"eval", []string{"--run", "--weights"}},
		{"eval --run a --weights b", []string{"--run", "--weights"}},
		{"eval --run nowhere", []string{"nowhere", "recipe.json"}},
		{"eval --weights nowhere.safetensors", []string{"nowhere.safetensors"}},
		{"predict x.png", []string{"--run", "--weights"}},
		{"serve", []string{"--run", "--weights"}},
		{"serve x.png", []string{`"x.png"`, "lesson serve --help"}},
		{"plot nowhere", []string{"nowhere", "recipe.json"}},
	} {
		if r := p.fails(test.want, strings.Fields(test.args)...); r.stdout != "" {
			t.Errorf("lesson %s: want nothing on stdout, got:\n%s", test.args, r.stdout)
		}
	}
}

// Output that cannot be written is an error of every command.
func TestFullDevice(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full")
	}
	defer full.Close()
	p := trained(t)
	writeFile(t, p.path("x.png"), encodePNG(t, bands(32, 32)))
	for _, args := range []string{"", "--help", "help train", "--version", "completion bash", "summary", "summary --json",
		"summary --model resnet18", "weights", "weights --json", "weights runs/tiny", "doctor", "doctor --json", "data", "data verify --data builtin",
		"data show --data builtin", "eval --run runs/tiny", "eval --run runs/tiny --json", "plot runs/tiny",
		"predict --run runs/tiny x.png", "predict --run runs/tiny --json x.png", "export --run runs/tiny --out y.onnx",
		"train --run runs/tiny --resume"} {
		var stderr bytes.Buffer
		cmd := p.command(strings.Fields(args)...)
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); err == nil {
			t.Errorf("lesson %s > /dev/full: exit code 0", args)
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "lesson: ") || !strings.Contains(last, "no space left on device") {
			t.Errorf("lesson %s > /dev/full: stderr is\n%s", args, stderr.String())
		}
		if len(lines) > 1 && !strings.Contains(args, "--json") { // there, messages go to standard error
			t.Errorf("lesson %s > /dev/full: want one line on stderr, got\n%s", args, stderr.String())
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	// torchvision's resnet50 has 25,557,032 parameters and 4.09 GMAC at 224×224.
	has(t, p.ok("summary", "--model", "resnet50"), "25,557,032", "4,089,184,256", "Try next:", "summary --model")

	type summary struct {
		Model  string
		Input  []int
		Layers []struct {
			Name       string
			Parameters int64
		}
		Parameters   int64
		MultiplyAdds int64 `json:"multiply_adds"`
	}
	got := decode[summary](t, p.ok("summary", "--model", "resnet50", "--json"))
	if got.Model != "resnet50" || got.Parameters != 25_557_032 || got.MultiplyAdds != 4_089_184_256 {
		t.Errorf("got %s with %d parameters and %d multiply-adds, want resnet50 with 25557032 and 4089184256",
			got.Model, got.Parameters, got.MultiplyAdds)
	}
	var sum int64
	for _, layer := range got.Layers {
		sum += layer.Parameters
	}
	if sum != got.Parameters {
		t.Errorf("the parameters of the layers add up to %d, the total is %d", sum, got.Parameters)
	}
	small := decode[summary](t, p.ok("summary", "--model", "resnet20", "--classes", "100", "--json"))
	// 0.27 million for 10 classes (He et al. 2015), and 65 for each of 90 more classes.
	if want := int64(269_722 + 90*65); small.Parameters != want || small.Input[0] != 32 {
		t.Errorf("resnet20 for 100 classes has %d parameters at %v, want %d at 32×32", small.Parameters, small.Input, want)
	}
	names := decode[[]string](t, p.ok("summary", "--json"))
	if len(names) < 10 {
		t.Errorf("summary --json lists %q, want all models", names)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	has(t, p.ok("doctor"), "go1.", "Backends  cpu, go, xla; default: cpu (", "Device    Residual CPU backend", "XLA ", "Cache ", "CIFAR-10: not downloaded", "data fetch --data cifar10",
		"CIFAR-100: not downloaded", "Shapes-10 (built-in): always available", "Try next:")
	got := decode[struct {
		CPUs     int
		Backends []string
		Default  string `json:"default_backend"`
		Data     map[string]string
	}](t, p.ok("doctor", "--json"))
	if got.CPUs < 1 || len(got.Backends) == 0 || got.Default != "cpu" || got.Data["CIFAR-10"] != "" || len(got.Data) != 2 {
		t.Errorf("doctor --json gives %+v", got)
	}
	p.set("GOMLX_BACKEND", "abacus")
	p.fails([]string{`"abacus"`}, "doctor")
}
