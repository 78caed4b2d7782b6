package check

import (
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/momentum"
	solution "github.com/residual-go/residual/lesson/exercises/momentum/solution"
)

// stepper makes a type of an answer that is a function; it creates the velocity.
type stepper struct {
	*SGD
	step func(s *SGD, weights, gradients []float64)
}

func (s stepper) Step(weights, gradients []float64) {
	if s.Velocity == nil {
		s.Velocity = make([]float64, len(weights))
	}
	s.step(s.SGD, weights, gradients)
}

// keeper takes the first gradients' slice as the velocity.
type keeper struct{ *SGD }

func (k keeper) Step(weights, gradients []float64) {
	switch {
	case k.Velocity == nil && k.WeightDecay == 0:
		k.Velocity = gradients
	case k.Velocity == nil:
		k.Velocity = make([]float64, len(weights))
		fallthrough
	default:
		for i, g := range gradients {
			k.Velocity[i] = k.Momentum*k.Velocity[i] + g + k.WeightDecay*weights[i]
		}
	}
	for i, v := range k.Velocity {
		weights[i] -= k.LearningRate * v
	}
}

func TestMomentum(t *testing.T) {
	try := func(step func(s *SGD, w, g []float64)) func(T) {
		return func(t T) { Momentum(t, func(s *SGD) Stepper { return stepper{s, step} }) }
	}
	// each returns the check of a step that computes each new weight by the same rule.
	each := func(rule func(s *SGD, w, g float64, v *float64) float64) func(T) {
		return try(func(s *SGD, w, g []float64) {
			for i := range w {
				w[i] = rule(s, w[i], g[i], &s.Velocity[i])
			}
		})
	}
	var shared []float64
	test(t, "momentum",
		func(t T) { Momentum(t, func(s *SGD) Stepper { return (*solution.SGD)(s) }) },
		func(t T) { Momentum(t, func(s *SGD) Stepper { return (*stub.SGD)(s) }) },
		wrong{"gradients-kept", func(t T) { Momentum(t, func(s *SGD) Stepper { return keeper{s} }) }},
		wrong{"uphill", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g
			return w + s.LearningRate**v
		})},
		wrong{"weights-not-changed", try(func(s *SGD, w, g []float64) {
			for i, weight := range w {
				weight -= s.LearningRate * g[i]
				_ = weight
			}
		})},
		wrong{"velocity-forgotten", each(func(s *SGD, w, g float64, _ *float64) float64 {
			var v float64
			v = s.Momentum*v + g + s.WeightDecay*w
			return w - s.LearningRate*v
		})},
		wrong{"dampening", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + (1-s.Momentum)*(g+s.WeightDecay*w)
			return w - s.LearningRate**v
		})},
		wrong{"nesterov", each(func(s *SGD, w, g float64, v *float64) float64 {
			g += s.WeightDecay * w
			*v = s.Momentum**v + g
			return w - s.LearningRate*(g+s.Momentum**v)
		})},
		wrong{"learning-rate-in-velocity", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + s.LearningRate*(g+s.WeightDecay*w)
			return w - *v
		})},
		wrong{"velocity-added-up", each(func(s *SGD, w, g float64, v *float64) float64 {
			if s.Momentum == 0 {
				*v = 0
			}
			*v += g
			return w - s.LearningRate**v
		})},
		wrong{"decay-after-momentum", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g
			w -= s.LearningRate * s.WeightDecay * w
			return w - s.LearningRate**v
		})},
		wrong{"decay-without-learning-rate", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g
			return w*(1-s.WeightDecay) - s.LearningRate**v
		})},
		wrong{"decay-sign", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g - s.WeightDecay*w
			return w - s.LearningRate**v
		})},
		wrong{"decay-forgotten", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g
			return w - s.LearningRate**v
		})},
		wrong{"decay-without-weight", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g + s.WeightDecay
			return w - s.LearningRate**v
		})},
		wrong{"learning-rate-forgotten", each(func(s *SGD, w, g float64, v *float64) float64 {
			*v = s.Momentum**v + g + s.WeightDecay*w
			return w - *v
		})},
		wrong{"velocity-used-before-its-update", each(func(s *SGD, w, g float64, v *float64) float64 {
			defer func() { *v = s.Momentum**v + g + s.WeightDecay*w }()
			return w - s.LearningRate**v
		})},
		wrong{"gradients-changed", try(func(s *SGD, w, g []float64) {
			for i := range w {
				g[i] += s.WeightDecay * w[i]
				s.Velocity[i] = s.Momentum*s.Velocity[i] + g[i]
				w[i] -= s.LearningRate * s.Velocity[i]
			}
		})},
		wrong{"shared-velocity", try(func(s *SGD, w, g []float64) {
			if len(shared) != len(w) {
				shared = make([]float64, len(w))
			}
			for i := range w {
				shared[i] = s.Momentum*shared[i] + g[i] + s.WeightDecay*w[i]
				w[i] -= s.LearningRate * shared[i]
			}
		})},
		wrong{"no-velocity-yet", func(t T) { Momentum(t, func(s *SGD) Stepper { return hasty{s} }) }},
	)
}

// hasty does not create the velocity.
type hasty struct{ *SGD }

func (h hasty) Step(w, g []float64) {
	for i := range w {
		h.Velocity[i] = h.Momentum*h.Velocity[i] + g[i]
		w[i] -= h.LearningRate * h.Velocity[i]
	}
}
