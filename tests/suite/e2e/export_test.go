package e2e

import (
	"bytes"
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/statedict"
)

type exportedFile struct {
	File, Format, Architecture string
	Folded                     bool
	Bytes                      int64
	Classes                    int
	Accuracy                   *float64
}

func TestExportSafetensors(t *testing.T) {
	t.Parallel()
	p := trained(t)
	out := p.ok("export", "--run", "runs/tiny", "--out", "w.safetensors")
	has(t, out, "resnet8-w2 for 10 classes, trained on images in small (CIFAR-10 layout), test accuracy ", "MB",
		`load_state_dict(safetensors.torch.load_file("w.safetensors"), strict=True)`, "shorter side to 32 pixels (bilinear), crop the central 32×32", "mean [0.5, 0.5, 0.5]", "standard deviation [0.25, 0.25, 0.25]",
		"Wrote:\n  w.safetensors", "Try next:", "export --run runs/tiny --out w.onnx")
	has(t, p.ok("export", "--weights", "runs/tiny", "--out", "again.safetensors"), "test accuracy ", "export --weights runs/tiny --out again.onnx")

	// The file gives the same results as the run.
	writeFile(t, p.path("x.png"), encodePNG(t, painted(image.NewRGBA(image.Rect(0, 0, 40, 32)))))
	for _, command := range [][]string{{"eval", "--json", "--data", small(t)}, {"predict", "--json", "x.png"}} {
		run := p.ok(append(command, "--run", "runs/tiny")...)
		file := p.ok(append(command, "--weights", "w.safetensors")...)
		if run != file {
			t.Errorf("lesson %s with the exported weights:\n%s\nwith the run:\n%s", command[0], file, run)
		}
	}
	file, err := statedict.Load(p.path("w.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := file.Tensors["conv1.weight"]; !ok {
		t.Error("the file has no conv1.weight")
	}
	for name := range file.Tensors {
		if strings.HasPrefix(name, "optimizer.") {
			t.Errorf("the file has %s, want only the weights of the network", name)
		}
	}
}

func TestExportONNX(t *testing.T) {
	t.Parallel()
	p := trained(t)
	has(t, p.ok("export", "--run", "runs/tiny", "--out", "w.onnx"), "resnet8-w2 for 10 classes", `onnxruntime.InferenceSession("w.onnx"`,
		"pixels: numpy.uint8 [batch, 32, 32, 3]", "(pixels/255 - [0.5, 0.5, 0.5]) / [0.25, 0.25, 0.25]", "Wrote:\n  w.onnx", "eval --run runs/tiny")
	whole := checkExported(t, p, p.ok("export", "--run", "runs/tiny", "--out", "w.onnx", "--force", "--json"), "w.onnx", false)
	// --format overrides the extension. Folded, from the last checkpoint of the run.
	folded := checkExported(t, p, p.ok("export", "--weights", p.newestCheckpoint("runs/tiny"), "--out", "w", "--format", "onnx", "--fold", "--json"), "w", true)
	if len(folded) >= len(whole) {
		t.Errorf("the folded model has %d bytes, the whole one %d", len(folded), len(whole))
	}
	// The accuracy is that of the last epoch.
	lines := p.metrics("runs/tiny")
	accuracy, err := json.Marshal(lines[len(lines)-1]["test_top1"])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(whole, append([]byte("accuracy\x12"), append([]byte{byte(len(accuracy))}, accuracy...)...)) {
		t.Errorf("the model does not have the accuracy %s", accuracy)
	}
	// The exported weights give the same model as the run.
	p.ok("export", "--run", "runs/tiny", "--out", "w.safetensors")
	again := checkExported(t, p, p.ok("export", "--weights", "w.safetensors", "--out", "again.onnx", "--json"), "again.onnx", false)
	if !bytes.Equal(again, whole) {
		t.Error("the model from the exported weights differs from that of the run")
	}
}

// checkExported checks the JSON that export printed about a file and returns the content of the
// file.
func checkExported(t *testing.T, p *place, text, name string, folded bool) []byte {
	t.Helper()
	content, err := os.ReadFile(p.path(name))
	if err != nil {
		t.Fatal(err)
	}
	got := decode[exportedFile](t, text)
	if got.File != name || got.Format != "onnx" || got.Folded != folded || got.Bytes != int64(len(content)) || got.Architecture != "resnet8-w2" || got.Classes != 10 {
		t.Errorf("export --json gives %+v, want %s of %d bytes", got, name, len(content))
	}
	return content
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	p := trained(t)
	writeFile(t, p.path("there.onnx"), []byte("mine"))
	writeFile(t, p.path("folder.onnx", "file"), nil)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--out", "there.onnx"}, []string{"there.onnx already exists", "--force"}},
		{[]string{"--out", "folder.onnx", "--force"}, []string{"folder.onnx is a folder"}},
		{[]string{"--out", "nowhere/w.onnx"}, []string{"folder nowhere does not exist"}},
		{[]string{"--out", "there.onnx/w.onnx"}, []string{"folder there.onnx does not exist"}},
		{[]string{"--out", "w.pth"}, []string{"w.pth", ".safetensors", ".onnx", "--format"}},
		{[]string{"--out", "w"}, []string{"--format"}},
		{[]string{"--out", "w.onnx", "--format", "tflite"}, []string{`"tflite"`, "safetensors", "onnx"}},
		{[]string{"--out", "w.safetensors", "--fold"}, []string{"--fold", "ONNX"}},
		{nil, []string{"--out"}},
	} {
		if r := p.fails(test.want, append([]string{"export", "--run", "runs/tiny"}, test.args...)...); r.stdout != "" {
			t.Errorf("lesson export %q: want nothing on stdout, got:\n%s", test.args, r.stdout)
		}
	}
	p.fails([]string{"--run", "--weights"}, "export", "--out", "w.onnx")
	p.fails([]string{"nowhere"}, "export", "--run", "nowhere", "--out", "w.onnx")
	if content, err := os.ReadFile(p.path("there.onnx")); err != nil || string(content) != "mine" {
		t.Errorf("the existing file is now %q (%v)", content, err)
	}
	if left, err := filepath.Glob(p.path("*w*")); err != nil || len(left) > 0 {
		t.Errorf("%q were left behind (%v)", left, err)
	}
	p.ok("export", "--run", "runs/tiny", "--out", "there.onnx", "--force")
}
