package nn

// Learner is a network with its examples and its optimiser, as a training loop sees it.
// The parts are those of PyTorch: what GoMLX's trainer does in one call is here in the
// steps that it is made of.
type Learner interface {
	// Examples is the number of training examples.
	Examples() int
	// Shuffle returns the numbers of all training examples, from 0 to Examples()−1, in an
	// order that is another for each call.
	Shuffle() []int
	// SetTraining says whether the network trains or is tested: batch norm uses the batch's
	// statistics, and keeps running ones, or uses those. It is tested at first.
	SetTraining(training bool)
	// SetLearningRate is for the steps that follow.
	SetLearningRate(rate float64)
	// ZeroGradients sets the gradients of all weights to 0, as they are at first.
	ZeroGradients()
	// Loss runs the network on a batch, the training examples of those numbers, and returns
	// their mean loss.
	Loss(batch []int) float64
	// Backward adds the gradients of what Loss returned last to the gradients there are.
	Backward()
	// Step takes, from each weight, the learning rate times its gradient.
	Step()
	// TestLoss runs the network on the test examples and returns their mean loss. It changes
	// no weight.
	TestLoss() float64
}

// Epoch is what a training loop remembers of an epoch.
type Epoch struct {
	// Loss is the mean loss of the training examples, each as it was when its batch's turn
	// came, and TestLoss that of the test examples at the end of the epoch.
	Loss, TestLoss float64
}
