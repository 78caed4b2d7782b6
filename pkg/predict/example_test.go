package predict_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/predict"
	"github.com/residual-go/residual/pkg/weights"
)

// Classify photographs with weights from a file. Instead of its path, the name resnet50 would do, or a
// file that torch.save wrote. The photograph here is a grey square.
func Example() {
	ctx := context.Background()
	m, err := weights.Open(ctx, "../weights/testdata/earlier/exported.safetensors", weights.Options{})
	if err != nil {
		log.Fatal(err)
	}
	// What the file does not say is assumed; people should know.
	for _, note := range append(m.Notes, m.AssumedImages(), m.AssumedNetwork()) {
		if note != "" {
			fmt.Println("note:", note)
		}
	}

	engine, err := backend.New("cpu")
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Finalize()
	store := model.NewStore()
	if err := m.Restore(store, "/model"); err != nil {
		log.Fatal(err)
	}
	network, err := infer.New(engine, store, "/model", m.Config, m.Normalization)
	if err != nil {
		log.Fatal(err)
	}
	defer network.Finalize()

	folder, err := os.MkdirTemp("", "photos-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	file, err := os.Create(filepath.Join(folder, "grey.png"))
	if err != nil {
		log.Fatal(err)
	}
	if err := png.Encode(file, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		log.Fatal(err)
	}
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}

	p := predict.Predictor{Network: network, Transform: m.Transform, Classes: m.Classes, Top: 3, BatchSize: 8}
	err = p.Run(ctx, predict.Inputs([]string{folder}), func(p predict.Prediction) error {
		if p.Err != nil {
			fmt.Println(p.Err) // it names the image
			return nil
		}
		fmt.Println(filepath.Base(p.Image), "has", len(p.Guesses), "guesses")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: grey.png has 3 guesses
}

// daylight stands in for an [infer.Network]: it looks at the first pixel of every image.
type daylight struct{}

func (daylight) Explain(pixels []byte, height, width int) (*infer.Explanation, error) {
	e := &infer.Explanation{Height: 1, Width: 1, Channels: 1, Weight: make([]float32, 2)}
	for at := 0; at < len(pixels); at += height * width * 3 {
		bright := float32(pixels[at]) / 255
		e.Logits = append(e.Logits, 4*(1-bright), 4*bright)
		e.Features = append(e.Features, 0)
	}
	return e, nil
}

func ExamplePredictor_Run() {
	folder, err := os.MkdirTemp("", "photos-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	for name, level := range map[string]uint8{"1.png": 0, "2.png": 255} {
		photo := image.NewGray(image.Rect(0, 0, 1, 1))
		photo.SetGray(0, 0, color.Gray{level})
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			log.Fatal(err)
		}
		if err := png.Encode(file, photo); err != nil {
			log.Fatal(err)
		}
		if err := file.Close(); err != nil {
			log.Fatal(err)
		}
	}

	predictor := predict.Predictor{
		Network:   daylight{},
		Transform: picture.Transform{Resize: 8, Height: 8, Width: 8},
		Classes:   []string{"night", "day"},
		Top:       1,
		BatchSize: 32,
	}
	inputs := predict.Inputs([]string{folder, "missing.png"})
	err = predictor.Run(context.Background(), inputs, func(p predict.Prediction) error {
		if p.Err != nil {
			fmt.Println(p.Image, "could not be read")
			return nil
		}
		best := p.Guesses[0]
		fmt.Printf("%s %s %.1f%%\n", filepath.Base(p.Image), best.Class, 100*best.Probability)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1.png night 98.2%
	// 2.png day 98.2%
	// missing.png could not be read
}
