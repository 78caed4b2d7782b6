package predict

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
)

// grey is a network for grey images: the class is the level of the first pixel.
type grey struct {
	batches []int
	fail    error
}

func (g *grey) Explain(pixels []byte, height, width int) (*infer.Explanation, error) {
	n := len(pixels) / (height * width * 3)
	g.batches = append(g.batches, n)
	e := &infer.Explanation{
		Logits: make([]float32, 256*n), Features: make([]float32, 4*n),
		Height: 2, Width: 2, Channels: 1, Weight: make([]float32, 256),
	}
	for i := range n {
		e.Logits[256*i+int(pixels[i*height*width*3])] = 9
	}
	return e, g.fail
}

func predictor(g *grey) *Predictor {
	classes := make([]string, 256)
	for i := range classes {
		classes[i] = fmt.Sprint("level ", i)
	}
	return &Predictor{Network: g, Transform: picture.Transform{Resize: 2, Height: 2, Width: 2}, Classes: classes, Top: 3, BatchSize: 4}
}

// square returns a PNG of size×size pixels, all of one grey level.
func square(t *testing.T, size, level int) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := png.Encode(&content, &image.Gray{
		Pix: bytes.Repeat([]byte{byte(level)}, size*size), Stride: size, Rect: image.Rect(0, 0, size, size),
	}); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

