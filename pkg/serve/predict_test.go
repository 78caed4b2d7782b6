package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/picture"
)

func TestPredict(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 9, 7)), nil); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		content []byte
		query   string
		class   string
		guesses int
	}{
		"black":   {square(t, 5, 0), "", "black", 4},
		"jpeg":    {jpg.Bytes(), "", "black", 4},
		"dark":    {square(t, 1, 100), "?top=1", "dark", 1},
		"light":   {square(t, 40, 150), "?top=2&cam=0", "light", 2},
		"white":   {square(t, 8, 255), "?top=100", "white", 4},
		"its map": {square(t, 8, 200), "?cam=1", "white", 4},
	} {
		got := decode[prediction](t, do(s, request("POST", "/predict"+test.query, bytes.NewReader(test.content))), 200)
		if len(got.Guesses) != test.guesses || got.Guesses[0].Class != test.class || shades[got.Guesses[0].Index] != test.class {
			t.Errorf("%s: guesses %+v, want %d with %s first", name, got.Guesses, test.guesses, test.class)
			continue
		}
		// Softmax of logits 4, 0, 0, 0.
		if p := got.Guesses[0].Probability; p < 0.947 || p > 0.949 {
			t.Errorf("%s: probability %g, want 0.948", name, p)
		}
		if got.Milliseconds <= 0 {
			t.Errorf("%s: %g ms, want more than 0", name, got.Milliseconds)
		}
		if has, want := got.CAM != "", strings.Contains(test.query, "cam=1"); has != want {
			t.Errorf("%s: has a map: %t, want %t", name, has, want)
		}
	}
}

// Class names that do not fit the network are an answer that says so, not a panic.
func TestPredictWithTooFewClassNames(t *testing.T) {
	m := greyModel
	m.Classes = shades[:2]
	s := New(&grey{}, m, Limits{})
	t.Cleanup(s.Close)
	got := decode[struct{ Error string }](t, do(s, request("POST", "/predict", bytes.NewReader(square(t, 4, 255)))), http.StatusInternalServerError)
	if !strings.Contains(got.Error, "2 class names for a network of 4 classes") {
		t.Errorf("the answer is %q", got.Error)
	}
}

// An animation is classified by its first frame, and the answer says so.
func TestPredictFirstOfFrames(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	frame := func(level byte) *image.Paletted {
		return &image.Paletted{Pix: make([]byte, 16), Stride: 4, Rect: image.Rect(0, 0, 4, 4), Palette: color.Palette{color.Gray{Y: level}}}
	}
	for frames, want := range map[int]bool{1: false, 2: true} {
		animation := &gif.GIF{Image: []*image.Paletted{frame(0), frame(255)}[:frames], Delay: make([]int, frames)}
		var content bytes.Buffer
		if err := gif.EncodeAll(&content, animation); err != nil {
			t.Fatal(err)
		}
		got := decode[prediction](t, do(s, request("POST", "/predict", &content)), 200)
		if got.FirstOfFrames != want || got.Guesses[0].Class != "black" {
			t.Errorf("of %d frames: %+v, want black, and first_of_frames %t", frames, got, want)
		}
	}
}

// The map covers the whole image and is yellow in the upper left corner of the crop.
func TestPredictDrawsTheMap(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	content := encode(t, upper(image.NewGray(image.Rect(0, 0, 30, 60)), 0))
	got := decode[prediction](t, do(s, request("POST", "/predict?cam=1", bytes.NewReader(content))), 200)
	text, ok := strings.CutPrefix(got.CAM, "data:image/png;base64,")
	if !ok {
		t.Fatalf("the map is %.40s", got.CAM)
	}
	encoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	if size := m.Bounds().Size(); size != image.Pt(300, 600) {
		t.Errorf("the map has %v pixels, want 300×600", size)
	}
	for _, at := range []struct {
		x, y   int
		yellow bool
	}{{20, 170, true}, {20, 20, false}, {280, 430, false}} {
		if r, g, b, _ := m.At(at.x, at.y).RGBA(); (r > 2*b && g > 2*b) != at.yellow {
			t.Errorf("at %d, %d the colour is %d %d %d, want yellow: %t", at.x, at.y, r>>8, g>>8, b>>8, at.yellow)
		}
	}
}

func TestPredictForm(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	for _, test := range []struct {
		file   bool
		status int
		want   string
	}{{true, 200, `"class":"light"`}, {false, 400, "no file in the form"}} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		form.WriteField("note", "no file")
		if test.file {
			part, err := form.CreateFormFile("image", "light.png")
			if err != nil {
				t.Fatal(err)
			}
			part.Write(square(t, 4, 150))
		}
		form.Close()
		r := request("POST", "/predict", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		if w := do(s, r); w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("with a file %t: status %d, want %d with %q: %s", test.file, w.Code, test.status, test.want, w.Body)
		}
	}
}

