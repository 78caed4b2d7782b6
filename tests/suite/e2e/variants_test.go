package e2e

import (
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// described is what weights --json says.
type described struct {
	Architecture  resnet.Config
	Normalization dataset.Normalization
	SHA256        string
	Licence       string
	Notes         []string
	Trials        []struct {
		Model, Normalization string
		Correct, Total       int
		Used                 bool
	}
}

// undescribed writes weights that say neither how images are normalised nor whether the network
// has shortcuts, and returns the name of the file.
func undescribed(t *testing.T, p *place) string {
	t.Helper()
	c, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&statedict.Dict{Tensors: ones(c)}).Save(p.path("w.safetensors")); err != nil {
		t.Fatal(err)
	}
	return "w.safetensors"
}

// Every command that takes weights says what it assumes about them, and takes --model and
// --normalize, which change that.
func TestAssumptionsAreSaidAndChanged(t *testing.T) {
	t.Parallel()
	p := offline(t)
	file, folder := undescribed(t, p), small(t)
	writeFile(t, p.path("photo.png"), encodePNG(t, painted(image.NewRGBA(image.Rect(0, 0, 32, 32)))))
	assumed := []string{
		"Note: the file does not say how images are prepared; assuming 32×32 pixels, normalised as imagenet (mean [0.485 0.456 0.406], std [0.229 0.224 0.225]); --normalize changes that\n",
		"plain8-w2 (no shortcuts), resnet8-w2-pad-end (shortcuts with all zeros behind the channels), resnet8-w2-pool (a max pool in the stem); assuming resnet8-w2; --model chooses another",
		"weights w.safetensors --data LABELLED tries them\n",
	}
	chosen := []string{"--model", "plain8-w2", "--normalize", "half"}
	for _, args := range [][]string{
		{"eval", "--weights", file, "--data", folder},
		{"predict", "photo.png", "--weights", file},
		{"export", "--weights", file, "--force", "--out", "out.safetensors"},
		{"finetune", "--weights", file, "--data", folder, "--batch", "16", "--epochs", "1", "--lr", "1e-12"},
	} {
		r := p.run(args...)
		if r.code != 0 {
			t.Fatalf("%v: exit code %d:\n%s", args, r.code, r.stderr)
		}
		has(t, r.stderr, assumed...)
		if r = p.run(append(slices.Clone(args), chosen...)...); r.code != 0 {
			t.Fatalf("%v with flags: exit code %d:\n%s", args, r.code, r.stderr)
		}
		for _, word := range []string{"normalised as", "assuming resnet8-w2"} {
			if strings.Contains(r.stderr, word) {
				t.Errorf("%v with flags: the note has %q:\n%s", args, word, r.stderr)
			}
		}
		for _, wrong := range []struct {
			flags, want []string
		}{
			{[]string{"--normalize", "cifar"}, []string{"--normalize: unknown normalization cifar; want imagenet, cifar10, half, none, or means"}},
			{[]string{"--normalize", "0.5,0.5,0.5/0.5,0,0.5"}, []string{"--normalize", "standard deviations [0.5 0 0.5]"}},
			{[]string{"--model", "resnet20"}, []string{"does not match resnet20"}},
			{[]string{"--model", "resnet21"}, []string{`unknown model "resnet21"`}},
		} {
			p.fails(wrong.want, append(slices.Clone(args), wrong.flags...)...)
		}
	}
	p.fails([]string{"--normalize"}, "serve", "--weights", file, "--normalize", "x")
	p.fails([]string{"does not match plain20"}, "serve", "--weights", file, "--model", "plain20")

	// What was exported and trained keeps the network and the normalisation, and is not assumed.
	got := decode[described](t, p.ok("weights", "out.safetensors", "--json"))
	if got.Architecture.Name != "plain8-w2" || !got.Architecture.Plain || got.Normalization != dataset.HalfNormalization() || len(got.Notes) != 0 || len(got.SHA256) != 64 {
		t.Errorf("the exported file is %+v", got)
	}
	run := filepath.Join("runs", "plain8-w2-finetune-1")
	if r := p.recipeOf(run); r.Model.Name != "plain8-w2" || !r.Model.Plain || r.Normalization != dataset.HalfNormalization() {
		t.Errorf("the recipe is %+v", r)
	}
	for _, args := range [][]string{{"eval", "--weights", "out.safetensors", "--data", folder}, {"predict", "photo.png", "--run", run}} {
		if r := p.run(args...); r.code != 0 || strings.Contains(r.stderr, "Note") {
			t.Errorf("%v: exit code %d, stderr:\n%s", args, r.code, r.stderr)
		}
	}
	onnx := p.path("out.onnx")
	has(t, p.ok("export", "--weights", file, "--out", onnx, "--model", "resnet8-w2-pad-end", "--normalize", "0.1,0.2,0.3/0.4,0.5,0.6"), "(pixels/255 - [0.1, 0.2, 0.3]) / [0.4, 0.5, 0.6]", "resnet8-w2-pad-end")
}

// weights --data tries the networks that weights fit, and the usual normalisations.
func TestWeightsAreTried(t *testing.T) {
	t.Parallel()
	p := offline(t)
	file, folder := undescribed(t, p), small(t)
	got := decode[described](t, p.ok("weights", file, "--data", folder, "--json"))
	names := map[string]int{}
	for _, trial := range got.Trials {
		names[trial.Model]++
		if trial.Total != 16 {
			t.Errorf("%+v, want all 16 test images", trial)
		}
	}
	if len(names) != 6 || names["plain8-w2"] != 6 || names["resnet8-w2-pad-end-pool"] != 6 {
		t.Errorf("tried %v", names)
	}
	out := p.ok("weights", file, "--data", folder, "--model", "plain8-w2")
	has(t, out, "network", "plain8-w2", "half", "of 16", "6 combinations were tried", "Best: plain8-w2 with", "used by default")
	if strings.Contains(out, "resnet8-w2-pad-end") {
		t.Errorf("with --model, others were tried:\n%s", out)
	}
	if got := decode[described](t, p.ok("weights", file, "--data", folder, "--model", "plain8-w2", "--normalize", "none", "--json")); len(got.Trials) != 1 || got.Trials[0].Normalization != "none" {
		t.Errorf("with both flags: %+v", got.Trials)
	}
}

