package e2e

import (
	"image"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// under returns the tensors with prefix before their names.
func under(prefix string, tensors map[string]statedict.Tensor) map[string]statedict.Tensor {
	renamed := map[string]statedict.Tensor{}
	for name, tensor := range tensors {
		renamed[prefix+name] = tensor
	}
	return renamed
}

// Two sets of weights in one file, told apart by the prefixes of their names.
func TestKeyChoosesByPrefix(t *testing.T) {
	t.Parallel()
	p := offline(t)
	c, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	c.Classes = 2
	both := under("encoder_q.", ones(c))
	c.Classes = 3
	for name, tensor := range under("encoder_k.", ones(c)) {
		both[name] = tensor
	}
	if err := (&statedict.Dict{Tensors: both}).Save(p.path("two.safetensors")); err != nil {
		t.Fatal(err)
	}
	p.fails([]string{"two.safetensors", "encoder_k", "encoder_q", "--key"}, "weights", "two.safetensors")
	has(t, p.ok("weights", "two.safetensors", "--key", "encoder_q"), "2: class 0, class 1")
	has(t, p.ok("weights", "two.safetensors", "--key", "encoder_k"), "3: class 0, class 1, class 2")
	p.fails([]string{"begin with teacher."}, "weights", "two.safetensors", "--key", "teacher")
}

// Files that PyTorch wrote, of small networks, with several sets of weights or with much
// beside them; tests/reference/weight_cases.py writes them, and the classes tell which set
// was read.
func TestKeysOfPyTorch(t *testing.T) {
	t.Parallel()
	p := offline(t)
	cases, err := filepath.Abs(filepath.Join("..", "weights", "testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file, key string
		classes   int
		want      []string
	}{
		{"ema-model", "", 3, []string{"found under model_ema", "other weights under model,", "averaged weights (EMA) first", "--key model"}},
		{"ema-model", "model", 2, nil},
		{"ema-model", "model_ema", 3, nil},
		{"ema-state", "", 3, []string{"found under state_dict_ema", "--key state_dict"}},
		{"ema-module", "", 3, []string{"found under ema.module", "--key net"}},
		{"ema-module", "ema", 3, nil},
		{"ema-alone", "", 3, []string{"found under model_ema.state_dict"}},
		{"net", "", 2, []string{"found under net"}},
		{"extras", "", 2, []string{"found under model_state", "nothing in them was run", "argparse.Namespace", "pathlib.PurePosixPath", "datetime.datetime", "torch.optim.sgd.SGD"}},
	} {
		args := []string{"weights", filepath.Join(cases, test.file+".pth"), "--json"}
		if test.key != "" {
			args = append(args, "--key", test.key)
		}
		got := decode[struct {
			Classes []string
			Notes   []string
		}](t, p.ok(args...))
		if len(got.Classes) != test.classes {
			t.Errorf("%s, key %q: %d classes, want %d", test.file, test.key, len(got.Classes), test.classes)
		}
		has(t, strings.Join(got.Notes, "\n"), test.want...)
	}
	p.fails([]string{"several sets of weights", "student", "teacher", "--key"}, "weights", filepath.Join(cases, "teacher.pth"))
	p.fails([]string{"no weights under nothing", "model_ema"}, "weights", filepath.Join(cases, "ema-model.pth"), "--key", "nothing")

	// Every command says so, and takes the key.
	folder := small(t)
	file := filepath.Join(cases, "ema-model.pth")
	photo := p.path("photo.png")
	writeFile(t, photo, encodePNG(t, painted(image.NewRGBA(image.Rect(0, 0, 32, 32)))))
	for _, args := range [][]string{
		{"predict", photo, "--weights", file},
		{"export", "--weights", file, "--out", "out.safetensors"},
		{"finetune", "--weights", file, "--data", folder, "--batch", "16", "--epochs", "1", "--run", "run"},
	} {
		r := p.run(args...)
		if r.code != 0 {
			t.Errorf("%v: exit code %d:\n%s", args, r.code, r.stderr)
		}
		has(t, r.stderr, "Note: the weights were found under model_ema", "Note: the other weights: --key model\n")
		if args[0] == "export" {
			out := p.ok(append(slices.Clone(args), "--key", "model", "--out", "other.safetensors")...)
			has(t, out, "for 2 classes")
		}
	}
	if _, err := os.Stat(p.path("other.safetensors")); err != nil {
		t.Error(err)
	}
}

// A head of several layers, or one that cannot be read, is described and replaced.
func TestHeadsOfSeveralLayers(t *testing.T) {
	t.Parallel()
	p := offline(t)
	c, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	c.Classes = 10
	tensors := ones(c)
	weight, bias := tensors["fc.weight"], tensors["fc.bias"]
	save := func(name string, more map[string]statedict.Tensor) {
		delete(tensors, "fc.weight")
		delete(tensors, "fc.bias")
		whole := maps.Clone(tensors)
		maps.Copy(whole, more)
		if err := (&statedict.Dict{Tensors: whole}).Save(p.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	// A linear layer behind a dropout is the usual head.
	save("dropout.safetensors", map[string]statedict.Tensor{"fc.1.weight": weight, "fc.1.bias": bias})
	has(t, p.ok("weights", "dropout.safetensors"), "fc.1 renamed to fc, 2 names", "37 tensors loaded", "lesson predict")
	writeFile(t, p.path("photo.png"), encodePNG(t, painted(image.NewRGBA(image.Rect(0, 0, 32, 32)))))
	has(t, p.ok("predict", "photo.png", "--weights", "dropout.safetensors"), "airplane")

	hidden := statedict.Tensor{Shape: []int{8, 8}, Data: make([]float32, 64)}
	save("two.safetensors", map[string]statedict.Tensor{
		"fc.0.weight": hidden, "fc.0.bias": {Shape: []int{8}, Data: make([]float32, 8)}, "fc.3.weight": weight, "fc.3.bias": bias})
	what := "the linear layer fc.0 (8 → 8), the linear layer fc.3 (8 → 10)"
	out := p.ok("weights", "two.safetensors")
	has(t, out, what, "35 tensors loaded", "missing fc.bias, fc.weight", "finetune replaces it", "lesson finetune --weights two.safetensors")
	p.fails([]string{"two.safetensors", "not a single linear layer but " + what, "finetune"}, "predict", "photo.png", "--weights", "two.safetensors")
	p.fails([]string{what}, "eval", "--weights", "two.safetensors", "--data", small(t))
	quantized, err := filepath.Abs(filepath.Join("..", "weights", "testdata", "cases", "quantized.pth"))
	if err != nil {
		t.Fatal(err)
	}
	has(t, p.ok("weights", quantized), "fc, which is quantized", "finetune replaces it")
	for _, file := range []string{"two.safetensors", quantized} {
		r := p.run("finetune", "--weights", file, "--data", small(t), "--recipe", "head", "--lr", "1e-9", "--batch", "16", "--epochs", "1", "--run", filepath.Base(file)+"-run")
		if r.code != 0 {
			t.Errorf("finetune of %s: %s", file, r.stderr)
			continue
		}
		has(t, r.stdout, "35 tensors loaded; the 2 of the head are new")
		has(t, r.stderr, "the head is not a single linear layer")
	}
}

// Trained networks of other programs, under keys and names of their own, give PyTorch's counts.
func TestTrainedWeightsOfOthers(t *testing.T) {
	t.Parallel()
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with weights/ and cifar10-exact/")
	}
	data, err := filepath.Abs(data)
	if err != nil {
		t.Fatal(err)
	}
	p := offline(t)
	for _, test := range []struct {
		file string
		args []string
		want string
	}{
		{"others/kuangliu-key-net.t7", nil, "302 of 500"},
		{"others/ehanw-resnet20.pth", nil, "452 of 500"},
		{"others/distiller-resnet20.pth.tar", []string{"--normalize", "half"}, "458 of 500"},
		{"a-martyn/plainnet20.pt", []string{"--model", "plain20"}, "458 of 500"},
	} {
		args := append([]string{"eval", "--weights", filepath.Join(data, "weights", filepath.FromSlash(test.file)), "--data", filepath.Join(data, "cifar10-exact")}, test.args...)
		has(t, p.ok(args...), test.want)
	}
}
