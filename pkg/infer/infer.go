// Package infer runs trained networks: logits for images, where in them a class was found,
// and the measures of a classifier over a labelled set.
package infer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/resnet"
)

// Network is a network that is ready to be run. It is for one goroutine at a time.
type Network struct {
	config  resnet.Config
	dtype   dtypes.DType
	exec    *model.Exec
	explain *model.Exec
	// kept are images that lie on the device, as pixels, and gathered runs the network on a
	// batch of them.
	kept     *dataset.Images
	pixels   *tensors.Tensor
	gathered map[int]*model.Exec // by the size of the batch
	gather   func(batch int) (*model.Exec, error)
}

// New returns the network whose variables are under the given path of the store; none
// there is an error. The normalization must be that of the training.
func New(backend compute.Backend, store *model.Store, path string, config resnet.Config, normalization dataset.Normalization) (*Network, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if store.Scope(path).NumVariables() == 0 {
		// Forward would make them, at random.
		return nil, fmt.Errorf("prepare %s: there are no weights under %s", config.Name, path)
	}
	n := &Network{config: config, dtype: resnet.DType, gathered: map[int]*model.Exec{}}
	forward := func(pixels *graph.Node) *graph.Node {
		images := normalization.Apply(pixels)
		return config.Forward(store.Scope(path), graph.ConvertDType(images, n.dtype))
	}
	n.gather = func(batch int) (*model.Exec, error) {
		return model.NewExec(backend, store, func(_ *model.Scope, pixels, from *graph.Node) *graph.Node {
			place := graph.Add(graph.Iota(pixels.Graph(), shapes.Make(dtypes.Int32, batch, 1), 0), from)
			last := graph.Const(pixels.Graph(), int32(pixels.Shape().Dim(0)-1)) // over and over, if the batch is not full
			return forward(graph.Gather(pixels, graph.Min(place, last)))
		})
	}
	var err error
	if n.exec, err = model.NewExec(backend, store, func(_ *model.Scope, pixels *graph.Node) *graph.Node { return forward(pixels) }); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", config.Name, err)
	}
	if n.explain, err = model.NewExec(backend, store, explaining(store, path, config, normalization)); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", config.Name, err)
	}
	return n, nil
}

// Compute has the network compute logits in the given precision: bfloat16 for mixed precision
// (see [resnet.Config.Forward]), which Explain never is. It is to be called before the first
// logits are.
func (n *Network) Compute(dtype dtypes.DType) { n.dtype = dtype }

// Keep puts images on the device, as bytes, so that Evaluate on just these sends none of them:
// for a GPU, and images that are evaluated again and again. They must not change, and
// take the place of others that were kept.
func (n *Network) Keep(images *dataset.Images) error {
	if err := images.Validate(); err != nil {
		return err
	}
	if err := n.letGo(); err != nil {
		return err
	}
	n.kept = images
	n.pixels = tensors.FromFlatDataAndDimensions(images.Pixels, images.Len(), images.Height, images.Width, 3)
	return nil
}

// letGo frees the images that are kept.
func (n *Network) letGo() error {
	if n.kept == nil {
		return nil
	}
	err := n.pixels.FinalizeAll()
	n.kept, n.pixels = nil, nil
	return err
}

// Logits returns the logits of n images, row by row [n, classes]. The images are bytes
// [n, height, width, 3].
func (n *Network) Logits(pixels []byte, height, width int) ([]float32, error) {
	images, err := countImages(pixels, height, width)
	if err != nil {
		return nil, err
	}
	return n.run(n.exec, tensors.FromFlatDataAndDimensions(pixels, images, height, width, 3))
}

// logitsFrom returns the logits of a batch of the images that are kept. What is beyond the last
// image is of no meaning.
func (n *Network) logitsFrom(from, batch int) ([]float32, error) {
	exec := n.gathered[batch]
	if exec == nil {
		var err error
		if exec, err = n.gather(batch); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", n.config.Name, err)
		}
		n.gathered[batch] = exec
	}
	return n.run(exec, n.pixels, int32(from))
}

func (n *Network) run(exec *model.Exec, inputs ...any) ([]float32, error) {
	outputs, err := exec.Call(inputs...)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", n.config.Name, err)
	}
	logits, err := tensors.CopyFlatData[float32](outputs[0])
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", n.config.Name, err)
	}
	return logits, outputs[0].FinalizeAll()
}

func countImages(pixels []byte, height, width int) (int, error) {
	size := height * width * 3
	if size == 0 || len(pixels) == 0 || len(pixels)%size != 0 {
		return 0, fmt.Errorf("%d bytes are not images of %d×%d pixels", len(pixels), height, width)
	}
	return len(pixels) / size, nil
}

