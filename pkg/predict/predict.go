// Package predict says what is in photographs, be they one or thousands: pictures are read
// while the network looks at those before them, and few are in memory at a time.
package predict

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"runtime"
	"sync"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/classmap"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
)

// Network runs a network; it is an [infer.Network], which see.
type Network interface {
	Explain(pixels []byte, height, width int) (*infer.Explanation, error)
}

// Predictor says what is in photographs.
type Predictor struct {
	Network Network
	// Transform makes a picture the network's input.
	Transform picture.Transform
	// Classes are the names behind the logits.
	Classes []string
	// Top is how many guesses there are for a picture.
	Top int
	// Batch is how many pictures go through the network at once.
	Batch int
	// Maps is the folder for class activation maps, which is there; "" is for none.
	Maps string
	// Stdin is what the input "-" is read from.
	Stdin io.Reader
}

// Prediction is what is in one picture, or why that cannot be said.
type Prediction struct {
	Image   string  `json:"image"`
	Guesses []Guess `json:"guesses,omitempty"`
	// CAM is the file with the class activation map of the first guess, if there is one.
	CAM string `json:"cam,omitempty"`
	// Err says why the picture could not be read, and Error does so in JSON.
	Err   error  `json:"-"`
	Error string `json:"error,omitempty"`
}

// Guess is a class, by its name and its number, and its probability.
type Guess struct {
	Class       string  `json:"class"`
	Index       int     `json:"index"`
	Probability float64 `json:"probability"`
}

// reading is a picture that was read: the network's input, and a view if there are to be
// maps.
type reading struct {
	input  Input
	pixels []byte
	view   *classmap.View
	err    error
}

// Run says what is in the inputs: it calls each with one prediction after the other, in
// their order. A picture that cannot be read is no reason to stop; the errors that Run
// returns are those of the context, of each, of the network, and of writing maps. After an
// error a few pictures may still be read, for nobody.
func (p *Predictor) Run(ctx context.Context, inputs []Input, each func(Prediction) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := newMapNames(p.Maps, inputs)
	readings := p.read(ctx, inputs)
	for {
		batch, err := gather(ctx, readings, p.Batch)
		if err != nil || len(batch) == 0 {
			return err
		}
		predictions, err := p.predict(batch, names)
		if err != nil {
			return err
		}
		for _, prediction := range predictions {
			if err := each(prediction); err != nil {
				return err
			}
		}
	}
}

// read reads pictures, as many at a time as there are processors, up to a batch ahead of
// who takes them. The channel has one for every input, in their order; each gets its reading
// when it is done.
func (p *Predictor) read(ctx context.Context, inputs []Input) <-chan chan reading {
	ahead := make(chan chan reading, p.Batch)
	free := make(chan struct{}, runtime.NumCPU())
	go func() {
		defer close(ahead)
		for _, input := range inputs {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return
			}
			done := make(chan reading, 1)
			go func() {
				done <- p.readOne(input)
				<-free
			}()
			select {
			case ahead <- done:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ahead
}

func (p *Predictor) readOne(input Input) reading {
	photo, err := input.read(p.Stdin)
	if err != nil {
		return reading{input: input, err: err}
	}
	r := reading{input: input, pixels: p.Transform.Apply(photo)}
	if p.Maps != "" {
		r.view = classmap.NewView(photo, p.Transform)
	}
	return r
}

// gather returns the next readings, size of them if there are so many.
func gather(ctx context.Context, readings <-chan chan reading, size int) ([]reading, error) {
	var batch []reading
	for len(batch) < size {
		var done chan reading
		select {
		case done = <-readings:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if done == nil { // that was all
			break
		}
		select {
		case r := <-done:
			batch = append(batch, r)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return batch, nil
}

// predict returns what is in the pictures of a batch, and writes their maps.
func (p *Predictor) predict(batch []reading, names *mapNames) ([]Prediction, error) {
	var pixels []byte
	for _, r := range batch {
		pixels = append(pixels, r.pixels...)
	}
	var explanation *infer.Explanation
	if len(pixels) > 0 {
		var err error
		if explanation, err = p.Network.Explain(pixels, p.Transform.Height, p.Transform.Width); err != nil {
			return nil, err
		}
	}
	predictions := make([]Prediction, len(batch))
	writing := make([]error, len(batch))
	var writers sync.WaitGroup
	image := 0
	for i, r := range batch {
		prediction := &predictions[i]
		prediction.Image = r.input.Name
		if r.err != nil {
			prediction.Err, prediction.Error = r.err, r.err.Error()
			continue
		}
		for _, g := range explanation.Top(image, p.Top) {
			prediction.Guesses = append(prediction.Guesses, Guess{p.Classes[g.Class], g.Class, g.Probability})
		}
		if r.view != nil {
			prediction.CAM = names.next(r.input)
			values := explanation.ClassMap(image, prediction.Guesses[0].Index)
			writers.Go(func() {
				writing[i] = atomicfile.Write(prediction.CAM, func(w io.Writer) error {
					return png.Encode(w, r.view.Draw(values, explanation.Height, explanation.Width))
				})
			})
		}
		image++
	}
	writers.Wait()
	for _, err := range writing {
		if err != nil {
			return nil, fmt.Errorf("class activation map: %w", err)
		}
	}
	return predictions, nil
}
