package optim_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/optim"
)

func TestRates(t *testing.T) {
	cos := func(x float64) float64 { return (1 + math.Cos(math.Pi*x)) / 2 }
	for _, test := range []struct {
		name     string
		schedule optim.Schedule
		steps    int
		want     []float64 // multiples of the peak
	}{
		{"constant", optim.Schedule{Kind: optim.Constant}, 3, []float64{1, 1, 1}},
		{"constant, warmed up from zero", optim.Schedule{Kind: optim.Constant, WarmUp: 0.5}, 10,
			[]float64{0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1}},
		{"constant, warmed up from half", optim.Schedule{Kind: optim.Constant, WarmUp: 0.3, Initial: 0.5}, 10,
			[]float64{0.5, 0.75, 1, 1, 1, 1, 1, 1, 1, 1}},
		{"step", optim.Schedule{Kind: optim.MultiStep, Milestones: []float64{0.5, 0.75}, Gamma: 0.1}, 8,
			[]float64{1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01}},
		{"step at rounded milestones", optim.Schedule{Kind: optim.MultiStep, Milestones: []float64{0.35, 0.44}, Gamma: 0.5}, 10,
			[]float64{1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25}},
		{"step at the very end, after the last step", optim.Schedule{Kind: optim.MultiStep, Milestones: []float64{1}, Gamma: 0.5}, 3,
			[]float64{1, 1, 1}},
		{"step upwards, warmed up", optim.Schedule{Kind: optim.MultiStep, WarmUp: 0.5, Milestones: []float64{0.75}, Gamma: 2}, 4,
			[]float64{0, 1, 1, 2}},
		{"cosine", optim.Schedule{Kind: optim.Cosine}, 4, []float64{1, cos(0.25), 0.5, cos(0.75)}},
		{"cosine to a tenth", optim.Schedule{Kind: optim.Cosine, Final: 0.1}, 2, []float64{1, 0.55}},
		{"cosine, warmed up", optim.Schedule{Kind: optim.Cosine, WarmUp: 0.5, Initial: 0.5}, 6,
			[]float64{0.5, 0.75, 1, cos(0.25), cos(0.5), cos(0.75)}},
		{"one cycle", optim.Schedule{Kind: optim.OneCycle, WarmUp: 0.5, Initial: 0.2, Final: 0.1}, 6,
			[]float64{0.2, 0.6, 1, 0.7, 0.4, 0.1}},
		{"one cycle rises for 0.3 of the run by default", optim.Schedule{Kind: optim.OneCycle}, 10,
			[]float64{0, 0.5, 1, 6. / 7, 5. / 7, 4. / 7, 3. / 7, 2. / 7, 1. / 7, 0}},
		{"one cycle with its peak between steps", optim.Schedule{Kind: optim.OneCycle, WarmUp: 0.25}, 6,
			[]float64{0, 8. / 9, 6. / 9, 4. / 9, 2. / 9, 0}},
	} {
		if err := test.schedule.Validate(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		for step, want := range test.want {
			for _, peak := range []float64{1, 0.4} {
				if got := test.schedule.Rate(peak, step, test.steps); math.Abs(got-peak*want) > 1e-12 {
					t.Errorf("%s: step %d of %d with peak %g has rate %.9g, want %.9g", test.name, step, test.steps, peak, got, peak*want)
				}
			}
		}
	}
}

// Whatever the length of the run, its rates are between 0 and the peak.
func TestRatesAreBetweenZeroAndThePeak(t *testing.T) {
	for _, kind := range []optim.ScheduleKind{optim.Constant, optim.MultiStep, optim.Cosine, optim.OneCycle} {
		for _, warmUp := range []float64{0, 1e-9, 0.3, 0.5, 0.999999} {
			for _, initial := range []float64{0, 0.04, 1} {
				s := optim.Schedule{Kind: kind, WarmUp: warmUp, Initial: initial, Final: initial}
				if kind == optim.MultiStep {
					s.Milestones, s.Gamma = []float64{1e-9, 0.5, 1}, 0.1
				}
				if err := s.Validate(); err != nil {
					t.Fatalf("%+v: %v", s, err)
				}
				for _, steps := range []int{1, 2, 3, 4, 10, 64124} {
					largest := 0.0
					for step := range steps {
						if steps > 10 && step > 2 && step < steps-2 {
							continue
						}
						rate := s.Rate(0.4, step, steps)
						largest = max(largest, rate)
						if !(rate >= 0 && rate <= 0.4+1e-15) {
							t.Errorf("%+v: step %d of %d has rate %g, want 0 to 0.4", s, step, steps, rate)
						}
					}
					if steps == 1 && largest != 0.4 && kind != optim.MultiStep {
						t.Errorf("%+v: a run of one step has rate %g, want the peak, 0.4", s, largest)
					}
				}
			}
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	step := func(gamma float64, milestones ...float64) optim.Schedule {
		return optim.Schedule{Kind: optim.MultiStep, Milestones: milestones, Gamma: gamma}
	}
	for _, test := range []struct {
		schedule optim.Schedule
		want     string
	}{
		{optim.Schedule{}, `unknown schedule ""; the schedules are constant, step, cosine, onecycle`},
		{optim.Schedule{Kind: "linear"}, `unknown schedule "linear"`},
		{optim.Schedule{Kind: optim.Cosine, Milestones: []float64{0.5}}, "cosine has milestones; only step can have them"},
		{optim.Schedule{Kind: optim.OneCycle, Milestones: []float64{0.5}}, "onecycle has milestones"},
		{step(0.1), "0 milestones"},
		{step(0, 0.5), "gamma 0"},
		{step(-0.1, 0.5), "gamma -0.1"},
		{step(nan, 0.5), "gamma NaN"},
		{step(inf, 0.5), "gamma +Inf"},
		{step(0.1, 0), "milestones [0]"},
		{step(0.1, 0.5, 0.5), "milestones [0.5 0.5]"},
		{step(0.1, 0.75, 0.5), "milestones [0.75 0.5]"},
		{step(0.1, 0.5, 1.1), "milestones [0.5 1.1]"},
		{step(0.1, nan), "milestones [NaN]"},
		{optim.Schedule{Kind: optim.Constant, WarmUp: -0.1}, "warm-up over -0.1"},
		{optim.Schedule{Kind: optim.Constant, WarmUp: 1}, "warm-up over 1"},
		{optim.Schedule{Kind: optim.Constant, WarmUp: nan}, "warm-up over NaN"},
		{optim.Schedule{Kind: optim.Cosine, Initial: 1.5}, "initial 1.5"},
		{optim.Schedule{Kind: optim.Cosine, Initial: nan}, "initial NaN"},
		{optim.Schedule{Kind: optim.Cosine, Final: -1}, "final -1"},
		{optim.Schedule{Kind: optim.Cosine, Final: nan}, "final NaN"},
	} {
		if err := test.schedule.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want one with %q", test.schedule, err, test.want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, want := range []optim.Schedule{
		{Kind: optim.Constant},
		{Kind: optim.OneCycle, WarmUp: 0.3, Initial: 0.04, Final: 4e-6},
		{Kind: optim.MultiStep, Milestones: []float64{0.5, 0.75}, Gamma: 0.1, WarmUp: 1.0 / 3},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got optim.Schedule
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, want)
		}
	}
}