// The names of A. Martyn's networks come with checksum and licence.
func TestPlainNetworksHaveNames(t *testing.T) {
	t.Parallel()
	p := offline(t)
	has(t, p.ok("weights"), "plain20.cifar10", "plain56.cifar10", "resnet20.martyn_cifar10", "resnet56.martyn_cifar10", "1d7483c8", "BSD-3-Clause, https://github.com/a-martyn/resnet")
	p.fails([]string{closed + "/plainnet56.pt", "by hand: put martyn-plainnet56-1d7483c8.pt into"}, "weights", "plain56.cifar10")
	p.fails([]string{"are called plain56.cifar10"}, "eval", "--weights", "plain56")
	has(t, p.ok("summary", "--model", "resnet20-pad-end"), "resnet20-pad-end")
	has(t, p.ok("summary"), "resnet50-v1", "resnet18-cifar-pool", "resnet56-pad-end", "plain110")

	// A file that was put there by hand has to be the right one.
	writeFile(t, p.path("cache", "weights", "martyn-plainnet56-1d7483c8.pt"), []byte("not those"))
	p.fails([]string{"want 1d7483c8dc8f"}, "weights", "plain56.cifar10")
}

// Networks of several authors give PyTorch's counts, if they are told what they are.
func TestVariantsOfRealNetworks(t *testing.T) {
	t.Parallel()
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with weights/ and cifar10-exact/")
	}
	data, err := filepath.Abs(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, "weights", "a-martyn")); err != nil {
		t.Skip(err)
	}
	p := offline(t)
	const cifar = "0.4914,0.4822,0.4465/0.2023,0.1994,0.2010"
	for _, test := range []struct {
		file, model, normalize, want string
	}{
		{"a-martyn/plainnet20.pt", "plain20", "imagenet", "458 of 500"},
		{"a-martyn/plainnet56.pt", "plain56", cifar, "436 of 500"},
		{"a-martyn/resnet20.pt", "resnet20-pad-end", cifar, "463 of 500"},
		{"a-martyn/resnet56.pt", "resnet56-pad-end", cifar, "461 of 500"},
		{"others/distiller-resnet20.pth.tar", "", "half", "458 of 500"},
		{"others/distiller-resnet20.pth.tar", "", "imagenet", "357 of 500"},
		{"others/kuangliu-key-net.t7", "", "imagenet", "302 of 500"},
		{"others/ehanw-resnet20.pth", "", "", "452 of 500"},
	} {
		args := []string{"eval", "--weights", filepath.Join(data, "weights", test.file), "--data", filepath.Join(data, "cifar10-exact")}
		if test.model != "" {
			args = append(args, "--model", test.model)
		}
		if test.normalize != "" {
			args = append(args, "--normalize", test.normalize)
		}
		has(t, p.ok(args...), test.want)
	}
	for _, test := range []struct{ name, file, sum, model, want string }{
		{"plain20.cifar10", "plainnet20", "0f77669a", "plain20", "462 of 500"},
		{"plain56.cifar10", "plainnet56", "1d7483c8", "plain56", "440 of 500"},
		{"resnet20.martyn_cifar10", "resnet20", "690e7b76", "resnet20-pad-end", "466 of 500"},
		{"resnet56.martyn_cifar10", "resnet56", "2d3b6e68", "resnet56-pad-end", "462 of 500"},
	} {
		content, err := os.ReadFile(filepath.Join(data, "weights", "a-martyn", test.file+".pt"))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, p.path("cache", "weights", "martyn-"+test.file+"-"+test.sum+".pt"), content)
		got := decode[described](t, p.ok("weights", test.name, "--json"))
		if got.Architecture.Name != test.model || !strings.HasPrefix(got.Licence, "BSD-3-Clause") || slices.ContainsFunc(got.Notes, func(note string) bool { return strings.Contains(note, "assuming") }) {
			t.Errorf("%s: %+v", test.name, got)
		}
		has(t, p.ok("eval", "--weights", test.name, "--data", filepath.Join(data, "cifar10-exact")), test.want)
	}

	// The trials find out what the files do not say.
	for file, want := range map[string]struct{ model, normalization string }{
		filepath.Join(data, "weights", "a-martyn", "plainnet20.pt"):            {"plain20", ""},
		filepath.Join(data, "weights", "a-martyn", "resnet20.pt"):              {"resnet20-pad-end", ""},
		filepath.Join(data, "weights", "resnet20-12fca82f.th"):                 {"resnet20", ""},
		filepath.Join(data, "weights", "others", "distiller-resnet20.pth.tar"): {"", "half"},
		filepath.Join(filepath.Dir(data), "cases", "resnet20-mean-half.pth"):   {"resnet20", "half"},
	} {
		if _, err := os.Stat(file); err != nil {
			continue
		}
		got := decode[described](t, p.ok("weights", file, "--data", filepath.Join(data, "cifar10-exact"), "--json"))
		best := got.Trials[0]
		if want.model != "" && best.Model != want.model || want.normalization != "" && best.Normalization != want.normalization {
			t.Errorf("%s: the best is %+v, want %+v", file, best, want)
		}
	}
}
