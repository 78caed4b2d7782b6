package infer

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/resnet"
)

// Explanation is what a network says about some images, and what is needed to tell where
// in them it found that.
type Explanation struct {
	// Logits are those of Network.Logits, [images, classes].
	Logits []float32
	// Features go into the global average pool: [images, Height, Width, Channels].
	Features                []float32
	Height, Width, Channels int
	// Weight is that of the linear layer behind the pool, [Channels, classes].
	Weight []float32
}

// Explain returns the logits of n images, as Logits does, with what went into the last two
// layers. The images are bytes [n, height, width, 3].
//
// Inside, images are filled up to a power of two: a graph is compiled for every number of
// images, and this way that happens seldom. Logits that are no numbers are an error.
func (n *Network) Explain(pixels []byte, height, width int) (*Explanation, error) {
	images, err := countImages(pixels, height, width)
	if err != nil {
		return nil, err
	}
	batch := 1
	for batch < images {
		batch *= 2
	}
	filled := make([]byte, batch*height*width*3)
	copy(filled, pixels)
	outputs, err := n.explain.Exec(tensors.FromFlatDataAndDimensions(filled, batch, height, width, 3))
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", n.config.Name, err)
	}
	var data [3][]float32
	for i, output := range outputs {
		if data[i], err = tensors.CopyFlatData[float32](output); err != nil {
			return nil, fmt.Errorf("run %s: %w", n.config.Name, err)
		}
	}
	shape := outputs[1].Shape().Dimensions
	e := &Explanation{
		Logits: data[0][:images*n.config.Classes], Weight: data[2],
		Height: shape[1], Width: shape[2], Channels: shape[3],
	}
	e.Features = data[1][:images*e.Height*e.Width*e.Channels]
	for i := range images {
		if sum := LogSumExp(e.Logits[i*n.config.Classes:][:n.config.Classes]); math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, fmt.Errorf("%s gives logits that are no numbers; its weights have diverged", n.config.Name)
		}
	}
	for _, output := range outputs {
		if err := output.FinalizeAll(); err != nil {
			return nil, fmt.Errorf("run %s: %w", n.config.Name, err)
		}
	}
	return e, nil
}

// explaining returns the graph behind Explain: logits, features and weight.
func explaining(store *model.Store, path string, config resnet.Config, normalization dataset.Normalization) func(*model.Scope, *graph.Node) []*graph.Node {
	last := fmt.Sprintf("layer%d", len(config.Blocks))
	if config.PreActivation {
		last = "relu" // behind the batch norm that follows the last stage
	}
	return func(_ *model.Scope, pixels *graph.Node) []*graph.Node {
		scope := store.Scope(path)
		var features *graph.Node
		logits := config.Forward(scope, normalization.Apply(pixels), func(name string, x *graph.Node) {
			if name == last {
				features = x
			}
		})
		return []*graph.Node{logits, features, scope.At(resnet.HeadName).GetVariable("weight").NodeValue(pixels.Graph())}
	}
}

// Classes is the number of classes.
func (e *Explanation) Classes() int { return len(e.Weight) / e.Channels }

// Top returns the k most probable classes of one image, the likeliest first.
func (e *Explanation) Top(image, k int) []Guess {
	return Top(e.Logits[image*e.Classes():][:e.Classes()], k)
}

// ClassMap returns the class activation map of one image and class, [Height, Width] row by
// row: how much each place adds to the class's logit (Zhou et al. 2016, "Learning Deep
// Features for Discriminative Localization"),
//
//	CAM_c(y, x) = Σ_k w_kc · f_k(y, x),
//
// where f_k are the features and w the weight. The pool and the linear layer are linear, so
// their order can be changed: the mean of a class's map, and the bias, is its logit.
func (e *Explanation) ClassMap(image, class int) []float64 {
	values, classes := make([]float64, e.Height*e.Width), e.Classes()
	for place := range values {
		features := e.Features[(image*len(values)+place)*e.Channels:][:e.Channels]
		for k, f := range features {
			values[place] += float64(e.Weight[k*classes+class]) * float64(f)
		}
	}
	return values
}
