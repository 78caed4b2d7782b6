package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type evaluation struct {
	Data, Split    string
	Correct, Total int
	Loss           *float64
	Top1, Top5     float64
	Confusion      [][]int
}

func TestEval(t *testing.T) {
	t.Parallel()
	p := trained(t)
	out := p.ok("eval", "--run", "runs/tiny")
	has(t, out, "resnet8-w2, trained on images in small (CIFAR-10 layout), evaluated on 16 test images", "airplane", "Wrote:", "confusion.png", "Try next:")
	if !accuracyLine.MatchString(out) {
		t.Errorf("no line of the form Test Accuracy: 83.99%% in:\n%s", out)
	}
	checkFigures(t, p.path("runs", "tiny", "figures"), "data: images in small (CIFAR-10 layout)", "confusion")

	text := p.ok("eval", "--weights", p.newestCheckpoint("runs/tiny"), "--json")
	for _, key := range []string{`"correct"`, `"total"`, `"loss"`, `"top1"`, `"top5"`} {
		has(t, text, key)
	}
	got := decode[evaluation](t, text)
	if got.Total != 16 || got.Loss == nil || *got.Loss <= 0 || got.Top1 != float64(got.Correct)/16 || got.Top5 < got.Top1 || got.Top5 > 1 {
		t.Errorf("eval --json does not add up: %s", text)
	}
	// The run tested its last weights with the same result.
	lines := p.metrics("runs/tiny")
	if want := lines[len(lines)-1]["test_top1"]; got.Top1 != want {
		t.Errorf("eval: top-1 %v, want the run's %v", got.Top1, want)
	}
	has(t, p.ok("eval", "--weights", "runs/tiny"), "on 16 test images", "predict --weights runs/tiny")
	has(t, p.ok("weights", "runs/tiny"), filepath.Base(p.newestCheckpoint("runs/tiny")), "resnet8-w2")
	half := decode[evaluation](t, p.ok("eval", "--run", "runs/tiny", "--subset", "5", "--batch", "3", "--json"))
	if half.Total != 5 {
		t.Errorf("eval --subset 5 evaluates %d images", half.Total)
	}
	p.fails([]string{"batch size 0", "at least 1"}, "eval", "--run", "runs/tiny", "--batch", "0")
}

func TestEvalOtherClasses(t *testing.T) {
	t.Parallel()
	p := trained(t)
	record := make([]byte, 2+3072)
	writeFile(t, p.path("hundred", "train.bin"), record)
	writeFile(t, p.path("hundred", "test.bin"), record)
	var names strings.Builder
	for i := range 100 {
		fmt.Fprintf(&names, "class %d\n", i)
	}
	writeFile(t, p.path("hundred", "fine_label_names.txt"), []byte(names.String()))
	p.fails([]string{"different classes", "10"}, "eval", "--run", "runs/tiny", "--data", "hundred")
}

