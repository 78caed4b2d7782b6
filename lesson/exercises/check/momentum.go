package check

import "fmt"

// momentumCase is a few steps of stochastic gradient descent and the weights that
// PyTorch's optimiser has after each.
type momentumCase struct {
	Step     string    `json:"step"`
	Momentum float64   `json:"momentum"`
	Decay    float64   `json:"decay"`
	Weights  []float64 `json:"weights"`
	Steps    []struct {
		Rate      float64   `json:"rate"`
		Gradients []float64 `json:"gradients"`
		Want      []float64 `json:"want"`
	} `json:"steps"`
}

func (c momentumCase) String() string {
	return fmt.Sprintf("SGD{Momentum: %g, WeightDecay: %g} from weights %s", c.Momentum, c.Decay, numbers(c.Weights))
}

// SGD has the fields of the exercise momentum's type of this name, which converts to it.
type SGD struct {
	LearningRate, Momentum, WeightDecay float64
	Velocity                            []float64
}

// Stepper is what the exercise's type has to be.
type Stepper interface {
	Step(weights, gradients []float64)
}

// Momentum checks the exercise momentum. answer converts to the exercise's type.
func Momentum(t T, answer func(*SGD) Stepper) {
	t.Helper()
	cases := torch().Momentum
	values := func(step string, mistakes []mistake[momentumCase, [][]float64]) func() error {
		compare := trial[momentumCase, [][]float64]{
			answer: func(c momentumCase) [][]float64 {
				s := &SGD{Momentum: c.Momentum, WeightDecay: c.Decay}
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
			outside:  noVelocityYet,
			unmade:   noVelocityYet,
		}
		for _, c := range cases {
			if c.Step == step {
				compare.cases = append(compare.cases, c)
			}
		}
		return compare.try
	}
	run(t, "momentum",
		step{"no momentum", 2, values("no momentum", descentMistakes)},
		step{"on its own", 1, func() error { return keepsToItself(answer) }},
		step{"momentum", 3, values("momentum", momentumMistakes)},
		step{"a learning rate that changes", 2, values("a learning rate that changes", momentumMistakes)},
		step{"weight decay", 2, values("weight decay", decayMistakes)},
	)
}

var noVelocityYet = Hint{"no-velocity-yet", "before the first step Velocity is nil: make a slice of zeros, as many as there are weights"}

// walk gives the weights after each step that step makes.
func (c momentumCase) walk(weights []float64, step func(rate float64, gradients []float64)) [][]float64 {
	var after [][]float64
	for _, s := range c.Steps {
		step(s.Rate, s.Gradients)
		after = append(after, append([]float64(nil), weights...))
	}
	return after
}

// explainWeights shows the first step that went wrong.
func explainWeights(c momentumCase, want, got [][]float64) *Failure {
	what := c.String()
	for i, step := range c.Steps {
		what += fmt.Sprintf("\n  step %d: learning rate %g, gradients %s", i+1, step.Rate, numbers(step.Gradients))
		if !nearAll(want[i], got[i]) {
			return &Failure{What: what, Want: "weights " + numbers(want[i]), Got: "weights " + numbers(got[i])}
		}
	}
	panic("explains weights that are right")
}

// keepsToItself wants the gradients left alone, and two optimisers to have a velocity each.
func keepsToItself(answer func(*SGD) Stepper) error {
	gradients := []float64{2, -4}
	stepper := answer(&SGD{LearningRate: 0.5, Momentum: 0.5, WeightDecay: 0.5})
	stepper.Step([]float64{1, 3}, gradients)
	if want := []float64{2, -4}; !nearAll(gradients, want) {
		return &Failure{
			What: "the gradients after Step(weights, gradients)", Want: numbers(want), Got: numbers(gradients),
			Hint: Hint{"gradients-changed", "the gradients are the caller's: with weight decay, add to a copy of each and not to the slice"},
		}
	}
	first, second := []float64{1, 3}, []float64{1, 3}
	answer(&SGD{LearningRate: 0.5, Momentum: 0.5}).Step(first, []float64{2, -4})
	answer(&SGD{LearningRate: 0.5, Momentum: 0.5}).Step(second, []float64{2, -4})
	if !nearAll(first, second) {
		return &Failure{
			What: "the first Step of two SGDs, both from the weights [1 3] with the gradients [2 -4]",
			Want: "the same weights", Got: numbers(first) + " and " + numbers(second),
			Hint: Hint{"shared-velocity", "each SGD has its own velocity, in its field, and begins with none: a variable of the package is shared by all"},
		}
	}
	return nil
}

// sgdMistake is a mistake that makes a step of its own out of the weights w, the gradients
// g and what it keeps in v.
func sgdMistake(name, text string, step func(s SGD, w, g, v []float64)) mistake[momentumCase, [][]float64] {
	return mistake[momentumCase, [][]float64]{Hint{name, text}, func(c momentumCase) [][]float64 {
		weights, velocity := append([]float64(nil), c.Weights...), make([]float64, len(c.Weights))
		return c.walk(weights, func(rate float64, gradients []float64) {
			step(SGD{LearningRate: rate, Momentum: c.Momentum, WeightDecay: c.Decay}, weights, gradients, velocity)
		})
	}}
}

var descentMistakes = []mistake[momentumCase, [][]float64]{
	sgdMistake("uphill", "the gradient points to where the loss grows: subtract it",
		func(s SGD, w, g, _ []float64) {
			for i := range w {
				w[i] += s.LearningRate * g[i]
			}
		}),
	sgdMistake("learning-rate-forgotten", "a step is the learning rate times the gradient",
		func(_ SGD, w, g, _ []float64) {
			for i := range w {
				w[i] -= g[i]
			}
		}),
	sgdMistake("weights-not-changed", "Step changes the elements of the slice that it is given; to give the parameter another slice, or to change a range loop's copy, does not reach the caller",
		func(_ SGD, _, _, _ []float64) {}),
	// This shows without momentum already.
	sgdMistake("velocity-used-before-its-update", "first the velocity takes in the gradient, then the weights take the step",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				w[i] -= s.LearningRate * v[i]
				v[i] = s.Momentum*v[i] + g[i]
			}
		}),
}

