package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var trainingLoopHints = map[string]string{
	"no-shuffle":                "every epoch takes the examples as they lie, so that the same ones always make a batch; take the order that Shuffle returns",
	"shuffled-once":             "one order is used for all epochs; call Shuffle in each",
	"gradients-accumulated":     "Backward adds to the gradients there are, so each step also goes where all the steps before it went; set them to 0 before each",
	"gradients-zeroed-too-late": "the gradients are set to 0 after Backward, so that Step finds nothing to do and nothing is learnt; zero, Loss, Backward, Step is the order",
	"tested-in-training-mode":   "the test is made in training mode, so that batch norm uses the test batch's statistics, and a prediction depends on what else is in its batch; SetTraining(false) first",
	"training-mode-left-off":    "training mode is set once, before the first epoch, and the test switched it off; set it at the start of each",
	"training-mode-never-on":    "the network is never set to training, so batch norm uses running statistics that nobody keeps",
	"last-batch-dropped":        "the last batch of an epoch, which is not full, is left out, and its examples with it",
	"loss-not-weighted":         "the epoch's loss is the mean of the batches' means, in which an example of the small last batch counts for more; weigh each by the size of its batch",
	"loss-not-divided":          "the epoch's loss is a sum; it is the mean over the examples",
	"loss-of-the-last-batch":    "the epoch's loss is that of its last batch; it is the mean over all examples",
	"schedule-by-epoch":         "the learning rate is set by the number of the epoch; rate is to be asked with the number of the step",
	"schedule-starts-over":      "steps are counted from 0 again in each epoch; they go on through all of them",
	"schedule-from-one":         "the first step's learning rate is rate(1); steps are counted from 0",
	"learning-rate-not-set":     "the learning rate stays what it was at first; set it before each step",
}

// trainingLoop is an answer.
type trainingLoop func(learner nn.Learner, epochs, batch int, rate func(step int) float64) []nn.Epoch

// TrainingLoop checks the exercise trainingloop.
func TrainingLoop(t T, answer func(learner nn.Learner, epochs, batch int, rate func(step int) float64) []nn.Epoch) {
	t.Helper()
	loop := trainingLoop(answer)
	run(t, "trainingloop",
		step{"epochs", 2, func() error {
			history, err := loop.train()
			if want := graphCases("trainingloop")[0].Right.Shape[0]; err == nil && len(history) != want {
				err = &Failure{What: "the length of what Train returned", Want: fmt.Sprintf("%d, one for each epoch", want), Got: fmt.Sprint(len(history))}
			}
			return err
		}},
		step{"values", 5, loop.values},
		step{"other sizes", 3, func() error {
			for _, c := range []struct{ epochs, examples, batch int }{{1, 6, 6}, {2, 6, 3}, {2, 3, 5}, {3, 7, 1}, {0, 4, 2}} {
				if err := loop.takesAll(c.epochs, c.examples, c.batch); err != nil {
					return err
				}
			}
			return nil
		}},
	)
}

// train gives the answer the small network to train.
func (loop trainingLoop) train() ([]nn.Epoch, error) {
	learner, err := newLearner()
	if err != nil {
		return nil, err
	}
	defer learner.finalize()
	return loop.run(learner, 3, 4, func(step int) float64 { return 0.5 / float64(1+step) })
}

// run calls the answer. It is a failure if it does not end.
func (loop trainingLoop) run(learner nn.Learner, epochs, batch int, rate func(step int) float64) (history []nn.Epoch, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			text, ok := caught.(endless)
			if !ok {
				panic(caught)
			}
			err = &Failure{What: fmt.Sprintf("Train for %d epochs", epochs), Want: "a history", Got: string(text), Hint: noEnd}
		}
	}()
	return loop(learner, epochs, batch, rate), nil
}

// values compares the history with PyTorch's.
func (loop trainingLoop) values() error {
	history, err := loop.train()
	if err != nil {
		return err
	}
	o := &outcome{shape: []int{len(history), 2}}
	for _, epoch := range history {
		o.values = append(o.values, float32(epoch.Loss), float32(epoch.TestLoss))
	}
	c := comparison{graphCase: graphCases("trainingloop")[0], hints: trainingLoopHints}
	for epoch, row := range slices.Collect(slices.Chunk(c.Right.Values, 2)) {
		if got := o.values[2*epoch:][:2]; !alike(got, row) {
			return &Failure{
				What: fmt.Sprintf("epoch %d of 10 examples in batches of 4", epoch),
				Want: fmt.Sprintf("Loss %.4f, TestLoss %.4f (PyTorch's)", row[0], row[1]),
				Got:  fmt.Sprintf("Loss %.4f, TestLoss %.4f", got[0], got[1]),
				Hint: c.reason(o),
			}
		}
	}
	return nil
}

// takesAll checks, with a learner that only takes notes, that each epoch takes every
// example once, in the order given, in batches that are full but for the last.
func (loop trainingLoop) takesAll(epochs, examples, batch int) error {
	var notes witness
	notes.examples = examples
	history, err := loop.run(&notes, epochs, batch, func(int) float64 { return 1 })
	if err != nil {
		return err
	}
	what := fmt.Sprintf("Train for %d epochs, with %d examples in batches of %d", epochs, examples, batch)
	var want []string
	for epoch := range epochs {
		for full := range slices.Chunk(order(epoch+1, examples), batch) {
			want = append(want, fmt.Sprint("Loss ", full))
		}
		want = append(want, "TestLoss")
	}
	if !slices.Equal(notes.lines, want) {
		failure := &Failure{What: what + ": the calls", Want: strings.Join(want, "\n"), Got: strings.Join(notes.lines, "\n")}
		if slices.Contains(notes.lines, "Loss []") {
			failure.Hint = Hint{"empty-batch", "where the batches come out even there is one more, of no examples"}
		} else if examples < batch {
			failure.Hint = Hint{"batch-larger-than-data", "a batch may be larger than all there is; then one of all examples is to be taken"}
		}
		return failure
	}
	if len(history) != epochs {
		return &Failure{What: what + ": the length of what it returned", Want: fmt.Sprint(epochs), Got: fmt.Sprint(len(history))}
	}
	return nil
}

// witness is an nn.Learner that learns nothing and notes what it is shown.
type witness struct {
	examples, shuffles int
	losses             calls
	lines              []string
}

func (n *witness) Examples() int           { return n.examples }
func (n *witness) SetTraining(bool)        {}
func (n *witness) SetLearningRate(float64) {}
func (n *witness) ZeroGradients()          {}
func (n *witness) Backward()               {}
func (n *witness) Step()                   {}

func (n *witness) Shuffle() []int {
	n.shuffles++
	return order(n.shuffles, n.examples)
}

func (n *witness) Loss(batch []int) float64 {
	n.losses.call("Loss")
	n.lines = append(n.lines, fmt.Sprint("Loss ", batch))
	return 1
}

func (n *witness) TestLoss() float64 {
	n.lines = append(n.lines, "TestLoss")
	return 1
}
