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
	// Hutter 2017, without restarts).
	Cosine ScheduleKind = "cosine"
	// OneCycle rises on a line from Initial times the peak and falls on a line to Final times
	// the peak (Smith and Topin 2019). Its warm-up is the rise, and 0.3 of the run if none is given.
	OneCycle ScheduleKind = "onecycle"
	// OneCycleCosine is OneCycle along half cosines in place of lines.
	OneCycleCosine ScheduleKind = "onecycle-cosine"
)

// Schedule gives the learning rate of every step of a run as a multiple of the peak rate:
// constant, multi-step, cosine or one-cycle, each with an optional warm-up. The rates equal
// those of PyTorch's MultiStepLR, CosineAnnealingLR and OneCycleLR stepped after every batch.
// A Schedule is plain data: it can be part of a recipe and be drawn before it is used.
type Schedule struct {
	Kind ScheduleKind `json:"kind"`
	// WarmUp is the share of the run, 0 ≤ WarmUp < 1, in which the rate rises on a line from
	// Initial to 1 times the peak. The last step of the warm-up has the peak, as in PyTorch's
	// OneCycleLR; PyTorch's LinearLR gets there a step later.
	WarmUp float64 `json:"warm_up,omitempty"`
	// Initial and Final are multiples of the peak: where a warm-up starts, and where Cosine
	// and OneCycle end.
	Initial float64 `json:"initial,omitempty"`
	Final   float64 `json:"final,omitempty"`
	// Milestones are shares of the run, rising, in 0 … 1; at each, MultiStep multiplies by Gamma.
	Milestones []float64 `json:"milestones,omitempty"`
	Gamma      float64   `json:"gamma,omitempty"`
}

// Validate reports what is wrong with the schedule.
func (s Schedule) Validate() error {
	switch s.Kind {
	case Constant, Cosine, OneCycle, OneCycleCosine:
		if len(s.Milestones) > 0 {
			return fmt.Errorf("schedule %s has milestones; only step has", s.Kind)
		}
	case MultiStep:
		if len(s.Milestones) == 0 || !(s.Gamma > 0) || math.IsInf(s.Gamma, 0) {
			return fmt.Errorf("schedule step with %d milestones and gamma %g, want at least one and a number above 0", len(s.Milestones), s.Gamma)
		}
		before := 0.0
		for _, milestone := range s.Milestones {
			if !(milestone > before && milestone <= 1) {
				return fmt.Errorf("schedule step with milestones %v, want rising shares of the run, above 0 and up to 1", s.Milestones)
			}
			before = milestone
		}
	default:
		return fmt.Errorf("unknown schedule %q; the schedules are %s, %s, %s, %s, %s",
			s.Kind, Constant, MultiStep, Cosine, OneCycle, OneCycleCosine)
	}
	if !(s.WarmUp >= 0 && s.WarmUp < 1) {
		return fmt.Errorf("schedule %s: warm-up over %g of the run, want 0 ≤ warm-up < 1", s.Kind, s.WarmUp)
	}
	if !(s.Initial >= 0 && s.Initial <= 1 && s.Final >= 0 && s.Final <= 1) {
		return fmt.Errorf("schedule %s: initial %g and final %g, want multiples of the peak in 0 … 1", s.Kind, s.Initial, s.Final)
	}
	return nil
}

// Rate returns the learning rate for step, 0 ≤ step < steps, of a run of that many steps
// with the given peak. The schedule must be valid.
func (s Schedule) Rate(peak float64, step, steps int) float64 {
	// As in PyTorch, the last step of a one-cycle has its last value; a cosine would have its
	// own one step later.
	last := float64(max(1, steps-1))
	at := float64(step)
	warmUp := s.WarmUp
	if (s.Kind == OneCycle || s.Kind == OneCycleCosine) && warmUp == 0 {
		warmUp = 0.3
	}
	top := warmUp*float64(steps) - 1 // the step that has the peak
	if top > 0 && at < top {
		risen := at / top
		if s.Kind == OneCycleCosine {
			risen = 1 - halfCosine(risen)
		}
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
		return peak * (s.Final + (1-s.Final)*halfCosine(share(at, top, float64(steps))))
	case OneCycle:
		return peak * (1 - (1-s.Final)*share(at, top, last))
	case OneCycleCosine:
		return peak * (s.Final + (1-s.Final)*halfCosine(share(at, top, last)))
	default:
		return peak
	}
}

// halfCosine falls from 1 at 0 to 0 at 1.
func halfCosine(x float64) float64 { return (1 + math.Cos(math.Pi*x)) / 2 }

// share is how far at has come from from to to, in 0 … 1.
func share(at, from, to float64) float64 {
	if to <= from {
		return 1
	}
	return min(1, (at-from)/(to-from))
}
