package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

var trainingLoopHints = map[string]string{
	"no-shuffle":                "every epoch takes the examples in the same order, so the batches never change; use the order that Shuffle returns",
	"shuffled-once":             "one order serves all epochs; call Shuffle in every epoch",
	"gradients-accumulated":     "Backward adds to the gradients, so each step still contains the gradients of all earlier steps; set them to 0 before each Backward",
	"gradients-zeroed-too-late": "the gradients are set to 0 after Backward, so Step has nothing to do and nothing is learnt; the order is ZeroGradients, Loss, Backward, Step",
	"tested-in-training-mode":   "the test runs in training mode, so batch norm uses the test batch's statistics and each prediction depends on the rest of its batch; call SetTraining(false) first",
	"training-mode-left-off":    "training mode is switched on once, before the first epoch, and the test switches it off; switch it on at the start of every epoch",
	"training-mode-never-on":    "the network is trained in evaluation mode, so batch norm uses running statistics that are never updated; call SetTraining(true) at the start of every epoch",
	"last-batch-dropped":        "the last batch of an epoch is left out because it is not full; its examples count too",
	"loss-not-weighted":         "the epoch's loss is the mean of the batch means, in which an example of a small last batch counts for more; weight each batch by its size",
	"loss-not-divided":          "the epoch's loss is a sum; divide it by the number of examples",
	"loss-of-the-last-batch":    "the epoch's loss is that of its last batch; take the mean over all examples",
	"schedule-by-epoch":         "rate gets the number of the epoch; call it with the number of the step",
	"schedule-starts-over":      "the step count starts at 0 again in each epoch; keep counting through all epochs",
	"schedule-from-one":         "the first step uses rate(1); count steps from 0",
	"learning-rate-not-set":     "the learning rate never changes; set it before each step",
}

// trainingLoop is an answer to the exercise.
type trainingLoop func(learner nn.Learner, epochs, batch int, rate func(step int) float64) []nn.Epoch