var dampened = sgdMistake("dampening", "the gradient enters the velocity in full, v ← momentum·v + g: an average would have (1 − momentum)·g, and PyTorch has none by default",
	func(s SGD, w, g, v []float64) {
		for i := range w {
			v[i] = s.Momentum*v[i] + (1-s.Momentum)*g[i]
			w[i] -= s.LearningRate * v[i]
		}
	})

var momentumMistakes = []mistake[momentumCase, [][]float64]{
	sgdMistake("velocity-forgotten", "without momentum: what a step did must be kept for the next one, in the field Velocity, and enter it times the momentum",
		func(s SGD, w, g, _ []float64) {
			for i := range w {
				w[i] -= s.LearningRate * g[i]
			}
		}),
	dampened,
	sgdMistake("nesterov", "this is Nesterov's momentum, which looks a step ahead; the exercise is the plain one, w ← w − rate·v",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				v[i] = s.Momentum*v[i] + g[i]
				w[i] -= s.LearningRate * (g[i] + s.Momentum*v[i])
			}
		}),
	sgdMistake("velocity-added-up", "the velocity of before counts times the momentum; here it counts in full",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				v[i] += g[i]
				w[i] -= s.LearningRate * v[i]
			}
		}),
	sgdMistake("learning-rate-in-velocity", "the learning rate is in the velocity, so that the steps of before keep the rate that was. As long as it stays the same nothing shows; PyTorch multiplies the whole velocity with the rate of now",
		func(s SGD, w, g, v []float64) {
			for i := range w {
				v[i] = s.Momentum*v[i] + s.LearningRate*g[i]
				w[i] -= v[i]
			}
		}),
}

// decayMistake is sgdMistake with the step right but for what decay adds to the gradient
// of a weight and what after takes from the weight besides.
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
	decayMistake("decay-forgotten", "weight decay adds decay·w to the gradient of each weight w", nothing, nothing),
	decayMistake("decay-sign", "decay·w is added to the gradient: the step then goes towards 0. With the other sign weights grow",
		func(s SGD, w float64) float64 { return -s.WeightDecay * w }, nothing),
	decayMistake("decay-after-momentum", "the decay was taken from the weight directly, as AdamW does it. In SGD it is part of the gradient, and so goes through the velocity",
		nothing, func(s SGD, w float64) float64 { return s.LearningRate * s.WeightDecay * w }),
	decayMistake("decay-without-learning-rate", "the decay was taken from the weight directly and without the learning rate. In SGD it is part of the gradient",
		nothing, func(s SGD, w float64) float64 { return s.WeightDecay * w }),
	decayMistake("decay-without-weight", "the decay is times the weight: large weights lose more",
		func(s SGD, _ float64) float64 { return s.WeightDecay }, nothing),
}
