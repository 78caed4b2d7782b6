package probe

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/recipe"
)

// Output is the output of one layer for a batch of images.
type Output struct {
	// Layer is the name that a [resnet.Tap] receives.
	Layer string
	// Shape is [batch, height, width, channels], or [batch, channels] from avgpool on.
	Shape []int
	// Data has the values in row-major order.
	Data []float32
}

// Map returns one channel of one image's output, [height, width] in row-major order. The output
// must have four axes.
func (o Output) Map(image, channel int) []float64 {
	channels := o.Shape[3]
	values := make([]float64, o.Shape[1]*o.Shape[2])
	from := o.Data[image*len(values)*channels:]
	for i := range values {
		values[i] = float64(from[i*channels+channel])
	}
	return values
}

// Outputs returns the outputs of the named layers, in the order of the names. The network is in
// inference mode, and all images are one batch. The names are those that a [resnet.Tap] receives.
// The network's variables are those under path in the store, and must have values; those of another network
// are an error.
func Outputs(backend compute.Backend, store *model.Store, path string, r recipe.Recipe, images *dataset.Images, layers ...string) ([]Output, error) {
	if err := r.Model.Check(store, path); err != nil {
		return nil, fmt.Errorf("outputs of %s: %w", r.Model.Name, err)
	}
	exec, err := model.NewExec(backend, store, func(_ *model.Scope, pixels *graph.Node) []*graph.Node {
		found := make([]*graph.Node, len(layers))
		r.Model.Forward(store.Scope(path), r.Normalization.Apply(pixels), func(name string, x *graph.Node) {
			if i := slices.Index(layers, name); i >= 0 {
				found[i] = x
			}
		})
		for i, x := range found {
			if x == nil {
				exceptions.Panicf("there is no layer %q", layers[i])
			}
		}
		return found
	})
	if err != nil {
		return nil, fmt.Errorf("outputs of %s: %w", r.Model.Name, err)
	}
	defer exec.Finalize()
	outputs, err := exec.Call(pixelsOf(images))
	if err != nil {
		return nil, fmt.Errorf("outputs of %s: %w", r.Model.Name, err)
	}
	found := make([]Output, len(layers))
	for i, output := range outputs {
		data, err := tensors.CopyFlatData[float32](output)
		if err != nil {
			return nil, fmt.Errorf("outputs of %s: %w", r.Model.Name, err)
		}
		found[i] = Output{layers[i], output.Shape().Dimensions, data}
	}
	return found, nil
}
