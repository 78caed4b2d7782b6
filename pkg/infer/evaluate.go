package infer

import (
	"context"
	"fmt"
	"math"

	"github.com/residual-go/residual/pkg/dataset"
)

// Result has the metrics of a network on labelled images.
type Result struct {
	// Data is the name of the images.
	Data string `json:"data"`
	// Split says which part of the data they are, such as test, held-out or all.
	Split dataset.Split `json:"split"`
	// Correct is the number of images, of Total, whose first guess was their label.
	Correct int `json:"correct"`
	Total   int `json:"total"`
	// Loss is the mean cross-entropy, without label smoothing.
	Loss float64 `json:"loss"`
	// Top1 and Top5 are the fractions of images whose label was the first guess, or among the
	// first five.
	Top1 float64 `json:"top1"`
	Top5 float64 `json:"top5"`
	// Classes are the class names, and PerClass is the accuracy on each class's images. A class
	// without images has 0, since JSON has no NaN.
	Classes  []string  `json:"classes"`
	PerClass []float64 `json:"per_class"`
	// Confusion counts images by label (row) and first guess (column).
	Confusion [][]int `json:"confusion"`
	// Guesses has the first guess for every image, and Losses its cross-entropy: −log of the
	// probability that the network gave to its label.
	Guesses []int     `json:"-"`
	Losses  []float64 `json:"-"`
}

// Prepare compiles the program that Evaluate needs for batches of these images, by running it on the
// first batch. With XLA, compiling takes seconds.
func (n *Network) Prepare(images *dataset.Images, batchSize int) error {
	_, err := n.logitsOf(images, 0, min(batchSize, images.Len()))
	return err
}

// logitsOf returns the logits [batchSize, classes] of a batch that starts at image from. A batch that reaches past the last
// image is padded, since one of another size would need a program of its own; the logits of the padding
// have no meaning.
func (n *Network) logitsOf(images *dataset.Images, from, batchSize int) ([]float32, error) {
	if images == n.kept {
		return n.logitsFrom(from, batchSize)
	}
	size := images.ImageSize()
	pixels := make([]byte, batchSize*size)
	copy(pixels, images.Pixels[from*size:min(from+batchSize, images.Len())*size])
	return n.Logits(pixels, images.Height, images.Width)
}

// Evaluate runs the network on images, in batches. Their classes are the network's, in the order of
// the logits; datasource.MatchClasses brings other images into that form. Evaluate stops with the
// context's error when the context is done. progress, if not nil, is called after each batch with the
// number of images so far.
func (n *Network) Evaluate(ctx context.Context, images *dataset.Images, batchSize int, progress func(images int)) (*Result, error) {
	classes := len(images.Classes)
	if err := images.Validate(); err != nil {
		return nil, err
	}
	switch {
	case images.Len() == 0:
		return nil, fmt.Errorf("%s: no images to evaluate on", images.Name)
	case classes != n.config.Classes:
		return nil, fmt.Errorf("%s has %d classes and %s distinguishes %d; use the data it was trained on",
			images.Name, classes, n.config.Name, n.config.Classes)
	case batchSize < 1:
		return nil, fmt.Errorf("batch size %d, want at least 1", batchSize)
	}
	r := &Result{Data: images.Name, Split: images.TestSplit(), Total: images.Len(), Classes: images.Classes,
		PerClass: make([]float64, classes), Confusion: make([][]int, classes)}
	for i := range r.Confusion {
		r.Confusion[i] = make([]int, classes)
	}
	batchSize = min(batchSize, images.Len())
	inTop5 := 0
	for from := 0; from < images.Len(); from += batchSize {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+batchSize, images.Len())
		logits, err := n.logitsOf(images, from, batchSize)
		if err != nil {
			return nil, err
		}
		for i := from; i < to; i++ {
			row, label := logits[(i-from)*classes:(i-from+1)*classes], int(images.Labels[i])
			loss := LogSumExp(row) - float64(row[label])
			if math.IsNaN(loss) || math.IsInf(loss, 0) {
				return nil, fmt.Errorf("%s gives logits that are NaN or infinite for image %d of %s; its weights have diverged",
					n.config.Name, i, images.Name)
			}
			r.Loss += loss
			r.Losses = append(r.Losses, loss)
			rank, guess := 0, 0
			for class, logit := range row {
				// Of equal logits the first class ranks higher, as in argmax.
				if logit > row[label] || logit == row[label] && class < label {
					rank++
				}
				if logit > row[guess] {
					guess = class
				}
			}
			if rank < 5 {
				inTop5++
			}
			r.Confusion[label][guess]++
			r.Guesses = append(r.Guesses, guess)
		}
		if progress != nil {
			progress(to)
		}
	}
	r.Loss /= float64(r.Total)
	r.Top5 = float64(inTop5) / float64(r.Total)
	for label, row := range r.Confusion {
		of := 0
		for _, n := range row {
			of += n
		}
		r.Correct += row[label]
		r.PerClass[label] = float64(row[label]) / float64(max(1, of))
	}
	r.Top1 = float64(r.Correct) / float64(r.Total)
	return r, nil
}
