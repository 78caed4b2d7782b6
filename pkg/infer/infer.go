// Package infer runs trained networks: it computes logits for images, finds where in an image
// a class was recognised, and evaluates a network on labelled images.
//
// infer.go has the network and its logits, evaluate.go accuracy and loss, explain.go class
// activation maps, and guess.go probabilities.
package infer

import (
	"cmp"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/resnet"
)

// Network is a network ready to run. Only one goroutine may use it at a time.
type Network struct {
	config  resnet.Config
	dtype   dtypes.DType
	exec    *model.Exec
	explain *model.Exec
	// kept are the images whose pixels are on the device; nil if there are none. gathered has
	// the executables that run the network on a batch of them, by batch size, and gather makes
	// one.
	kept     *dataset.Images
	pixels   *tensors.Tensor
	gathered map[int]*model.Exec
	gather   func(batchSize int) (*model.Exec, error)
}

// New returns the network whose variables are under the given path of the store. It is an
// error if there are none, or if they are those of another network. The normalization must be the
// one used in training.
func New(backend compute.Backend, store *model.Store, path string, config resnet.Config, normalization dataset.Normalization) (*Network, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if err := normalization.Validate(); err != nil {
		return nil, err
	}
	config.Name = cmp.Or(config.Name, resnet.NameOf(config))
	if err := config.Check(store, path); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", config.Name, err)
	}
	n := &Network{config: config, dtype: resnet.DType, gathered: map[int]*model.Exec{}}
	forward := func(pixels *graph.Node) *graph.Node {
		images := normalization.Apply(pixels)
		return config.Forward(store.Scope(path), graph.ConvertDType(images, n.dtype))
	}
	n.gather = func(batchSize int) (*model.Exec, error) {
		return model.NewExec(backend, store, func(_ *model.Scope, pixels, from *graph.Node) *graph.Node {
			place := graph.Add(graph.Iota(pixels.Graph(), shapes.Make(dtypes.Int32, batchSize, 1), 0), from)
			last := graph.Const(pixels.Graph(), int32(pixels.Shape().Dim(0)-1)) // repeated if the batch is not full
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

// SetPrecision makes the network compute logits in the given dtype: bfloat16 for mixed
// precision, see [resnet.Config.Forward]. It does not affect Explain. Call it before the
// first logits are computed.
func (n *Network) SetPrecision(dtype dtypes.DType) { n.dtype = dtype }

// Keep copies images to the device, as bytes, so that Evaluate on the same *dataset.Images need
// not send them. It is for GPUs and images that are evaluated many times. The images must not
// change. They replace those of an earlier call.
func (n *Network) Keep(images *dataset.Images) error {
	if err := images.Validate(); err != nil {
		return err
	}
	if err := n.release(); err != nil {
		return err
	}
	n.kept = images
	n.pixels = tensors.FromFlatDataAndDimensions(images.Pixels, images.Len(), images.Height, images.Width, 3)
	return nil
}

// release frees the images on the device.
func (n *Network) release() error {
	if n.kept == nil {
		return nil
	}
	err := n.pixels.FinalizeAll()
	n.kept, n.pixels = nil, nil
	return err
}

// Logits returns the logits [images, classes] of images [images, height, width, 3].
func (n *Network) Logits(pixels []byte, height, width int) ([]float32, error) {
	images, err := countImages(pixels, height, width)
	if err != nil {
		return nil, err
	}
	return n.run(n.exec, tensors.FromFlatDataAndDimensions(pixels, images, height, width, 3))
}

// logitsFrom returns the logits of a batch of the kept images that starts at image from. Rows
// past the last image have no meaning.
func (n *Network) logitsFrom(from, batchSize int) ([]float32, error) {
	exec := n.gathered[batchSize]
	if exec == nil {
		var err error
		if exec, err = n.gather(batchSize); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", n.config.Name, err)
		}
		n.gathered[batchSize] = exec
	}
	return n.run(exec, n.pixels, int32(from))
}

// run returns the logits that exec computes.
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

// countImages returns how many images of the given size the pixels are.
func countImages(pixels []byte, height, width int) (int, error) {
	size := height * width * 3
	if size == 0 || len(pixels) == 0 || len(pixels)%size != 0 {
		return 0, fmt.Errorf("%d bytes are not images of %d×%d pixels", len(pixels), height, width)
	}
	return len(pixels) / size, nil
}

// Finalize frees everything the network holds on the backend, except its variables.
func (n *Network) Finalize() {
	n.exec.Finalize()
	n.explain.Finalize()
	for _, exec := range n.gathered {
		exec.Finalize()
	}
	_ = n.release() // on an error, the backend frees the memory at its own end
}
