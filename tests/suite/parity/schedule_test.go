package parity

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/residual-go/residual/pkg/optim"
)

// scheduleSpec is a scheduler of PyTorch, as tests/reference/parity.py describes it, and its rates.
type scheduleSpec struct {
	Name   string
	Kind   string
	Params struct {
		Base, Max, Min float64
		Gamma          float64
		StepSize       int `json:"step_size"`
		Milestones     []int
		StartFactor    float64 `json:"start_factor"`
		Warmup         int
		Steps          int
		PctStart       float64 `json:"pct_start"`
		DivFactor      float64 `json:"div_factor"`
		FinalDivFactor float64 `json:"final_div_factor"`
	}
	Rates []float64
}

// schedule returns the same schedule as one of ours, and its peak rate. PyTorch counts in steps,
// and ours in shares of the run.
func (s scheduleSpec) schedule() (ours optim.Schedule, peak float64) {
	p, steps := s.Params, float64(len(s.Rates))
	if p.StartFactor > 0 {
		warmup := p.Warmup
		if s.Kind == "warmup" {
			warmup = p.Steps
		}
		// LinearLR reaches the peak in the step after the warm-up, ours in its last step.
		ours.WarmUp, ours.Initial = float64(warmup+1)/steps, p.StartFactor
	}
	peak = p.Base
	switch s.Kind {
	case "step":
		ours.Kind, ours.Gamma = optim.MultiStep, p.Gamma
		for step := p.StepSize; step < len(s.Rates); step += p.StepSize {
			ours.Milestones = append(ours.Milestones, float64(step)/steps)
		}
	case "multistep", "warmup-multistep":
		ours.Kind, ours.Gamma = optim.MultiStep, p.Gamma
		for _, step := range p.Milestones {
			ours.Milestones = append(ours.Milestones, float64(step)/steps)
		}
	case "cosine", "warmup-cosine":
		ours.Kind, ours.Final = optim.Cosine, p.Min/p.Base
	case "onecycle":
		ours.Kind, ours.WarmUp = optim.OneCycle, p.PctStart
		ours.Initial, ours.Final = 1/p.DivFactor, 1/(p.DivFactor*p.FinalDivFactor)
		peak = p.Max
	case "warmup":
		ours.Kind = optim.Constant
	}
	return ours, peak
}

func TestSchedules(t *testing.T) {
	buffer, err := os.ReadFile("testdata/schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	var specs []scheduleSpec
	if err := json.Unmarshal(buffer, &specs); err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		t.Run(spec.Name, func(t *testing.T) {
			ours, peak := spec.schedule()
			if err := ours.Validate(); err != nil {
				t.Fatal(err)
			}
			for step, want := range spec.Rates {
				// Relative to the peak: PyTorch computes some of them recursively, with rounding.
				if got := ours.Rate(peak, step, len(spec.Rates)); !(math.Abs(got-want) <= 1e-12*peak) {
					t.Errorf("step %d: %g, PyTorch has %g", step, got, want)
				}
			}
		})
	}
}
