package check

import (
	"fmt"
	"slices"
)

// momentumCase is a few steps of stochastic gradient descent, with the weights after each
// step of PyTorch's optimiser.
type momentumCase struct {
	Step     string    `json:"step"`
	Momentum float64   `json:"momentum"`
	Decay    float64   `json:"decay"`
	Weights  []float64 `json:"weights"`
	// Velocity is where the velocity starts; nil if these are the first steps.
	Velocity []float64 `json:"velocity"`
	Steps    []struct {
		Rate      float64   `json:"rate"`
		Gradients []float64 `json:"gradients"`
		Want      []float64 `json:"want"`
		// Velocity is PyTorch's momentum_buffer after the step, which it lacks without momentum.
		Velocity []float64 `json:"velocity"`
	} `json:"steps"`
}

func (c momentumCase) String() string {
	velocity := ""
	if c.Velocity != nil {
		velocity = ", Velocity: " + numbers(c.Velocity)
	}
	return fmt.Sprintf("SGD{Momentum: %g, WeightDecay: %g%s} from weights %s", c.Momentum, c.Decay, velocity, numbers(c.Weights))
}

// SGD has the same fields as the type SGD of the exercise momentum, so one converts to the
// other.
type SGD struct {
	LearningRate, Momentum, WeightDecay float64
	Velocity                            []float64
}

// Stepper is the method that the exercise asks for.
type Stepper interface {
	Step(weights, gradients []float64)
}

// Momentum checks the exercise momentum. answer converts an SGD to the exercise's type.
func Momentum(t T, answer func(*SGD) Stepper) {
	t.Helper()
	cases := torch().Momentum
	values := func(step string, mistakes []mistake[momentumCase, [][]float64]) func() error {
		compare := trial[momentumCase, [][]float64]{
			answer: func(c momentumCase) [][]float64 {
				s := &SGD{Momentum: c.Momentum, WeightDecay: c.Decay, Velocity: slices.Clone(c.Velocity)}
				stepper, weights := answer(s), append([]float64(nil), c.Weights...)
				return c.walk(weights, func(rate float64, gradients []float64) {
					s.LearningRate = rate
					stepper.Step(weights, append([]float64(nil), gradients...))
				})
			},
			want: func(c momentumCase) [][]float64 {
				var weights [][]float64
				for _, step := range c.Steps {
					weights = append(weights, step.Want)
				}
				return weights
			},
			same: func(a, b [][]float64) bool {
				for i := range a {
					if !nearAll(a[i], b[i]) {
						return false
					}
				}
				return true
			},
			what:     momentumCase.String,
			explain:  explainWeights,
			mistakes: mistakes,
			// Without momentum and decay, a velocity without the gradient stays 0.
			strict: map[string][]momentumCase{"weights-not-changed": cases},
			unmade: noVelocityYet,
		}
		for _, c := range cases {
			if c.Step == step {
				compare.cases = append(compare.cases, c)
			}
		}
		return func() error {
			if err := compare.try(); err != nil {
				return err
			}
			for _, c := range compare.cases {
				if err := c.velocities(answer); err != nil {
					return err
				}
			}
			return nil
		}
	}
	run(t, "momentum",
		step{"no momentum", 2, values("no momentum", descentMistakes)},
		step{"on its own", 1, func() error { return keepsToItself(answer) }},
		step{"momentum", 3, values("momentum", momentumMistakes)},
		step{"a learning rate that changes", 2, values("a learning rate that changes", momentumMistakes)},
		step{"weight decay", 2, values("weight decay", decayMistakes)},
	)
}

var noVelocityYet = Hint{"no-velocity-yet", "Velocity is nil before the first step: make a slice of zeros, one for each weight"}

// walk calls step for each step of the case and returns the weights after each.
func (c momentumCase) walk(weights []float64, step func(rate float64, gradients []float64)) [][]float64 {
	var after [][]float64
	for _, s := range c.Steps {
		step(s.Rate, s.Gradients)
		after = append(after, append([]float64(nil), weights...))
	}
	return after
}

// explainWeights shows the steps up to the first one with wrong weights.
func explainWeights(c momentumCase, want, got [][]float64) *Failure {
	what := c.String()
	for i, step := range c.Steps {
		what += fmt.Sprintf("\n  step %d: learning rate %g, gradients %s", i+1, step.Rate, numbers(step.Gradients))
		if !nearAll(want[i], got[i]) {
			return &Failure{What: what, Want: "weights " + numbers(want[i]), Got: "weights " + numbers(got[i]),
				Pattern: pattern(want[i], got[i], nil)}
		}
	}
	panic("check: these weights are right")
}

