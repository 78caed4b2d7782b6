package serve

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
)

// shades are the classes of a grey network, which classifies images by brightness.
var shades = []string{"black", "dark", "light", "white"}

// grey is a network that tells shades. With a gate, every run waits for a value from it.
type grey struct {
	gate chan struct{}
	fail error

	mu      sync.Mutex
	batches []int
}

func (g *grey) Explain(pixels []byte, height, width int) (*infer.Explanation, error) {
	n := len(pixels) / (height * width * 3)
	g.mu.Lock()
	g.batches = append(g.batches, n)
	g.mu.Unlock()
	if g.gate != nil {
		<-g.gate
	}
	if g.fail != nil {
		return nil, g.fail
	}
	e := &infer.Explanation{
		Logits: make([]float32, n*len(shades)), Features: make([]float32, n*4),
		Height: 2, Width: 2, Channels: 1, Weight: []float32{1, 1, 1, 1},
	}
	for i := range n {
		middle := pixels[(i*height+height/2)*width*3:]
		e.Logits[i*len(shades)+int(middle[0])/64] = 4
		e.Features[i*4] = 1 // in the upper left corner
	}
	return e, nil
}

// ran returns the batch sizes so far.
func (g *grey) ran() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]int(nil), g.batches...)
}

var greyModel = Model{Name: "grey", Data: "shades", Classes: shades, Transform: picture.Transform{Resize: 4, Height: 4, Width: 4}}

// newServer returns a server that is closed at the end of the test.
func newServer(t *testing.T, g *grey, limits Limits) *Server {
	t.Helper()
	s := New(g, greyModel, limits)
	t.Cleanup(s.Close)
	return s
}

// square returns a PNG of size×size pixels, all of one grey level.
func square(t *testing.T, size int, level byte) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, size, size))
	for i := range m.Pix {
		m.Pix[i] = level
	}
	return encode(t, m)
}

func encode(t *testing.T, m image.Image) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := png.Encode(&content, m); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

// request returns a request that is addressed to this server.
func request(method, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Host = "127.0.0.1:8080"
	return r
}

func do(s http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// decode checks the status and decodes the JSON of a response.
func decode[T any](t *testing.T, w *httptest.ResponseRecorder, status int) T {
	t.Helper()
	var value T
	if w.Code != status || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d with %s, want %d with JSON: %s", w.Code, w.Header().Get("Content-Type"), status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		t.Errorf("want JSON, got %v in %s", err, w.Body)
	}
	return value
}

// upper fills the upper half of m with another grey level and returns m.
func upper(m *image.Gray, level byte) *image.Gray {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Dy()/2; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			m.SetGray(x, y, color.Gray{Y: level})
		}
	}
	return m
}
