package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// offline returns a place whose download servers do not answer.
func offline(t *testing.T) *place {
	p := newPlace(t)
	p.set("RESIDUAL_CACHE", p.path("cache"))
	p.set("RESIDUAL_TORCHVISION_URL", closed)
	p.set("RESIDUAL_IDELBAYEV_URL", closed)
	p.set("RESIDUAL_MARTYN_URL", closed)
	p.set("HF_ENDPOINT", closed)
	return p
}

func TestWeightsList(t *testing.T) {
	t.Parallel()
	p := offline(t)
	has(t, p.ok("weights"), "resnet18.tv_in1k", "resnet50.tv2_in1k", "resnet50.a1_in1k", "no", "Try next:", "https://huggingface.co/timm")
	writeFile(t, p.path("cache", "weights", "resnet18-f37072fd.pth"), []byte("not those"))
	has(t, p.ok("weights"), p.path("cache", "weights", "resnet18-f37072fd.pth"))
	list := decode[[]hub.Entry](t, p.ok("weights", "--json"))
	if len(list) < 20 || !list[0].Cached || list[1].Cached || list[1].URL != closed+"/resnet34-b627a593.pth" {
		t.Errorf("the list begins with %+v", list[:2])
	}
	for spec, want := range map[string][]string{
		"resnet18":          {"resnet18-f37072fd.pth", "want f37072fd", "remove it and fetch again"},
		"resnet34":          {closed + "/resnet34-b627a593.pth", "by hand", p.path("cache", "weights")},
		"resnet50.a1_in1k":  {closed + "/timm/resnet50.a1_in1k/resolve/main/model.safetensors", "by hand", p.path("cache", "weights", "timm", "resnet50.a1_in1k")},
		"resnet50d.a1_in1k": {"its stem has several convolutions"},
		"https://x.org/w":   {"#sha256="},
		"none.pth":          {"none.pth"},
		"a b":               {`unexpected argument "b"`, "lesson weights --help"},
	} {
		if r := p.fails(want, append([]string{"weights"}, strings.Fields(spec)...)...); r.stdout != "" {
			t.Errorf("lesson weights %s: want nothing on stdout, got:\n%s", spec, r.stdout)
		}
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	p := offline(t)
	c, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	c.Classes = 2
	accuracy := 0.5
	m := &weights.Model{Config: c, Tensors: ones(c), Description: weights.Description{
		Transform:     picture.Transform{Resize: 40, Height: 32, Width: 36, Filter: picture.Bicubic},
		Normalization: dataset.Normalization{Std: [3]float32{1, 1, 1}}, Classes: []string{"ant", "bee"}, Recipe: "fast", Data: "insects", Accuracy: &accuracy,
	}}
	if err := m.Save(p.path("m.safetensors")); err != nil {
		t.Fatal(err)
	}
	has(t, p.ok("weights", "m.safetensors"), "safetensors", "resnet8-w2", "2: ant, bee", "shorter side to 40 pixels (bicubic), central crop of 32×36",
		"insects", "fast", "50.00%", "37 tensors loaded", "lesson predict --weights m.safetensors IMAGE")
	got := decode[struct {
		Format       string
		Architecture struct{ Name string }
		Parameters   int
		Classes      []string
		Report       statedict.Comparison
		Notes        []string
	}](t, p.ok("weights", "m.safetensors", "--json"))
	if got.Format != "safetensors" || got.Architecture.Name != c.Name || got.Parameters == 0 || len(got.Classes) != 2 ||
		len(got.Report.Loaded) != len(m.Tensors) || len(got.Notes) != 0 {
		t.Errorf("weights --json gives %+v", got)
	}
	if r := p.fails([]string{"no test images", "insects", "--data"}, "eval", "--weights", "m.safetensors"); r.stdout != "" {
		t.Errorf("eval without images printed:\n%s", r.stdout)
	}
	p.fails([]string{"m.safetensors", "does not match resnet20"}, "weights", "m.safetensors", "--model", "resnet20")

	// Weights without a head.
	delete(m.Tensors, "fc.weight")
	if err := (&statedict.Dict{Tensors: m.Tensors}).Save(p.path("headless.safetensors")); err != nil {
		t.Fatal(err)
	}
	p.fails([]string{"headless.safetensors", "without a head"}, "weights", "headless.safetensors")
}

// ones returns weights of 1 for a residual network with shortcuts of option A.
func ones(c resnet.Config) map[string]statedict.Tensor {
	tensors := map[string]statedict.Tensor{}
	add := func(name string, shape ...int) {
		size := 1
		for _, dim := range shape {
			size *= dim
		}
		tensor := statedict.Tensor{Shape: shape, Data: make([]float32, size)}
		for i := range tensor.Data {
			tensor.Data[i] = 1
		}
		tensors[name] = tensor
	}
	norm := func(name string, channels int) {
		for _, of := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
			add(name+of, channels)
		}
	}
	add("conv1.weight", c.Width, 3, 3, 3)
	norm("bn1", c.Width)
	in := c.Width
	for stage, name := range []string{"layer1.0", "layer2.0", "layer3.0"} {
		out := c.Width << stage
		add(name+".conv1.weight", out, in, 3, 3)
		norm(name+".bn1", out)
		add(name+".conv2.weight", out, out, 3, 3)
		norm(name+".bn2", out)
		in = out
	}
	add("fc.weight", c.Classes, in)
	add("fc.bias", c.Classes)
	return tensors
}

// Evaluate a network that was trained in PyTorch on real images.
func TestTrainedWeights(t *testing.T) {
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
	network := filepath.Join(data, "weights", "resnet20-12fca82f.th")
	has(t, p.ok("weights", network), "PyTorch pickle", "resnet20, 269722 parameters", "10: airplane", "97 tensors loaded", "prefix module. removed")
	has(t, p.ok("eval", "--weights", network, "--data", filepath.Join(data, "cifar10-exact")), "top-1: 91.00% (455 of 500)")
}
