package e2e

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeImages writes a folder of images: three colours with n images each, JPEG and PNG in
// turn.
func writeImages(t *testing.T, dir string, n int) {
	t.Helper()
	for class, c := range map[string]color.RGBA{"red": {200, 40, 40, 255}, "green": {40, 200, 40, 255}, "blue": {40, 40, 200, 255}} {
		for i := range n {
			picture := image.NewRGBA(image.Rect(0, 0, 60+i, 50))
			for j := 0; j < len(picture.Pix); j += 4 {
				shade := byte(j % 97 / 3)
				copy(picture.Pix[j:], []byte{c.R + shade, c.G + shade, c.B + shade, 255})
			}
			path := filepath.Join(dir, class, fmt.Sprintf("%d.jpg", i))
			if i%2 == 1 {
				writeFile(t, path, encodePNG(t, picture))
				continue
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := jpeg.Encode(file, picture, nil); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Train on a folder of images and evaluate on the same ones.
func TestImageFolder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	writeImages(t, p.path("my colours"), 20)
	writeFile(t, p.path("my colours", "red", "broken.png"), []byte("<html>not found</html>"))

	const notice = "Left out of my colours:\n  red/broken.png is an HTML page; download the image that it shows\n"
	damaged := p.fails([]string{"my colours", "1 of the images in my colours cannot be read"}, "data", "verify", "--data", "my colours")
	has(t, damaged.stdout, filepath.FromSlash(notice), "Data: pictures in my colours; 48 training and 12 held-out images")
	if strings.Contains(damaged.stdout, "complete") {
		t.Errorf("all records are complete despite a broken image:\n%s", damaged.stdout)
	}
	asJSON := p.run("data", "verify", "--data", "my colours", "--json")
	if has(t, asJSON.stdout, `"skipped": 1`); asJSON.code == 0 {
		t.Error("data verify --json with a broken image: exit code 0, want an error")
	}
	has(t, p.ok("data", "show", "--data", "my colours", "--subset", "2/class"), "Data: pictures in my colours, first 2 per class; 6 training and 6 held-out images",
		"train --data 'my colours'")
	checkFigures(t, p.path("runs", "figures"), "data: pictures in my colours, first 2 per class", "images")

	r := tinyRecipe(t, p.path("my colours"), 1)
	r.Model.Classes = 3
	p.begin("made", r)
	has(t, p.ok("train", "--run", "made", "--resume"), "red/broken.png", "Data: pictures in my colours; 48 training and 12 held-out images", "held-out accuracy ", "of 12 held-out images (a fifth of each class)\nHeld-out Accuracy: ")
	checkFigures(t, p.path("made", "figures"), "data: pictures in my colours", "loss", "accuracy", "confusion", "guesses")
	has(t, p.ok("export", "--run", "made", "--out", "made.safetensors"), ", held-out accuracy ")
	has(t, p.ok("weights", "made.safetensors"), "% of the held-out images")
	has(t, p.ok("degradation", "--data", "my colours", "--shallow", "8", "--deep", "14", "--width", "2", "--epochs", "1", "--batch", "16"), "train accuracy  held-out accuracy\n")

	evaluated := p.run("eval", "--run", "made", "--json")
	has(t, evaluated.stderr, "red/broken.png", "Data: pictures in my colours; 48 training and 12 held-out images")
	got := decode[evaluation](t, evaluated.stdout)
	lines := p.metrics("made")
	if got.Split != "held-out" || lines[len(lines)-1]["test_split"] != "held-out" || lines[len(lines)-1]["test_images"] != 12.0 {
		t.Errorf("eval on the %q images, and the run's metrics %v; want those of the 12 held-out images", got.Split, lines[len(lines)-1])
	}
	if want := lines[len(lines)-1]["test_top1"]; got.Total != 12 || got.Data != "pictures in my colours" || got.Top1 != want {
		t.Errorf("eval: top-1 %v on %d images of %s, want %v on 12 of pictures in my colours", got.Top1, got.Total, got.Data, want)
	}
	// Given by name, all images are measured, also those that the network was trained on.
	all := p.run("eval", "--run", "made", "--data", "my colours", "--json")
	has(t, all.stderr, "Data: pictures in my colours; all 60 images", "trained on most of these images")
	if got := decode[evaluation](t, all.stdout); got.Total != 60 || got.Split != "all" {
		t.Errorf("eval --data: %d images, split %q; want all 60", got.Total, got.Split)
	}
	has(t, p.ok("predict", "--run", "made", filepath.Join("my colours", "red", "0.jpg")), "It knows 3 classes")

	// A folder with other classes, and one without class folders.
	writeImages(t, p.path("other"), 2)
	if err := os.Rename(p.path("other", "red"), p.path("other", "rouge")); err != nil {
		t.Fatal(err)
	}
	p.fails([]string{"different classes"}, "eval", "--run", "made", "--data", "other")
	p.fails([]string{filepath.Join("other", "rouge"), "not in class folders", filepath.Join("cat", "1.jpg")}, "train", "--data", filepath.Join("other", "rouge"))
}

// The recipe records the folder by its absolute path, and the number of classes.
func TestImageFolderTrain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	writeImages(t, p.path("colours"), 10)
	p.ok("train", "--model", "resnet20", "--data", "colours", "--batch", "8", "--epochs", "1", "--run", "made")
	has(t, string(p.read("made", "recipe.json")), filepath.Base(p.dir), "colours")
	has(t, p.ok("eval", "--run", "made"), "on 6 held-out images of pictures in colours", "of 6 held-out images (a fifth of each class)\nHeld-out Accuracy: ")
}

func (p *place) read(elements ...string) []byte {
	p.t.Helper()
	content, err := os.ReadFile(p.path(elements...))
	if err != nil {
		p.t.Fatal(err)
	}
	return content
}

// Of a folder with train, val and test, each is used for what it says; eval uses test.
func TestImageFolderParts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for part, n := range map[string]int{"train": 10, "val": 3, "test": 2} {
		writeImages(t, p.path("colours", part), n)
	}
	has(t, p.ok("data", "verify", "--data", "colours"), "Data: pictures in colours; 30 training, 9 validation and 6 test images", "validation  test")
	r := tinyRecipe(t, p.path("colours"), 1)
	r.Model.Classes = 3
	p.begin("made", r)
	has(t, p.ok("train", "--run", "made", "--resume"), "30 training, 9 validation and 6 test images", "of 9 validation images\nValidation Accuracy: ", "of 6 test images\nTest Accuracy: ")
	if lines := p.metrics("made"); lines[len(lines)-1]["test_split"] != "validation" || lines[len(lines)-1]["test_images"] != 9.0 {
		t.Errorf("the metrics are %v, want those of the 9 validation images", lines[len(lines)-1])
	}
	for _, args := range [][]string{nil, {"--data", "colours"}} {
		if got := decode[evaluation](t, p.ok(append([]string{"eval", "--run", "made", "--json"}, args...)...)); got.Total != 6 || got.Split != "test" {
			t.Errorf("eval %v: %d images, split %q; want the 6 test images", args, got.Total, got.Split)
		}
	}
	if got := decode[evaluation](t, p.ok("eval", "--run", "made", "--data", filepath.Join("colours", "train"), "--json")); got.Total != 30 || got.Split != "all" {
		t.Errorf("eval of one part: %d images, split %q; want all 30", got.Total, got.Split)
	}
	// Other classes than the network's are matched by name, and may be fewer.
	for from, to := range map[string]string{"red": "Red", "blue": "blue"} {
		if err := os.CopyFS(p.path("some", to), os.DirFS(p.path("colours", "test", from))); err != nil {
			t.Fatal(err)
		}
	}
	out := p.ok("eval", "--run", "made", "--data", "some")
	has(t, out, "all 4 images", "of 4 images (all in the folder)\nTest Accuracy: ", "no images of the other 1 classes")
}

// A run whose folder has changed is refused, and the error says what has changed.
func TestImageFolderChanged(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	writeImages(t, p.path("before"), 10)
	move := func(from, to string) {
		if err := os.Rename(p.path("colours", from), p.path("colours", to)); err != nil {
			t.Fatal(err)
		}
	}
	restore := func() {
		if err := os.RemoveAll(p.path("colours")); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(p.path("colours"), os.DirFS(p.path("before"))); err != nil {
			t.Fatal(err)
		}
	}
	restore()
	r := tinyRecipe(t, p.path("colours"), 1)
	r.Model.Classes = 3
	p.begin("made", r)
	p.ok("train", "--run", "made", "--resume")
	weights := string(readFile(t, p.newestCheckpoint("made")))
	for _, test := range []struct {
		change func()
		want   string
	}{
		{func() { move("red", "zinnober") }, "class red is now called zinnober"},
		{func() {
			writeFile(t, p.path("colours", "red", "1.png"), readFile(t, p.path("before", "blue", "1.jpg")))
		}, "class red has 11 images, not 10"},
		{func() {
			writeFile(t, p.path("colours", "red", "1.jpg"), readFile(t, p.path("before", "blue", "1.jpg")))
		}, "images of class red were replaced or changed"},
		{func() { move("red/1.jpg", "blue/new.jpg") }, "1 of the images moved from class red to class blue"},
		{func() {
			for i := range 10 {
				move(fmt.Sprintf("red/%d.jpg", i), fmt.Sprintf("red/x%d.jpg", i))
			}
		}, "were files renamed?"},
	} {
		test.change()
		r := p.run("train", "--run", "made", "--resume")
		if r.code == 0 || !strings.Contains(r.stderr, test.want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("exit code %d, want an error with %q:\n%s", r.code, test.want, r.stderr)
		}
		restore()
	}
	p.ok("train", "--run", "made", "--resume")
	if string(readFile(t, p.newestCheckpoint("made"))) != weights {
		t.Error("a refused run has changed")
	}
}