// Finalize frees what the network holds on the backend, but not its variables.
func (n *Network) Finalize() {
	n.exec.Finalize()
	n.explain.Finalize()
	for _, exec := range n.gathered {
		exec.Finalize()
	}
	_ = n.letGo() // the memory is the backend's, and goes with it if it cannot be freed
}

// Result is how a network did on a labelled set.
type Result struct {
	// Data is the name of the set.
	Data string `json:"data"`
	// Correct of Total images had their label as the first guess.
	Correct int `json:"correct"`
	Total   int `json:"total"`
	// Loss is the mean cross-entropy, without label smoothing.
	Loss float64 `json:"loss"`
	// Top1 and Top5 are the shares of images whose label was the first guess, and among the
	// first five.
	Top1 float64 `json:"top1"`
	Top5 float64 `json:"top5"`
	// Classes are the class names, and PerClass the share of each class's images that were
	// right; NaN does not go into JSON, so a class without images has 0.
	Classes  []string  `json:"classes"`
	PerClass []float64 `json:"per_class"`
	// Confusion counts images by their label (row) and their first guess (column).
	Confusion [][]int `json:"confusion"`
	// Guesses has the first guess for every image, and Losses its cross-entropy: −log of the
	// probability that its label was given.
	Guesses []int     `json:"-"`
	Losses  []float64 `json:"-"`
}

// Evaluate runs the network over images, batch by batch. It stops early, with the
// context's error, when the context is done. seen, if not nil, is called after each
// batch with the number of images so far.
func (n *Network) Evaluate(ctx context.Context, images *dataset.Images, batch int, seen func(images int)) (*Result, error) {
	classes := len(images.Classes)
	if err := images.Validate(); err != nil {
		return nil, err
	}
	switch {
	case images.Len() == 0:
		return nil, fmt.Errorf("%s: no images to evaluate on", images.Name)
	case classes != n.config.Classes:
		return nil, fmt.Errorf("%s has %d classes and %s tells %d apart; take the data it was trained on",
			images.Name, classes, n.config.Name, n.config.Classes)
	case batch < 1:
		return nil, fmt.Errorf("batches of %d images, want at least 1", batch)
	}
	r := &Result{Data: images.Name, Total: images.Len(), Classes: images.Classes,
		PerClass: make([]float64, classes), Confusion: make([][]int, classes)}
	for i := range r.Confusion {
		r.Confusion[i] = make([]int, classes)
	}
	batch = min(batch, images.Len())
	size := images.ImageSize()
	// The last batch is filled up: one of another size would have to be compiled first.
	logitsOf := n.logitsFrom
	if images != n.kept {
		pixels := make([]byte, batch*size)
		logitsOf = func(from, batch int) ([]float32, error) {
			to := min(from+batch, images.Len())
			clear(pixels[copy(pixels, images.Pixels[from*size:to*size]):])
			return n.Logits(slices.Clone(pixels), images.Height, images.Width)
		}
	}
	inTop5 := 0
	for from := 0; from < images.Len(); from += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+batch, images.Len())
		logits, err := logitsOf(from, batch)
		if err != nil {
			return nil, err
		}
		for i := from; i < to; i++ {
			row, label := logits[(i-from)*classes:(i-from+1)*classes], int(images.Labels[i])
			loss := LogSumExp(row) - float64(row[label])
			if math.IsNaN(loss) || math.IsInf(loss, 0) {
				return nil, fmt.Errorf("%s gives logits that are no numbers for image %d of %s; its weights have diverged",
					n.config.Name, i, images.Name)
			}
			r.Loss += loss
			r.Losses = append(r.Losses, loss)
			rank, guess := 0, 0
			for class, logit := range row {
				// Of equal logits the first class counts as the higher, as in an arg max.
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
		if seen != nil {
			seen(to)
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

// LogSumExp returns log Σ exp x, without overflow for large x.
func LogSumExp(xs []float32) float64 {
	largest := float64(slices.Max(xs))
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(float64(x) - largest)
	}
	return largest + math.Log(sum)
}

// Guess is a class and its probability.
type Guess struct {
	Class       int
	Probability float64
}

// Top returns the k most probable classes for one image's logits, the likeliest first.
func Top(logits []float32, k int) []Guess {
	total := LogSumExp(logits)
	guesses := make([]Guess, len(logits))
	for class, logit := range logits {
		guesses[class] = Guess{class, math.Exp(float64(logit) - total)}
	}
	slices.SortStableFunc(guesses, func(a, b Guess) int {
		switch {
		case a.Probability > b.Probability:
			return -1
		case a.Probability < b.Probability:
			return 1
		}
		return 0
	})
	return guesses[:min(k, len(guesses))]
}
