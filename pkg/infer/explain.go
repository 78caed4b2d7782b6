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

// Explanation has a network's logits for some images, and what is needed to see which parts of
// the images they come from.
type Explanation struct {
	// Logits are those of Network.Logits, [images, classes].
	Logits []float32
	// Features are the input of the global average pool, [images, Height, Width, Channels].
	Features                []float32
	Height, Width, Channels int
	// Weight is the weight of the linear layer after the pool, [Channels, classes].
	Weight []float32
}

// Explain returns the logits of images [images, height, width, 3], as Logits does, with the
// input of the last two layers. It is an error if a logit is NaN or infinite.
//
// The images are padded to a power of two, because a graph is compiled for each number of
// images.
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
			return nil, fmt.Errorf("%s gives logits that are NaN or infinite; its weights have diverged", n.config.Name)
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
		last = "relu" // after the batch norm that follows the last stage
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

// Classes returns the number of classes.
func (e *Explanation) Classes() int { return len(e.Weight) / e.Channels }

// Top returns the k most probable classes of one image, the most probable first.
func (e *Explanation) Top(image, k int) []Guess {
	return Top(e.Logits[image*e.Classes():][:e.Classes()], k)
}

// ClassMap returns the class activation map [Height, Width] of one image and class: how much
// each position contributes to the class's logit (Zhou et al. 2016, "Learning Deep Features
// for Discriminative Localization"),
//
//	CAM_c(y, x) = Σ_k w_kc · f_k(y, x),
//
// where f_k are the features and w is the weight. The pool and the linear layer are both
// linear, so their order can be exchanged: a class's logit is the mean of its map plus the
// bias.
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
