// Package predict classifies photographs, one or thousands of them. Images are decoded
// while the network works on the ones before, and only a few are in memory at a time.
//
// [Inputs] turns paths into images to read, and [Predictor.Run] predicts them in that order.
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

// Network is the part of [infer.Network] that predictions need.
type Network interface {
	// Explain takes RGB bytes [images, height, width, 3].
	Explain(pixels []byte, height, width int) (*infer.Explanation, error)
}

// Predictor classifies images with a network. Network, Transform, Classes, Top and BatchSize must be
// set.
type Predictor struct {
	Network Network
	// Transform turns a photograph into the network's input.
	Transform picture.Transform
	// Classes are the class names, one for each logit, in their order.
	Classes []string
	// Top is the number of guesses for each image, at least 1.
	Top int
	// BatchSize is the number of images that go through the network at once, at least 1.
	BatchSize int
	// MapFolder is an existing folder for class activation maps. Without it none are drawn.
	MapFolder string
	// Stdin is what the input "-" is read from; if it is nil, that input cannot be read.
	Stdin io.Reader
}

// Prediction is the result for one image: guesses, or the error that prevented them.
type Prediction struct {
	Image   string  `json:"image"`
	Guesses []Guess `json:"guesses,omitempty"`
	// CAM is the file with the class activation map of the first guess, if one was drawn.
	CAM string `json:"cam,omitempty"`
	// FirstOfFrames says that the image has several frames or pages, and that the prediction is
	// for the first.
	FirstOfFrames bool `json:"first_of_frames,omitempty"`
	// Err says why the image could not be read, and names it; Error is its text, for JSON.
	Err   error  `json:"-"`
	Error string `json:"error,omitempty"`
}

// Guess is a class with its probability.
type Guess struct {
	Class       string  `json:"class"`
	Index       int     `json:"index"`
	Probability float64 `json:"probability"`
}

// Guesses returns the top classes of one image of an explanation, the most probable first. There must
// be a class for each logit.
func Guesses(e *infer.Explanation, image, top int, classes []string) []Guess {
	var guesses []Guess
	for _, g := range e.Top(image, top) {
		guesses = append(guesses, Guess{classes[g.Class], g.Class, g.Probability})
	}
	return guesses
}

// Run predicts the inputs and calls each with the predictions, one at a time and in the
// order of the inputs. An image that cannot be read is a [Prediction] with an error. Run
// itself stops at errors of the context, of each, of the network, and of writing maps, the last
// only after each has had the predictions. A few more images may be read in the background after
// that. A field that is not valid is an error before anything is read, except that a wrong number of
// classes is only found with the first logits.
func (p *Predictor) Run(ctx context.Context, inputs []Input, each func(Prediction) error) error {
	if p.Top < 1 || p.BatchSize < 1 {
		return fmt.Errorf("predict: Top is %d and BatchSize %d, want at least 1", p.Top, p.BatchSize)
	}
	if err := p.Transform.Validate(); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := newMapNames(p.MapFolder, inputs)
	readings := p.read(ctx, inputs)
	for {
		batch, err := gather(ctx, readings, p.BatchSize)
		if err != nil || len(batch) == 0 {
			return err
		}
		predictions, err := p.predict(batch, names)
		for _, prediction := range predictions {
			if err := each(prediction); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// reading is a decoded image: the network's input and, if maps are drawn, a view to draw on.
type reading struct {
	input  Input
	pixels []byte
	view   *classmap.View
	more   bool // there are more frames or pages
	err    error
}

// read decodes the inputs in parallel, up to a batch ahead of the receiver. The channel
// delivers one channel for each input, in order; the reading arrives there once it is done.
func (p *Predictor) read(ctx context.Context, inputs []Input) <-chan chan reading {
	ahead := make(chan chan reading, p.BatchSize)
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
	photo, more, err := input.read(p.Stdin)
	if err != nil {
		return reading{input: input, err: err}
	}
	r := reading{input: input, more: more, pixels: p.Transform.Apply(photo)}
	if p.MapFolder != "" {
		r.view = classmap.NewView(photo, p.Transform)
	}
	return r
}

// gather returns the next readings: size of them, or fewer at the end.
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
		if done == nil { // the channel is closed
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

// predict runs the network on a batch and writes the maps. If a map cannot be written, the
// predictions are complete, except that those without their map have no CAM.
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
		if n := explanation.Classes(); n != len(p.Classes) {
			return nil, fmt.Errorf("predict: %d class names for a network of %d classes", len(p.Classes), n)
		}
	}
	predictions := make([]Prediction, len(batch))
	writing := make([]error, len(batch))
	var writers sync.WaitGroup
	image := 0 // in the explanation, which leaves out images that could not be read
	for i, r := range batch {
		prediction := &predictions[i]
		prediction.Image = r.input.Name
		if r.err != nil {
			prediction.Err, prediction.Error = r.err, r.err.Error()
			continue
		}
		prediction.FirstOfFrames = r.more
		prediction.Guesses = Guesses(explanation, image, p.Top, p.Classes)
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
	var unwritten error
	for i, err := range writing {
		if err != nil {
			predictions[i].CAM = ""
			if unwritten == nil {
				unwritten = fmt.Errorf("class activation map: %w", err)
			}
		}
	}
	return predictions, unwritten
}