// album changes to a new folder with n images, 000.png and so on, each of the grey level in
// its name.
func album(t *testing.T, n int) {
	t.Helper()
	t.Chdir(t.TempDir())
	for i := range n {
		write(t, fmt.Sprintf("%03d.png", i), square(t, 1+(7*i)%40, i))
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRunKeepsTheOrder(t *testing.T) {
	const n = 50
	album(t, n)
	write(t, "020.png", []byte("not an image")) // one bad file among many
	write(t, ".hidden.png", nil)
	write(t, "note.txt", nil)
	write(t, "deeper/1.png", nil)
	for _, batch := range []int{1, 4, 100} {
		g := &grey{}
		p := predictor(g)
		p.BatchSize = batch
		var got []Prediction
		if err := p.Run(context.Background(), Inputs([]string{"."}), func(p Prediction) error { got = append(got, p); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != n {
			t.Fatalf("%d predictions for %d images", len(got), n)
		}
		for i, p := range got {
			if want := fmt.Sprintf("%03d.png", i); p.Image != want {
				t.Errorf("prediction %d is for %s, want %s", i, p.Image, want)
			}
			if i == 20 {
				if p.Err == nil || p.Error != "020.png is not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM image" || p.Guesses != nil {
					t.Errorf("a file that is not an image gives %+v", p)
				}
				continue
			}
			if len(p.Guesses) != 3 || p.Guesses[0].Index != i || p.Guesses[0].Class != fmt.Sprint("level ", i) || p.Guesses[0].Probability < 0.9 {
				t.Errorf("batch size %d: the guesses for image %d are %+v", batch, i, p.Guesses)
			}
			if p.CAM != "" {
				t.Errorf("map %s was drawn, want none", p.CAM)
			}
		}
		for _, ran := range g.batches {
			if ran > batch {
				t.Errorf("a batch of %d images, want at most %d", ran, batch)
			}
		}
		if want := (n + batch - 1) / batch; len(g.batches) > want {
			t.Errorf("%d batches of at most %d images, want %d", len(g.batches), batch, want)
		}
	}
}

func TestRunDrawsMaps(t *testing.T) {
	album(t, 3)
	write(t, "b/000.png", square(t, 900, 7))
	write(t, "001-cam.png", square(t, 2, 9)) // also an input
	before, err := os.ReadFile("001-cam.png")
	if err != nil {
		t.Fatal(err)
	}
	p := predictor(&grey{})
	p.MapFolder = "."
	p.Stdin = bytes.NewReader(square(t, 5, 1))
	write(t, "000-cam.png", []byte("an older map")) // not an input
	var got []string
	inputs := Inputs([]string{"000.png", "b", "001.png", "001-cam.png", "-", "none.png"})
	if err := p.Run(context.Background(), inputs, func(p Prediction) error { got = append(got, p.CAM); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"000-cam.png", "000-cam-2.png", "001-cam-2.png", "001-cam-cam.png", "stdin-cam.png", ""}; !slices.Equal(got, want) {
		t.Errorf("the maps are %q, want %q", got, want)
	}
	for name, size := range map[string]int{"000-cam.png": 640, "000-cam-2.png": 640, "001-cam-cam.png": 640, "stdin-cam.png": 640} {
		m, err := picture.Read(name, picture.Limits{})
		if err != nil {
			t.Error(err)
		} else if m.Bounds().Size() != image.Pt(size, size) {
			t.Errorf("%s has %v pixels, want %d×%d", name, m.Bounds().Size(), size, size)
		}
	}
	if after, err := os.ReadFile("001-cam.png"); err != nil || !bytes.Equal(before, after) {
		t.Errorf("an input was overwritten (%v)", err)
	}
}

func TestRunStops(t *testing.T) {
	album(t, 40)
	inputs := Inputs([]string{"."})
	broken := errors.New("broken")
	add := func(Prediction) error { return nil }

	p := predictor(&grey{fail: broken})
	if err := p.Run(context.Background(), inputs, add); !errors.Is(err, broken) {
		t.Errorf("with a failing network: error %v", err)
	}
	p = predictor(&grey{})
	if err := p.Run(context.Background(), inputs, func(Prediction) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("with a failing callback: error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	if err := p.Run(ctx, inputs, func(Prediction) error { seen++; cancel(); return nil }); err != context.Canceled || seen != p.BatchSize {
		t.Errorf("after an interruption: error %v and %d images, want %d", err, seen, p.BatchSize)
	}
	p = predictor(&grey{}) // a new one: the old one may still be reading
	p.MapFolder = "nowhere"
	if err := p.Run(context.Background(), inputs, add); err == nil || !strings.Contains(err.Error(), filepath.Join("nowhere", "000-cam.png")) {
		t.Errorf("with a missing map folder: error %v", err)
	}
	seen = 0
	_ = p.Run(context.Background(), inputs, func(got Prediction) error {
		if seen++; len(got.Guesses) == 0 || got.CAM != "" {
			t.Errorf("%s: %d guesses and the map %q, want guesses and no map", got.Image, len(got.Guesses), got.CAM)
		}
		return nil
	})
	if seen != p.BatchSize {
		t.Errorf("with a missing map folder: %d predictions before the error, want those of the batch, %d", seen, p.BatchSize)
	}
	p = predictor(&grey{})
	if err := p.Run(context.Background(), nil, add); err != nil {
		t.Errorf("without images: error %v", err)
	}
	// Waiting for an image that never arrives can be interrupted.
	reader, writer := io.Pipe()
	defer writer.Close()
	p.Stdin = reader
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		writer.Write([]byte("\x89PNG"))
		cancel()
	}()
	if err := p.Run(ctx, Inputs([]string{"-"}), add); err != context.Canceled {
		t.Errorf("an interruption while waiting: error %v", err)
	}
}

// A field that was forgotten must not look like an empty album.
func TestRunRefusesWhatItCannotUse(t *testing.T) {
	album(t, 2)
	for _, test := range []struct {
		change func(p *Predictor)
		want   string
	}{
		{func(p *Predictor) { p.BatchSize = 0 }, "BatchSize 0"},
		{func(p *Predictor) { p.BatchSize = -1 }, "BatchSize -1"},
		{func(p *Predictor) { p.Top = 0 }, "Top is 0"},
		{func(p *Predictor) { p.Transform = picture.Transform{} }, "resize of 0 pixels"},
		{func(p *Predictor) { p.Classes = p.Classes[:3] }, "3 class names for a network of 256 classes"},
		{func(p *Predictor) { p.Classes = append(p.Classes, "more") }, "257 class names"},
	} {
		p := predictor(&grey{})
		test.change(p)
		err := p.Run(context.Background(), Inputs([]string{"."}), func(p Prediction) error {
			t.Errorf("%s: there is a prediction for %s", test.want, p.Image)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}

	p, n := predictor(&grey{}), 0
	if err := p.Run(context.Background(), Inputs([]string{"-", "000.png"}), func(p Prediction) error {
		if n++; (p.Err != nil) != (p.Image == Stdin) {
			t.Errorf("without Stdin, the error for %s is %v", p.Image, p.Err)
		}
		return nil
	}); err != nil || n != 2 {
		t.Errorf("without Stdin, there are %d predictions and error %v", n, err)
	}
}

func TestInputs(t *testing.T) {
	album(t, 2)
	write(t, "folders/one/a.png", nil)
	write(t, "texts/a.txt", nil)
	write(t, "folder.png/b.JPG", nil)
	// Opening a pipe would block. A socket, which is easier to make, stands for pipes and devices.
	listener, err := net.Listen("unix", "socket.png")
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	write(t, "sockets/a.png", nil)
	if err := os.Symlink(filepath.Join("..", "socket.png"), filepath.Join("sockets", "b.png")); err != nil {
		t.Fatal(err)
	}
	p := predictor(&grey{})
	p.Stdin = iotest.ErrReader(errors.New("closed"))
	var got []string
	if err := p.Run(context.Background(), Inputs([]string{"001.png", "folder.png", "folders", "texts", "missing.png", "-", "-", "sockets"}), func(p Prediction) error {
		got = append(got, p.Image+": "+p.Error)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"001.png: ",
		filepath.Join("folder.png", "b.JPG") + ": " + filepath.Join("folder.png", "b.JPG"),
		"folders: there are no images in folders, and the folders in it are not searched; name them: " + filepath.Join("folders", "*"),
		"texts: there are no images in texts",
		"missing.png: read an image: open missing.png: ",
		"-: standard input ",
		"-: standard input holds one image; give - only once",
		filepath.Join("sockets", "a.png") + ": ",
		filepath.Join("sockets", "b.png") + ": " + filepath.Join("sockets", "b.png") + " is a pipe or a device",
	}
	if len(got) != len(want) {
		t.Fatalf("predictions of %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %q, want prefix %q", got[i], want[i])
		}
	}
}
