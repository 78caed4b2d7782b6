package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/picture"
)

type prediction struct {
	Image   string
	Guesses []guess
	CAM     string
	Error   string
}

type guess struct {
	Class       string
	Index       int
	Probability float64
}

// webp is an image of one transparent pixel.
const webp = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

// exif is the JPEG segment for an image whose first row is the right side.
const exif = "\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"

// bands is an image that looks different from every side.
func bands(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{uint8(255 * x / width), uint8(255 * y * y / height / height), uint8(40 * (x / 7 % 2)), 255})
		}
	}
	return m
}

func TestPredictFolder(t *testing.T) {
	t.Parallel()
	p := trained(t)
	small, err := base64.StdEncoding.DecodeString(webp)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"album/b.webp": small, "album/a.PNG": encodePNG(t, bands(100, 50)), "album/d.png": encodePNG(t, bands(32, 32)),
		"album/c.jpg": []byte("not an image"), "album/notes.txt": []byte("not an image"), "album/more/e.png": encodePNG(t, bands(9, 9)),
	} {
		writeFile(t, p.path(filepath.FromSlash(name)), content)
	}
	run := func(args ...string) (result, []prediction) {
		r := p.run(append([]string{"predict", "--run", "runs/tiny", "--json"}, args...)...)
		return r, decode[[]prediction](t, r.stdout)
	}
	names := func(all []prediction) (images []string) {
		for _, one := range all {
			images = append(images, filepath.ToSlash(one.Image))
		}
		return images
	}

	// One bad image: the others are predicted, and its error is the error of the command.
	r, got := run("--top", "3", "--batch", "2", "album")
	if want := []string{"album/a.PNG", "album/b.webp", "album/c.jpg", "album/d.png"}; !slices.Equal(names(got), want) {
		t.Fatalf("predictions of %q, want %q", names(got), want)
	}
	for i, one := range got {
		if bad := i == 2; bad != (one.Error != "") || bad != (len(one.Guesses) == 0) || !bad && len(one.Guesses) != 3 {
			t.Errorf("%s: %+v, want 3 guesses or an error", one.Image, one)
		}
	}
	if want := "lesson: " + got[2].Error + "\n"; r.code != 1 || r.stderr != want || !strings.Contains(want, "c.jpg is not a PNG") {
		t.Errorf("exit code %d and %q on stderr, want 1 and %q", r.code, r.stderr, want)
	}
	// Two bad images: each has its own line.
	r, got = run("missing.png", "album")
	if lines := strings.Split(r.stderr, "\n"); r.code != 1 || len(got) != 5 || len(lines) != 4 || !strings.Contains(lines[0], "missing.png") ||
		!strings.Contains(lines[1], "c.jpg") || lines[2] != "lesson: 2 of 5 images could not be read" {
		t.Errorf("with two bad images: exit code %d, %d predictions, stderr:\n%s", r.code, len(got), r.stderr)
	}
	// The batch size does not change the result.
	_, alone := run(filepath.Join("album", "d.png"))
	if !slices.EqualFunc(alone[0].Guesses, got[4].Guesses, func(a, b guess) bool {
		return a.Class == b.Class && a.Index == b.Index && a.Probability-b.Probability < 1e-5 && b.Probability-a.Probability < 1e-5
	}) {
		t.Errorf("the guesses for d.png are %+v alone, and %+v among others", alone[0].Guesses, got[4].Guesses)
	}
	p.fails([]string{"--top 0", "at least 1"}, "predict", "--run", "runs/tiny", "--top", "0", "album")
	p.fails([]string{"--out maps", "--cam"}, "predict", "--run", "runs/tiny", "--out", "maps", "album")
	p.fails([]string{"no images in runs", "not searched"}, "predict", "--run", "runs/tiny", "runs")
}

func TestPredictStdin(t *testing.T) {
	t.Parallel()
	p := trained(t)
	content := encodePNG(t, bands(40, 30))
	writeFile(t, p.path("picture.png"), content)
	cmd := p.command("predict", "--run", "runs/tiny", "--json", "-")
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := decode[[]prediction](t, string(out))
	want := decode[[]prediction](t, p.ok("predict", "--run", "runs/tiny", "--json", "picture.png"))
	if len(got) != 1 || got[0].Image != "-" || !slices.Equal(got[0].Guesses, want[0].Guesses) {
		t.Errorf("standard input gives %+v, the file gives %+v", got, want)
	}
	p.fails([]string{"standard input is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM"}, "predict", "--run", "runs/tiny", "-")
}

