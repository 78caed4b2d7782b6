package nn

// Parameter is a tensor of a network, read into memory: a layer's weights, or the gradient of
// the loss at them.
type Parameter struct {
	// Name is torchvision's, such as layer1.0.conv1.weight: the name of the layer, a dot, and
	// the name of the tensor in that layer.
	Name string
	// Shape is [height, width, in, out] for the weight of a convolution, [in, out] for that of
	// a linear layer, and [channels] for everything else.
	Shape []int
	// Values are in row-major order: the last axis varies fastest.
	Values []float32
}

// LayerNorm is the norm of the gradient at the parameters of a layer.
type LayerNorm struct {
	Layer string
	Norm  float64
}