func TestDamagedWeights(t *testing.T) {
	t.Parallel()
	p := trained(t)
	whole, err := os.ReadFile(p.newestCheckpoint("runs/tiny"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-10] ^= 1
	writeFile(t, p.path("picture.png"), encodePNG(t, image.NewGray(image.Rect(0, 0, 8, 8))))
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"flipped.safetensors":   {flipped, "damaged"},
		"truncated.safetensors": {whole[:len(whole)/2], "cut short"},
		"header.safetensors":    {whole[:20], "cut short"},
		"empty.safetensors":     {nil, "the file is empty"},
		"text.safetensors":      {[]byte("these are no weights"), "not a file of weights"},
	} {
		writeFile(t, p.path(name), test.content)
		for _, command := range [][]string{{"eval"}, {"predict", "picture.png"}} {
			if r := p.fails([]string{name, test.want}, append(command, "--weights", name)...); r.stdout != "" {
				t.Errorf("lesson %s with %s: want nothing on stdout, got:\n%s", command[0], name, r.stdout)
			}
		}
	}
	p.fails([]string{"missing.safetensors", "no such file"}, "eval", "--weights", "missing.safetensors")

	// If the newest checkpoint is damaged, the one before is used, with a note.
	paths, err := filepath.Glob(p.path("runs", "tiny", "checkpoints", "*"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("the run has the checkpoints %q (%v), want 2", paths, err)
	}
	writeFile(t, paths[1], flipped)
	r := p.run("eval", "--run", "runs/tiny")
	if r.code != 0 {
		t.Errorf("eval with one whole checkpoint left: exit code %d, stderr:\n%s", r.code, r.stderr)
	}
	has(t, r.stderr, "skipping a checkpoint", filepath.Base(paths[1]))
	writeFile(t, paths[0], flipped[:100])
	if r := p.run("eval", "--run", "runs/tiny"); r.code == 0 || !strings.Contains(r.stderr, "all 2 checkpoints") {
		t.Errorf("eval without a whole checkpoint: exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}

func encodePNG(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, picture); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// painted fills the image with gradients of colour and opacity.
func painted(picture interface {
	image.Image
	Set(x, y int, c color.Color)
}) image.Image {
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			picture.Set(x, y, color.NRGBA64{uint16(x * 997), uint16(y * 1999), 40_000, uint16(65_535 - 100*x)})
		}
	}
	return picture
}

func TestPredict(t *testing.T) {
	t.Parallel()
	p := trained(t)
	size := func(w, h int) image.Rectangle { return image.Rect(0, 0, w, h) }
	var names []string
	for name, picture := range map[string]image.Image{
		"dot.png":    painted(image.NewRGBA(size(1, 1))),
		"wide.png":   painted(image.NewRGBA(size(1000, 3))),
		"tall.png":   painted(image.NewRGBA(size(3, 1000))),
		"right.png":  painted(image.NewRGBA(size(32, 32))),
		"grey.png":   painted(image.NewGray(size(50, 40))),
		"alpha.png":  painted(image.NewNRGBA(size(40, 50))),
		"deep.png":   painted(image.NewNRGBA64(size(33, 31))),
		"grey16.png": painted(image.NewGray16(size(20, 20))),
	} {
		writeFile(t, p.path(name), encodePNG(t, picture))
		names = append(names, name)
	}
	for name, picture := range map[string]image.Image{
		"dot.jpg":    painted(image.NewRGBA(size(1, 1))),
		"wide.jpeg":  painted(image.NewRGBA(size(1000, 3))),
		"colour.jpg": painted(image.NewRGBA(size(65, 47))),
		"grey.jpg":   painted(image.NewGray(size(50, 40))),
	} {
		var buffer bytes.Buffer
		if err := jpeg.Encode(&buffer, picture, nil); err != nil {
			t.Fatal(err)
		}
		writeFile(t, p.path(name), buffer.Bytes())
		names = append(names, name)
	}

	type prediction struct {
		Image   string
		Guesses []struct {
			Class       string
			Probability float64
		}
	}
	got := decode[[]prediction](t, p.ok(append([]string{"predict", "--run", "runs/tiny", "--json"}, names...)...))
	if len(got) != len(names) {
		t.Fatalf("%d predictions for %d images", len(got), len(names))
	}
	for i, prediction := range got {
		if prediction.Image != names[i] || len(prediction.Guesses) != 5 {
			t.Errorf("prediction %d is %+v, want 5 guesses for %s", i, prediction, names[i])
		}
		sum, seen := 0.0, map[string]bool{}
		for j, guess := range prediction.Guesses {
			if guess.Probability < 0 || j > 0 && guess.Probability > prediction.Guesses[j-1].Probability || seen[guess.Class] {
				t.Errorf("%s: guesses %+v, want different classes with falling probabilities", prediction.Image, prediction.Guesses)
			}
			seen[guess.Class] = true
			sum += guess.Probability
		}
		if sum > 1+1e-9 || sum < 0.5 {
			t.Errorf("%s: five of ten probabilities add up to %g, want 0.5 to 1", prediction.Image, sum)
		}
	}
	out := p.ok("predict", "--run", "runs/tiny", "right.png")
	has(t, out, "right.png\n", "%  ", "Predicted by resnet8-w2, trained on images in small (CIFAR-10 layout). It knows 10 classes", "Try next:", "eval --run runs/tiny")
}

func TestPredictDamagedImages(t *testing.T) {
	t.Parallel()
	p := trained(t)
	whole := encodePNG(t, painted(image.NewRGBA(image.Rect(0, 0, 60, 60))))
	writeFile(t, p.path("whole.png"), whole)
	writeFile(t, p.path("half.png"), whole[:len(whole)/2])
	writeFile(t, p.path("text.png"), []byte("not an image at all"))
	writeFile(t, p.path("empty.jpg"), nil)
	// A good file before the bad one does not hide the error.
	p.fails([]string{"half.png", "damaged"}, "predict", "--run", "runs/tiny", "whole.png", "half.png")
	p.fails([]string{"text.png", "not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM"}, "predict", "--run", "runs/tiny", "text.png")
	p.fails([]string{"empty.jpg", "not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM"}, "predict", "--run", "runs/tiny", "empty.jpg")
	p.fails([]string{"missing.png", "no such file"}, "predict", "--run", "runs/tiny", "missing.png")
	p.fails([]string{"runs"}, "predict", "--run", "runs/tiny", "runs")
}

func TestPlot(t *testing.T) {
	t.Parallel()
	p := trained(t)
	has(t, p.ok("plot", "runs/tiny"), "  runs/figures/loss.png", "  runs/figures/accuracy.svg", "Try next:", "eval --run runs/tiny")
	checkFigures(t, p.path("runs", "figures"), "resnet8-w2", "loss", "accuracy", "schedule")
	if err := os.CopyFS(p.path("runs", "other"), os.DirFS(p.path("runs", "tiny"))); err != nil {
		t.Fatal(err)
	}
	p.ok("plot", "runs/tiny", "runs/other/", "--figures", "two")
	for _, name := range []string{"tiny", "other"} {
		checkFigures(t, p.path("two"), name, "loss", "accuracy", "schedule")
	}
	checkFigures(t, p.path("two"), "data: images in small (CIFAR-10 layout)", "loss", "accuracy")

	p.begin("runs/fresh", tinyRecipe(t, small(t), 1))
	p.fails([]string{"runs/fresh", "no metrics yet", "train it first"}, "plot", "runs/fresh")
	writeFile(t, p.path("file"), nil)
	p.fails([]string{"file"}, "plot", "runs/tiny", "--figures", "file/figures")
}