// TrainingLoop checks the exercise trainingloop.
func TrainingLoop(t T, answer func(learner nn.Learner, epochs, batch int, rate func(step int) float64) []nn.Epoch) {
	t.Helper()
	loop := trainingLoop(answer)
	run(t, "trainingloop",
		step{"epochs", 2, func() error {
			history, err := loop.train()
			if want := graphCases("trainingloop")[0].Right.Shape[0]; err == nil && len(history) != want {
				err = &Failure{What: "the length of Train's result", Want: fmt.Sprintf("%d, one for each epoch", want), Got: fmt.Sprint(len(history))}
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

// train lets the answer train the small network.
func (loop trainingLoop) train() ([]nn.Epoch, error) {
	learner, err := newLearner()
	if err != nil {
		return nil, err
	}
	defer learner.finalize()
	return loop.run(learner, 3, 4, func(step int) float64 { return 0.5 / float64(1+step) })
}

// run calls the answer. It returns a failure if the answer does not end.
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
				What: fmt.Sprintf("epoch %d, with 10 examples in batches of 4", epoch),
				Want: fmt.Sprintf("Loss %.4f, TestLoss %.4f (PyTorch's)", row[0], row[1]),
				Got:  fmt.Sprintf("Loss %.4f, TestLoss %.4f", got[0], got[1]),
				Hint: loop.sure(c.reason(o)),
			}
		}
	}
	return nil
}

// sure returns the hint, or the zero Hint if other mistakes give the same values. Nothing is
// learned if the gradients are 0 at each step, but neither is it without Backward, without Step
// or with a learning rate of 0.
func (loop trainingLoop) sure(hint Hint) Hint {
	if hint.Name != "gradients-zeroed-too-late" {
		return hint
	}
	notes := witness{examples: 6}
	if _, err := loop.run(&notes, 1, 2, func(int) float64 { return 1 }); err != nil || !notes.zeroedLate {
		return Hint{}
	}
	return hint
}

// takesAll checks, with a learner that only records its calls, that every epoch takes each
// example once, in the order of Shuffle, in batches that are full except for the last; that
// each batch is learned from; and what the history says.
func (loop trainingLoop) takesAll(epochs, examples, batch int) error {
	var notes witness
	notes.examples = examples
	rate := func(step int) float64 { return 1 / float64(2+step) }
	history, err := loop.run(&notes, epochs, batch, rate)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("Train for %d epochs, with %d examples in batches of %d", epochs, examples, batch)
	var want []string
	var wantHistory []nn.Epoch
	steps := 0
	for epoch := range epochs {
		var record nn.Epoch
		for full := range slices.Chunk(order(epoch+1, examples), batch) {
			want = append(want, fmt.Sprint("Loss ", full))
			record.Loss += witnessLoss(steps) * float64(len(full)) / float64(examples)
			steps++
		}
		want = append(want, "TestLoss")
		record.TestLoss = witnessTestLoss(epoch)
		wantHistory = append(wantHistory, record)
	}
	if !slices.Equal(notes.lines, want) {
		failure := &Failure{What: what + ": the calls of the learner", Want: strings.Join(want, "\n"), Got: strings.Join(notes.lines, "\n")}
		if slices.Contains(notes.lines, "Loss []") {
			failure.Hint = Hint{"empty-batch", "if the examples fill whole batches, there is one more batch, an empty one; stop before it"}
		} else if examples < batch && !slices.ContainsFunc(notes.lines, func(line string) bool { return line != "TestLoss" }) {
			failure.Hint = Hint{"batch-larger-than-data", "the batch size may be larger than the number of examples; then take one batch with all of them"}
		}
		return failure
	}
	if notes.wrong == "" && len(notes.rates) == steps {
		for step, got := range notes.rates {
			if !near(got, rate(step), 1e-9) {
				notes.wrong = fmt.Sprintf("step %d with the learning rate %g; rate(%[1]d) is %[3]g", step, got, rate(step))
				break
			}
		}
	}
	switch {
	case notes.wrong != "":
		return &Failure{What: what, Want: "for each batch Loss and Backward in training mode, with gradients that start at 0, then Step; and TestLoss in evaluation mode", Got: notes.wrong}
	case len(notes.rates) != steps:
		return &Failure{What: what + ": the number of calls of Step", Want: fmt.Sprintf("%d, one for each batch", steps), Got: fmt.Sprint(len(notes.rates))}
	case len(history) != epochs:
		return &Failure{What: what + ": the length of the result", Want: fmt.Sprint(epochs), Got: fmt.Sprint(len(history))}
	}
	for epoch, got := range history {
		if w := wantHistory[epoch]; !near(got.Loss, w.Loss, 1e-9) || !near(got.TestLoss, w.TestLoss, 1e-9) {
			return &Failure{
				What: fmt.Sprintf("%s: epoch %d", what, epoch),
				Want: fmt.Sprintf("Loss %.4f, TestLoss %.4f", w.Loss, w.TestLoss), Got: fmt.Sprintf("Loss %.4f, TestLoss %.4f", got.Loss, got.TestLoss),
			}
		}
	}
	return nil
}

// witness is an nn.Learner that learns nothing but records the calls.
type witness struct {
	examples, shuffles, tests int
	losses                    calls
	lines                     []string
	training                  bool
	// backwards counts the calls of Backward since ZeroGradients, and pending is whether there
	// was a Loss since Backward.
	backwards int
	pending   bool
	// zeroing is whether the last call of ZeroGradients threw away gradients that no Step had used.
	zeroing, used bool
	rate          float64
	// rates has the learning rate of each step.
	rates []float64
	// zeroedLate is whether ZeroGradients came between Backward and Step.
	zeroedLate bool
	// wrong is the first call out of order.
	wrong string
}

// witnessLoss is the loss that a witness returns at its nth call, and witnessTestLoss the test
// loss.
func witnessLoss(n int) float64     { return 1 + hashed("loss", n+1)[n]/2 }
func witnessTestLoss(n int) float64 { return 1 + hashed("test loss", n+1)[n]/2 }

func (n *witness) Examples() int                { return n.examples }
func (n *witness) SetTraining(training bool)    { n.training = training }
func (n *witness) SetLearningRate(rate float64) { n.rate = rate }

func (n *witness) ZeroGradients() {
	n.zeroing, n.backwards, n.used = n.backwards > 0 && !n.used, 0, false
}

// note records the first fault.
func (n *witness) note(fault string) {
	if n.wrong == "" {
		n.wrong = fault
	}
}

func (n *witness) Backward() {
	if !n.pending {
		n.note("Backward without a new Loss before it")
	}
	n.pending, n.zeroing, n.used = false, false, false
	n.backwards++
}

func (n *witness) Step() {
	if n.backwards != 1 {
		n.note(fmt.Sprintf("Step with the gradients of %d batches", n.backwards))
	}
	if n.pending {
		n.note("Step without Backward after Loss")
	}
	n.zeroedLate = n.zeroedLate || n.zeroing
	n.used = true
	n.rates = append(n.rates, n.rate)
}

func (n *witness) Shuffle() []int {
	n.shuffles++
	return order(n.shuffles, n.examples)
}

func (n *witness) Loss(batch []int) float64 {
	n.losses.call("Loss")
	if !n.training {
		n.note("Loss in evaluation mode")
	}
	n.pending, n.zeroing = true, false
	n.lines = append(n.lines, fmt.Sprint("Loss ", batch))
	return witnessLoss(int(n.losses) - 1)
}

func (n *witness) TestLoss() float64 {
	if n.training {
		n.note("TestLoss in training mode")
	}
	n.lines = append(n.lines, "TestLoss")
	n.tests++
	return witnessTestLoss(n.tests - 1)
}