func TestPredictRefuses(t *testing.T) {
	s := newServer(t, &grey{}, Limits{Image: picture.Limits{Bytes: 1 << 20, Pixels: 10_000}})
	whole := square(t, 60, 100)
	for name, test := range map[string]struct {
		query   string
		content []byte
		status  int
		want    string
	}{
		"nothing":         {"", nil, 400, "nothing was sent"},
		"text":            {"", []byte("these are words"), 415, "not a PNG, JPEG, WebP, GIF, BMP, TIFF or PNM"},
		"a page":          {"", []byte("<!DOCTYPE html><html></html>"), 415, "what was sent is"},
		"an SVG drawing":  {"", []byte("<svg xmlns='http://www.w3.org/2000/svg'></svg>"), 415, "is an SVG drawing; save it as JPEG or PNG"},
		"a HEIC image":    {"", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00"), 415, "is a HEIC image; save it as JPEG or PNG"},
		"a BigTIFF image": {"", []byte("II+\x00\x08\x00\x00\x00"), 415, "is a BigTIFF image; save it as JPEG or PNG"},
		"half an image":   {"", whole[:len(whole)/2], 400, "damaged"},
		"the magic alone": {"", whole[:8], 400, "damaged"},
		"many bytes":      {"", make([]byte, 1<<20+1), 413, "larger than 1 MiB"},
		"many pixels":     {"", square(t, 101, 0), 413, "101"},
		"claims too many": {"", huge(whole), 413, "pixels"},
		"top=0":           {"?top=0", whole, 400, `top="0"`},
		"top=many":        {"?top=many", whole, 400, "from 1 to 4"},
		"cam=maybe":       {"?cam=maybe", whole, 400, `cam="maybe"`},
	} {
		got := decode[struct{ Error string }](t, do(s, request("POST", "/predict"+test.query, bytes.NewReader(test.content))), test.status)
		if !strings.Contains(got.Error, test.want) || strings.Contains(got.Error, "\n") {
			t.Errorf("%s: error %q, want one line with %q", name, got.Error, test.want)
		}
	}
	if w := do(s, request("GET", "/predict", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET /predict has status %d, want 405", w.Code)
	}
	if w := do(s, request("GET", "/elsewhere", nil)); w.Code != http.StatusNotFound {
		t.Errorf("GET /elsewhere has status %d, want 404", w.Code)
	}
}

// A large image waits for another large one, and small images overtake it.
func TestLargeImagesAreDecodedOneAtATime(t *testing.T) {
	s := newServer(t, &grey{}, Limits{Decoders: 1, Large: 20 * 20})
	s.large <- struct{}{} // one is being decoded
	answers := make(chan int)
	go func() {
		answers <- do(s, request("POST", "/predict", bytes.NewReader(square(t, 20, 100)))).Code
	}()
	for range 3 {
		if w := do(s, request("POST", "/predict", bytes.NewReader(square(t, 19, 100)))); w.Code != http.StatusOK {
			t.Errorf("a small image: status %d, want 200: %s", w.Code, w.Body)
		}
	}
	select {
	case code := <-answers:
		t.Fatalf("the large image did not wait for the other: status %d", code)
	case <-time.After(50 * time.Millisecond):
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.decode(ctx, square(t, 20, 100), false); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request: error %v, want context.Canceled", err)
	}
	<-s.large
	if code := <-answers; code != http.StatusOK {
		t.Errorf("the large image: status %d, want 200", code)
	}
}

// huge rewrites the header of a PNG so that it claims a billion pixels.
func huge(content []byte) []byte {
	content = bytes.Clone(content)
	binary.BigEndian.PutUint32(content[16:], 50_000)
	binary.BigEndian.PutUint32(content[20:], 20_000)
	binary.BigEndian.PutUint32(content[29:], crc32.ChecksumIEEE(content[12:29]))
	return content
}

// late is a body that fails: its sender was too slow, or the connection broke.
type late struct{ err error }

func (l late) Read([]byte) (int, error) { return 0, l.err }

func TestPredictIncompleteBody(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	for _, test := range []struct {
		err    error
		length int64
		status int
		want   string
	}{
		{os.ErrDeadlineExceeded, 100, 408, "too long"},
		{errors.New("broken"), 100, 400, "did not arrive: broken"},
		{errors.New("not read"), -1, 411, "Content-Length"},
		{errors.New("not read"), 32<<20 + 1, 413, "larger than 32 MiB"},
	} {
		r := request("POST", "/predict", late{test.err})
		r.ContentLength = test.length
		got := decode[struct{ Error string }](t, do(s, r), test.status)
		if !strings.Contains(got.Error, test.want) {
			t.Errorf("error %q, want one with %q", got.Error, test.want)
		}
	}
}

func TestPredictWithAFailingNetwork(t *testing.T) {
	s := newServer(t, &grey{fail: errors.New("out of memory")}, Limits{})
	got := decode[struct{ Error string }](t, do(s, request("POST", "/predict", bytes.NewReader(square(t, 4, 0)))), 500)
	if got.Error != "out of memory" {
		t.Errorf("error %q, want the network's", got.Error)
	}
}

func TestPredictAfterClose(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	s.Close()
	decode[struct{ Error string }](t, do(s, request("POST", "/predict", bytes.NewReader(square(t, 4, 0)))), 503)
}

func TestPredictClientGone(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := do(s, request("POST", "/predict", bytes.NewReader(square(t, 4, 0))).WithContext(ctx))
	if w.Body.Len() > 0 {
		t.Errorf("a client that is gone got %s", w.Body)
	}
}
