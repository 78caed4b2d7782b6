package nn

// Trained is a network that somebody has trained: a body, which turns inputs into features, and
// a head, the linear layer fc, which turns features into logits.
type Trained interface {
	// Layers returns the names of all layers, from the first to the head: fc1, bn1, …, fc.
	// Those that begin with bn are batch norms.
	Layers() []string
	// Features returns the number of features, which are the inputs of the head.
	Features() int
	// SetHead replaces the head by a new linear layer, with weight [features][classes] and
	// bias [classes]. The new head is trainable, even if the old one was frozen.
	SetHead(weight [][]float32, bias []float32)
	// SetTrainable sets whether training changes the weights of a layer. At first all layers
	// are trainable.
	SetTrainable(layer string, trainable bool)
	// SetTraining switches a layer to training mode or to evaluation mode. In training mode
	// a batch norm uses the batch's statistics and updates its running statistics, whether or
	// not its weights are trainable; in evaluation mode it uses the running statistics and
	// does not change them. At first all layers are in training mode.
	SetTraining(layer string, training bool)
}
