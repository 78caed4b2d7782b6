package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/predict"
	"github.com/residual-go/residual/pkg/serve"
)

// alwaysNight stands in for an [infer.Network].
type alwaysNight struct{}

func (alwaysNight) Explain(pixels []byte, height, width int) (*infer.Explanation, error) {
	images := len(pixels) / (height * width * 3)
	e := &infer.Explanation{Height: 1, Width: 1, Channels: 1, Features: make([]float32, images), Weight: make([]float32, 2)}
	for range images {
		e.Logits = append(e.Logits, 4, 0)
	}
	return e, nil
}

// A Server is an [http.Handler]; [serve.Server.Serve] runs it on a listener until a context
// is done.
func Example() {
	server := serve.New(alwaysNight{}, serve.Model{
		Name:      "night-and-day",
		Classes:   []string{"night", "day"},
		Transform: picture.Transform{Resize: 8, Height: 8, Width: 8},
	}, serve.Limits{})
	defer server.Close()
	site := httptest.NewServer(server)
	defer site.Close()

	var photo bytes.Buffer
	if err := png.Encode(&photo, image.NewGray(image.Rect(0, 0, 20, 10))); err != nil {
		log.Fatal(err)
	}
	response, err := http.Post(site.URL+"/predict?top=1", "image/png", &photo)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Guesses []predict.Guess }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	best := answer.Guesses[0]
	fmt.Printf("%s: %s %.1f%%\n", response.Status, best.Class, 100*best.Probability)
	// Output: 200 OK: night 98.2%
}
