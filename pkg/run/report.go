package run

// Reporter is told about the progress of a run. Its methods are called from the training loop and
// should be quick.
type Reporter interface {
	// Step is called after every step, with metrics averaged since the last call of Line.
	Step(Metrics)
	// Line is called with every step line.
	Line(Metrics)
	// Evaluating is called during the evaluation of the test images.
	Evaluating(done, total int)
	// Epoch is called with every epoch line.
	Epoch(Metrics)
	// Note is called with a message for the user.
	Note(string)
}

// silent is a Reporter that ignores everything.
type silent struct{}

func (silent) Step(Metrics)        {}
func (silent) Line(Metrics)        {}
func (silent) Evaluating(int, int) {}
func (silent) Epoch(Metrics)       {}
func (silent) Note(string)         {}