// The maps of --cam, including that of an image that EXIF turns upright.
func TestPredictCAM(t *testing.T) {
	t.Parallel()
	p := trained(t)
	var lying bytes.Buffer
	if err := jpeg.Encode(&lying, bands(60, 30), nil); err != nil {
		t.Fatal(err)
	}
	stored, err := picture.Decode(bytes.NewReader(lying.Bytes()), picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	upright := image.NewNRGBA(image.Rect(0, 0, 30, 60))
	for y := range 60 {
		for x := range 30 {
			upright.Set(x, y, stored.At(y, 29-x))
		}
	}
	content := slices.Concat(lying.Bytes()[:2], []byte(exif), lying.Bytes()[2:])
	writeFile(t, p.path("lying.jpg"), content)
	writeFile(t, p.path("upright.png"), encodePNG(t, upright))
	writeFile(t, p.path("large.png"), encodePNG(t, bands(1000, 500)))

	out := p.ok("predict", "--run", "runs/tiny", "--cam", "large.png")
	has(t, out, "Wrote:", filepath.Join("runs", "predict", "large-cam.png"), "serve --run runs/tiny")

	got := decode[[]prediction](t, p.ok("predict", "--run", "runs/tiny", "--json", "--cam", "--out", "maps", "lying.jpg", "upright.png", "large.png"))
	for i, test := range []struct {
		name string
		size image.Point
	}{{"lying-cam.png", image.Pt(300, 600)}, {"upright-cam.png", image.Pt(300, 600)}, {"large-cam.png", image.Pt(640, 320)}} {
		if want := filepath.Join("maps", test.name); got[i].CAM != want {
			t.Errorf("the map of %s is %s, want %s", got[i].Image, got[i].CAM, want)
		}
		file, err := os.Open(p.path("maps", test.name))
		if err != nil {
			t.Fatal(err)
		}
		config, err := png.DecodeConfig(file)
		file.Close()
		if err != nil || config.Width != test.size.X || config.Height != test.size.Y {
			t.Errorf("%s has %d×%d pixels (%v), want %v", test.name, config.Width, config.Height, err, test.size)
		}
	}
	for i, guess := range got[0].Guesses {
		if want := got[1].Guesses[i]; guess.Class != want.Class || guess.Probability-want.Probability > 1e-5 || want.Probability-guess.Probability > 1e-5 {
			t.Errorf("the guesses for the image on its side are %+v, and %+v upright", guess, want)
		}
	}
	writeFile(t, p.path("file"), nil)
	p.fails([]string{"file"}, "predict", "--run", "runs/tiny", "--cam", "--out", filepath.Join("file", "maps"), "large.png")
}

// Real images of CIFAR-10, as files, and a network that was trained on CIFAR-10 in PyTorch, where
// it gets 455 of them right.
func TestPredictRealImages(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with cifar10-exact/ and weights/, records of CIFAR-10 and a network for them")
	}
	weights, err := filepath.Abs(filepath.Join(folder, "weights", "resnet20-12fca82f.th"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := os.ReadFile(filepath.Join(folder, "cifar10-exact", "cifar-10-batches-bin", "test_batch.bin"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	const size, images = 1 + 3*32*32, 500
	for i := range images {
		record := records[i*size:][:size]
		m := image.NewNRGBA(image.Rect(0, 0, 32, 32))
		for place := range 32 * 32 {
			m.SetNRGBA(place%32, place/32, color.NRGBA{record[1+place], record[1+1024+place], record[1+2048+place], 255})
		}
		writeFile(t, p.path("test", fmt.Sprintf("%03d.png", i)), encodePNG(t, m))
	}
	right := 0
	for i, one := range decode[[]prediction](t, p.ok("predict", "--weights", weights, "--top", "1", "--json", "test")) {
		if one.Guesses[0].Index == int(records[i*size]) {
			right++
		}
	}
	if right != 455 {
		t.Errorf("%d of %d are right, want 455", right, images)
	}
}