// velocities checks the field Velocity after each step, for an answer whose weights are right.
// A run that is saved and resumed later starts from it.
func (c momentumCase) velocities(answer func(*SGD) Stepper) error {
	s := &SGD{Momentum: c.Momentum, WeightDecay: c.Decay, Velocity: slices.Clone(c.Velocity)}
	stepper, weights := answer(s), slices.Clone(c.Weights)
	what := c.String()
	for i, step := range c.Steps {
		s.LearningRate = step.Rate
		stepper.Step(weights, slices.Clone(step.Gradients))
		what += fmt.Sprintf("\n  step %d: learning rate %g, gradients %s", i+1, step.Rate, numbers(step.Gradients))
		if step.Velocity != nil && !nearAll(step.Velocity, s.Velocity) {
			return &Failure{What: what, Want: "Velocity " + numbers(step.Velocity), Got: "Velocity " + numbers(s.Velocity)}
		}
	}
	return nil
}

// keepsToItself checks that the gradients stay as they are, that the velocity is not in the
// slice of the gradients, and that two optimisers do not share a velocity.
func keepsToItself(answer func(*SGD) Stepper) error {
	gradients := []float64{2, -4}
	stepper := answer(&SGD{LearningRate: 0.5, Momentum: 0.5, WeightDecay: 0.5})
	stepper.Step([]float64{1, 3}, gradients)
	if want := []float64{2, -4}; !nearAll(gradients, want) {
		return &Failure{
			What: "the gradients after Step(weights, gradients)", Want: numbers(want), Got: numbers(gradients),
			Hint: Hint{"gradients-changed", "the gradients belong to the caller: work on a local variable, not on the slice, and give Velocity a slice of its own"},
		}
	}
	first, second := []float64{1, 3}, []float64{1, 3}
	answer(&SGD{LearningRate: 0.5, Momentum: 0.5}).Step(first, []float64{2, -4})
	answer(&SGD{LearningRate: 0.5, Momentum: 0.5}).Step(second, []float64{2, -4})
	if !nearAll(first, second) {
		return &Failure{
			What: "the weights after the first Step of two SGDs, both with weights [1 3] and gradients [2 -4]",
			Want: "the same weights", Got: numbers(first) + " and " + numbers(second),
			Hint: Hint{"shared-velocity", "keep the velocity in the field Velocity, so that each SGD has its own; a package-level variable is shared by all of them"},
		}
	}
	// It must make no difference whether the caller fills the same slice again or passes a new one.
	var after [2][]float64
	for i := range after {
		after[i] = []float64{1, 3}
		gradients := []float64{2, -4}
		stepper := answer(&SGD{LearningRate: 0.5, Momentum: 0.5})
		stepper.Step(after[i], gradients)
		if i > 0 {
			gradients = slices.Clone(gradients)
		}
		copy(gradients, []float64{1, 1})
		stepper.Step(after[i], gradients)
	}
	if !nearAll(after[0], after[1]) {
		return &Failure{
			What: "the weights after Step with the gradients [2 -4] and, in the same slice, then [1 1]",
			Want: numbers(after[1]) + ", as with two slices", Got: numbers(after[0]),
			Hint: Hint{"gradients-kept", "the slice of the gradients belongs to the caller, who fills it again for the next step: copy the values you want to keep"},
		}
	}
	return nil
}

// sgdMistake returns the mistake whose step updates the weights w, given the gradients g and
// its own state v, which starts at 0.
func sgdMistake(name, text string, step func(s SGD, w, g, v []float64)) mistake[momentumCase, [][]float64] {
	return mistake[momentumCase, [][]float64]{Hint{name, text}, func(c momentumCase) [][]float64 {
		weights, velocity := slices.Clone(c.Weights), make([]float64, len(c.Weights))
		copy(velocity, c.Velocity)
		return c.walk(weights, func(rate float64, gradients []float64) {
			step(SGD{LearningRate: rate, Momentum: c.Momentum, WeightDecay: c.Decay}, weights, gradients, velocity)
		})
	}}
}

