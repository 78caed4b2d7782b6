package optim

import (
	"fmt"
	"math"
)

// ScheduleKind is the shape of a [Schedule].
type ScheduleKind string

const (
	// Constant stays at the peak.
	Constant ScheduleKind = "constant"
	// MultiStep multiplies by Gamma at every milestone.
	MultiStep ScheduleKind = "step"
	// Cosine falls along half a cosine from the peak to Final times the peak (Loshchilov and
	// Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts).
	Cosine ScheduleKind = "cosine"
	// OneCycle rises linearly from Initial times the peak and falls linearly to Final times the
	// peak (Smith and Topin 2019, https://arxiv.org/abs/1708.07120). The rise is the warm-up; it
	// takes 0.3 of the run if WarmUp is 0.
	OneCycle ScheduleKind = "onecycle"
)

// Schedule gives the learning rate of every step of a run as a multiple of the peak rate:
// constant, multi-step, cosine or one-cycle, each with an optional warm-up. The rates equal
// those of PyTorch's MultiStepLR, CosineAnnealingLR and OneCycleLR stepped after every batch.
// A Schedule is plain data: it can be part of a recipe and be drawn before it is used.
type Schedule struct {
	Kind ScheduleKind `json:"kind"`
	// WarmUp is the share of the run, 0 ≤ WarmUp < 1, in which the rate rises linearly from
	// Initial times the peak to the peak. The last step of the warm-up has the peak, as in
	// PyTorch's OneCycleLR; PyTorch's LinearLR reaches it one step later.
	WarmUp float64 `json:"warm_up,omitempty"`
	// Initial is the rate at the start of a warm-up, and Final the rate at the end of Cosine and
	// OneCycle, both as a multiple of the peak.
	Initial float64 `json:"initial,omitempty"`
	Final   float64 `json:"final,omitempty"`
	// Milestones are increasing shares of the run, in 0 … 1. At each, MultiStep multiplies the
	// rate by Gamma.
	Milestones []float64 `json:"milestones,omitempty"`
	Gamma      float64   `json:"gamma,omitempty"`
}

// Validate returns an error if the schedule is not valid.
func (s Schedule) Validate() error {
	switch s.Kind {
	case Constant, Cosine, OneCycle:
		if len(s.Milestones) > 0 {
			return fmt.Errorf("schedule %s has milestones; only step can have them", s.Kind)
		}
	case MultiStep:
		if len(s.Milestones) == 0 || !(s.Gamma > 0) || math.IsInf(s.Gamma, 0) {
			return fmt.Errorf("schedule step with %d milestones and gamma %g, want at least one milestone and a gamma above 0", len(s.Milestones), s.Gamma)
		}
		before := 0.0
		for _, milestone := range s.Milestones {
			if !(milestone > before && milestone <= 1) {
				return fmt.Errorf("schedule step with milestones %v, want increasing shares of the run, above 0 and up to 1", s.Milestones)
			}
			before = milestone
		}
	default:
		return fmt.Errorf("unknown schedule %q; the schedules are %s, %s, %s, %s",
			s.Kind, Constant, MultiStep, Cosine, OneCycle)
	}
	if !(s.WarmUp >= 0 && s.WarmUp < 1) {
		return fmt.Errorf("schedule %s: warm-up over %g of the run, want 0 ≤ warm-up < 1", s.Kind, s.WarmUp)
	}
	if !(s.Initial >= 0 && s.Initial <= 1 && s.Final >= 0 && s.Final <= 1) {
		return fmt.Errorf("schedule %s: initial %g and final %g, want multiples of the peak in 0 … 1", s.Kind, s.Initial, s.Final)
	}
	return nil
}

// Rate returns the learning rate of the given step, 0 ≤ step < steps, in a run of that many steps
// with the given peak rate. The schedule must be valid.
func (s Schedule) Rate(peak float64, step, steps int) float64 {
	// As in PyTorch, OneCycle reaches its final value in the last step, and Cosine would reach its
	// own one step later.
	last := float64(max(1, steps-1))
	at := float64(step)
	warmUp := s.WarmUp
	if s.Kind == OneCycle && warmUp == 0 {
		warmUp = 0.3
	}
	top := warmUp*float64(steps) - 1 // the step that has the peak
	if top > 0 && at < top {
		risen := at / top // from 0 to 1
		return peak * (s.Initial + (1-s.Initial)*risen)
	}
	top = max(0, top)
	switch s.Kind {
	case MultiStep:
		rate := peak
		for _, milestone := range s.Milestones {
			if at >= math.Round(milestone*float64(steps)) {
				rate *= s.Gamma
			}
		}
		return rate
	case Cosine:
		halfCosine := (1 + math.Cos(math.Pi*share(at, top, float64(steps)))) / 2 // falls from 1 to 0
		return peak * (s.Final + (1-s.Final)*halfCosine)
	case OneCycle:
		return peak * (1 - (1-s.Final)*share(at, top, last))
	default:
		return peak
	}
}

// share returns the share of the way from start to end that has been covered at x, up to 1.
func share(x, start, end float64) float64 {
	if end <= start {
		return 1
	}
	return min(1, (x-start)/(end-start))
}
