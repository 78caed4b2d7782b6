package nn

// Learner is a network with its examples and its optimiser, as a training loop sees them.
// The methods are PyTorch's steps: GoMLX's trainer does all of them in one call.
type Learner interface {
	// Examples returns the number of training examples.
	Examples() int
	// Shuffle returns the indices of all training examples, 0 to Examples()−1, in a new
	// random order.
	Shuffle() []int
	// SetTraining switches between training mode and evaluation mode. In training mode batch
	// norm uses the batch's statistics and updates its running statistics; in evaluation
	// mode it uses the running statistics. A learner starts in evaluation mode.
	SetTraining(training bool)
	// SetLearningRate sets the learning rate of the steps that follow.
	SetLearningRate(rate float64)
	// ZeroGradients sets the gradients of all weights to 0, which is where they start.
	ZeroGradients()
	// Loss runs the network on a batch, given as indices of training examples, and returns
	// the mean loss.
	Loss(batch []int) float64
	// Backward adds the gradients of the latest Loss to the gradients of the weights.
	Backward()
	// Step subtracts from each weight the learning rate times its gradient.
	Step()
	// TestLoss runs the network on the test examples and returns their mean loss. It changes
	// no weights.
	TestLoss() float64
}

// Epoch is what a training loop records about one epoch.
type Epoch struct {
	// Loss is the mean loss over the training examples, each taken when its batch was
	// trained on. TestLoss is the mean loss over the test examples after the epoch.
	Loss, TestLoss float64
}
