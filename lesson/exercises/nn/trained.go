package nn

// Trained is a network that somebody has trained: a body, which turns inputs into features, and
// a head, the linear layer fc, which turns features into logits.
type Trained interface {
	// Layers returns the names of all layers, from the first to the head: fc1, bn1, …, fc.
	// Those that begin with bn are batch norms.
	Layers() []string
	// Features returns the number of features, which the head gets.
	Features() int
	// SetHead replaces the head by a new linear layer, with weight [features][classes] and
	// bias [classes]. Training changes the new head, whatever was said about the old one.
	SetHead(weight [][]float32, bias []float32)
	// SetTrainable says whether training changes the weights of a layer. At first it changes
	// those of all layers.
	SetTrainable(layer string, trainable bool)
	// SetTraining switches a layer to training mode or to evaluation mode. In training mode
	// a batch norm uses the batch's statistics and moves its running statistics, whether its
	// weights are trainable or not; in evaluation mode it uses the running statistics and
	// leaves them alone. At first all layers are in training mode.
	SetTraining(layer string, training bool)
}
