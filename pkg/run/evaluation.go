package run

import (
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/infer"
)

// evaluationBatchSize is the largest number of test images that are evaluated at once.
const evaluationBatchSize = 256

// evaluation runs the network that is being trained on the test images. For XLA, which compiles for
// seconds, its program is compiled while training runs. It therefore has variables of its own, to which
// the values of those that are being trained are lent for each evaluation.
type evaluation struct {
	network *infer.Network
	// loans are the variables of its own, nil if it has none, and lent is whether they have values of others.
	loans []loan
	lent  bool
	// compiled gets the result of compiling in the background; nil before it starts and after it
	// was received.
	compiled chan compiled
}

// loan is a variable of an evaluation and the one whose value it shows.
type loan struct{ to, from *model.Variable }

// compiled is the end of compiling: a note of how long it took, and whether it failed.
type compiled struct {
	note string
	err  error
}

// newEvaluation prepares the evaluation of the session's network.
func (s *session) newEvaluation() (*evaluation, error) {
	e, store := new(evaluation), s.store
	if s.Backend.Name() == "xla" {
		var err error
		if store, err = declare(s.recipe); err != nil {
			return nil, err
		}
		for variable := range store.Scope(ModelPath).IterVariables() {
			// Zeros, for compiling; drawing weights would take a program of its own.
			if err := variable.SetValue(tensors.FromShape(variable.Shape())); err != nil {
				return nil, err
			}
			e.loans = append(e.loans, loan{to: variable, from: s.store.GetVariable(variable.Path())})
		}
	}
	var err error
	if e.network, err = infer.New(s.Backend, store, ModelPath, s.recipe.Model, s.recipe.Normalization); err != nil {
		return nil, err
	}
	e.network.SetPrecision(s.recipe.DType())
	if s.Input == InputDevice {
		return e, e.network.Keep(s.Test)
	}
	return e, nil
}

// compileEvaluation starts to compile the program of evaluations in the background, on a backend where that
// takes long. A resumed run may have evaluated before its first step: then the program is compiled already, and
// what was lent to it must not be read while training replaces it.
func (s *session) compileEvaluation() {
	if s.evaluation == nil || len(s.evaluation.loans) == 0 || s.evaluation.lent {
		return
	}
	result := make(chan compiled, 1)
	s.evaluation.compiled = result
	network, batchSize := s.evaluation.network, s.evaluationBatchSize()
	go func() {
		first := startCompiling()
		var err error
		if caught := exceptions.TryCatch[error](func() { err = network.Prepare(s.Test, batchSize) }); caught != nil {
			err = caught
		}
		result <- compiled{first.note("compiling the evaluation took %.1f s, while training ran",
			"loading the evaluation from the cache took %.1f s, while training ran"), err}
	}()
}

// evaluate evaluates the network on the test images, if there are any.
func (s *session) evaluate() error {
	e := s.evaluation
	if e == nil {
		return nil
	}
	resumed := e.compiled == nil
	if resumed { // with its evaluation, and no step that would have started this
		s.compileEvaluation()
	}
	if e.compiled != nil {
		select {
		case c := <-e.compiled:
			e.compiled = nil
			if c.err != nil {
				return fmt.Errorf("compile the evaluation: %w", c.err)
			}
			if !resumed {
				s.Report.Note(c.note)
			}
			s.noteUnkept()
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	if err := e.lend(); err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	result, err := e.network.Evaluate(s.ctx, s.Test, s.evaluationBatchSize(), func(done int) { s.Report.Evaluating(done, s.Test.Len()) })
	if err != nil {
		return err
	}
	s.outcome.Test = result
	return nil
}

// lend lends the values of the variables that are being trained.
func (e *evaluation) lend() error {
	for _, l := range e.loans {
		value, err := l.from.Value()
		if err != nil {
			return err
		}
		set := l.to.SetValue
		if e.lent {
			set = l.to.SetValuePreservingOld // what was lent before is not ours to free
		}
		if err := set(value); err != nil {
			return err
		}
	}
	e.lent = true
	return nil
}

// finalize frees what the evaluation holds on the backend. It does not wait for a program that is still
// being compiled: a run that is interrupted ends at once, and frees it later.
func (e *evaluation) finalize() {
	if e.compiled == nil {
		e.network.Finalize()
		return
	}
	go func() {
		<-e.compiled
		e.network.Finalize()
	}()
}

// evaluationBatchSize returns the number of test images to evaluate at once. XLA's batches all have the
// same size where possible, so that no image is computed for nothing.
func (s *session) evaluationBatchSize() int {
	if s.Backend.Name() == "xla" {
		for n := evaluationBatchSize; n >= evaluationBatchSize/4; n-- {
			if s.Test.Len()%n == 0 {
				return n
			}
		}
	}
	return evaluationBatchSize
}