var descentMistakes = []mistake[momentumCase, [][]float64]{
	sgdMistake("uphill", "the gradient points to where the loss grows: subtract it, do not add it",
		func(s SGD, w, g, _ []float64) {
			for i := range w {
				w[i] += s.LearningRate * g[i]
			}
		}),
	sgdMistake("learning-rate-forgotten", "the learning rate is missing: a step is the learning rate times the velocity",
		func(_ SGD, w, g, _ []float64) {
			for i := range w {
				w[i] -= g[i]
			}
		}),
	sgdMistake("weights-not-changed", "the weights never change: each step has to write to weights[i]. Assigning to the loop variable, or to the parameter weights itself, does not reach the caller",
		func(_ SGD, _, _, _ []float64) {}),
	// This one shows even without momentum.
	sgdMistake("velocity-used-before-its-update", "update the velocity with the gradient first, then take the step with it",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				w[i] -= s.LearningRate * v[i]
				v[i] = s.Momentum*v[i] + g[i]
			}
		}),
}

var dampened = sgdMistake("dampening", "the gradient enters the velocity in full: v ← Momentum·v + g. You have (1 − Momentum)·g, which makes v an average; PyTorch calls that dampening and leaves it out by default",
	func(s SGD, w, g, v []float64) {
		for i := range w {
			v[i] = s.Momentum*v[i] + (1-s.Momentum)*g[i]
			w[i] -= s.LearningRate * v[i]
		}
	})

var momentumMistakes = []mistake[momentumCase, [][]float64]{
	sgdMistake("velocity-forgotten", "nothing carries over from step to step: keep the velocity in the field Velocity, and multiply it by Momentum in the next step",
		func(s SGD, w, g, _ []float64) {
			for i := range w {
				w[i] -= s.LearningRate * g[i]
			}
		}),
	dampened,
	sgdMistake("nesterov", "this is Nesterov's momentum, which looks one step ahead; the task asks for the plain one, w ← w − LearningRate·v",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				v[i] = s.Momentum*v[i] + g[i]
				w[i] -= s.LearningRate * (g[i] + s.Momentum*v[i])
			}
		}),
	sgdMistake("velocity-added-up", "the old velocity is added in full; multiply it by Momentum first",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				v[i] += g[i]
				w[i] -= s.LearningRate * v[i]
			}
		}),
	sgdMistake("learning-rate-in-velocity", "the learning rate is inside the velocity, so old gradients keep the rate they came with. It makes no difference until the rate changes; PyTorch multiplies the whole velocity by the current rate",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				v[i] = s.Momentum*v[i] + s.LearningRate*g[i]
				w[i] -= v[i]
			}
		}),
}

// decayMistake returns a mistake that is right but for weight decay: decay is what it adds to
// the gradient of a weight, after what it also subtracts from the weight.
func decayMistake(name, text string, decay, after func(s SGD, w float64) float64) mistake[momentumCase, [][]float64] {
	return sgdMistake(name, text, func(s SGD, w, g, v []float64) {
		for i := range w {
			old := w[i]
			v[i] = s.Momentum*v[i] + g[i] + decay(s, old)
			w[i] -= s.LearningRate*v[i] + after(s, old)
		}
	})
}

func nothing(SGD, float64) float64 { return 0 }

var decayMistakes = []mistake[momentumCase, [][]float64]{
	decayMistake("decay-forgotten", "weight decay is missing: it adds WeightDecay·w to the gradient of each weight w", nothing, nothing),
	decayMistake("decay-sign", "WeightDecay·w is added to the gradient, so that the step shrinks the weight; with the other sign, weights grow",
		func(s SGD, w float64) float64 { return -s.WeightDecay * w }, nothing),
	decayMistake("decay-after-momentum", "the decay is subtracted from the weight directly, as in AdamW. In SGD it is part of the gradient, so it goes through the velocity",
		nothing, func(s SGD, w float64) float64 { return s.LearningRate * s.WeightDecay * w }),
	decayMistake("decay-without-learning-rate", "the decay is subtracted from the weight directly, without the learning rate. In SGD it is part of the gradient",
		nothing, func(s SGD, w float64) float64 { return s.WeightDecay * w }),
	decayMistake("decay-without-weight", "the decay is multiplied by the weight, so that large weights shrink more",
		func(s SGD, _ float64) float64 { return s.WeightDecay }, nothing),
}
