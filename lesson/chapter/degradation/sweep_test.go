package degradation

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/chapter/internal/noise"
)

// tinySweep returns a sweep small enough for a test.
func tinySweep() Sweep {
	rates, seeds := []float64{0.05}, []uint64{3}
	return Sweep{tiny(), []Group{{Rates: rates, Seeds: seeds}, {Rates: rates, WarmUp: 0.5, Seeds: seeds, PlainOnly: true}}}
}

func TestRecipesOfASweep(t *testing.T) {
	s := DefaultSweep()
	recipes, err := s.Recipes("images", 10)
	if err != nil {
		t.Fatal(err)
	}
	if want := 3*3*4 + 2*4 + 2*2 + 3*2; len(recipes) != want {
		t.Errorf("%d recipes, want %d", len(recipes), want)
	}
	for i, r := range recipes {
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
		if (r.Schedule.WarmUp == 0.5 || r.LearningRate == 0.0008) && !r.Model.Plain {
			t.Errorf("%s at rate %g with warm-up %g, want plain networks only", r.Model.Name, r.LearningRate, r.Schedule.WarmUp)
		}
		for _, other := range recipes[:i] {
			if reflect.DeepEqual(r, other) {
				t.Errorf("%s at rate %g with seed %d is there twice", r.Model.Name, r.LearningRate, r.Seed)
			}
		}
	}
}

func TestSweepResumes(t *testing.T) {
	s, b, path := tinySweep(), engine(t), filepath.Join(t.TempDir(), "trials.jsonl")
	sweep := func() (reported []string) {
		t.Helper()
		err := s.Run(context.Background(), path, b, noise.Images(24, 8), func(done, all int, trial Trial) {
			if done != len(reported)+1 || all != 6 {
				t.Errorf("trial %d of %d, want %d of 6", done, all, len(reported)+1)
			}
			reported = append(reported, trial.Recipe.Model.Name)
		})
		if err != nil {
			t.Fatal(err)
		}
		return reported
	}
	if got, want := sweep(), strings.Fields("plain8 plain14 resnet8 resnet14 plain8 plain14"); !slices.Equal(got, want) {
		t.Errorf("trained %q, want %q", got, want)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trials, err := ReadTrials(path)
	if err != nil || len(trials) != 6 {
		t.Fatalf("%d trials, %v; want 6", len(trials), err)
	}
	for _, trial := range trials {
		if len(trial.Losses) != 2 || len(trial.Accuracies) != 2 || trial.Loss() != trial.Losses[1] || !(trial.Loss() > 0) || trial.Recipe.Data != "noise" {
			t.Errorf("the trial is %+v", trial)
		}
	}
	if trials[0].Loss() == trials[4].Loss() {
		t.Error("with the long warm-up, the loss is the same")
	}

	// Trials that are missing are trained again, to the same loss, and the others are kept.
	lines := bytes.SplitAfter(first, []byte("\n"))
	foreign := bytes.Replace(lines[0], []byte(`"seed":3`), []byte(`"seed":99`), 1) // of another sweep
	if err := os.WriteFile(path, slices.Concat(foreign, lines[5], lines[0], lines[1], lines[3]), 0o600); err != nil {
		t.Fatal(err)
	}
	sweep()
	if second, err := os.ReadFile(path); err != nil || !bytes.Equal(second, first) {
		t.Errorf("after an interruption the file is different, %v:\n%s\nwant\n%s", err, second, first)
	}
	stop, cancel := context.WithCancel(context.Background())
	cancel()
	s.Groups[0].Seeds = []uint64{4}
	if err := s.Run(stop, path, b, noise.Images(24, 8), func(int, int, Trial) { t.Error("a trial was finished") }); err == nil {
		t.Error("no error from a sweep that was cancelled")
	}
}

func TestSweepRecordsDivergence(t *testing.T) {
	s, path := tinySweep(), filepath.Join(t.TempDir(), "trials.jsonl")
	s.Groups = s.Groups[:1]
	s.Groups[0].Rates = []float64{1e38}
	if err := s.Run(context.Background(), path, engine(t), noise.Images(24, 8), func(int, int, Trial) {}); err != nil {
		t.Fatal(err)
	}
	trials, err := ReadTrials(path)
	if err != nil || len(trials) != 4 {
		t.Fatalf("%d trials, %v; want 4", len(trials), err)
	}
	for _, trial := range trials {
		if !strings.Contains(trial.Diverged, "diverged") || !math.IsNaN(trial.Loss()) {
			t.Errorf("%s at rate 1e38: loss %g, diverged %q", trial.Recipe.Model.Name, trial.Loss(), trial.Diverged)
		}
	}
	if _, rows := RateTable(trials); rows[0][1] != "NaN" {
		t.Errorf("the table has %q, want NaN", rows[0])
	}
}

func TestReadTrialsRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trials.jsonl")
	if err := os.WriteFile(path, []byte("{}\n{\"losses\": 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTrials(path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}

// trial returns a trial with a given final loss.
func trial(network string, rate, warmUp float64, seed uint64, loss float64) Trial {
	var t Trial
	t.Recipe.Model.Name, t.Recipe.Model.Plain = network, strings.HasPrefix(network, "plain")
	t.Recipe.LearningRate, t.Recipe.Schedule.WarmUp, t.Recipe.Seed = rate, warmUp, seed
	t.Losses = []float64{3, loss}
	return t
}

func TestRateTableAndFigure(t *testing.T) {
	trials := []Trial{
		trial("plain20", 0.2, 0.1, 1, 1.5), trial("resnet20", 0.2, 0.1, 1, 1),
		trial("plain20", 0.05, 0.1, 1, 1.25), trial("resnet20", 0.05, 0.1, 1, 1),
		trial("plain20", 0.05, 0.1, 2, 1.75), trial("resnet20", 0.05, 0.1, 2, 1.001),
		trial("plain20", 0.05, 0.5, 1, 2),
	}
	header, rows := RateTable(trials)
	if want := []string{"network", "rate 0.05", "rate 0.2", "0.05, warm-up over 50% of the run"}; !slices.Equal(header, want) {
		t.Errorf("header %q, want %q", header, want)
	}
	want := [][]string{{"plain20", "1.25 to 1.75", "1.50", "2.00"}, {"resnet20", "1.00", "1.00", "–"}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	drawn, err := RateFigure(trials, "data: none")
	if err != nil {
		t.Fatal(err)
	}
	var svg bytes.Buffer
	if err := drawn.Encode(&svg, "svg"); err != nil {
		t.Fatal(err)
	}
	// A line is drawn across a rate that only another network has, and a seed may have gaps.
	trials = append(trials, trial("plain20", 0.01, 0.1, 2, 1.9))
	if drawn, err = RateFigure(trials, "data: none"); err != nil {
		t.Fatal(err)
	}
	svg.Reset()
	if err := drawn.Encode(&svg, "svg"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain20", "resnet20", "data: none"} {
		if got := strings.Count(svg.String(), ">"+name+"<"); got != 1 {
			t.Errorf("the figure has %q %d times, want once", name, got)
		}
	}
}

// The gradients at the start: what the two switches and the size of the weights do to them.
func TestGradientsAtStart(t *testing.T) {
	e, b, images := tiny(), engine(t), noise.Images(16, 8)
	norms := func(s Start) Gradients {
		t.Helper()
		g, err := e.GradientsAtStart(b, images, 8, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Norms) != 8 || g.Norms[0].Layer != "conv1" || g.Norms[7].Layer != "fc" {
			t.Fatalf("%s: the norms are %v", s, g.Norms)
		}
		if want := g.Norms[0].Value / g.Norms[6].Value; g.Ratio() != want {
			t.Errorf("%s: ratio %g, want %g", s, g.Ratio(), want)
		}
		return g
	}
	for _, shortcuts := range []bool{false, true} {
		// In front of a batch norm, smaller weights compute the same, and their gradient is larger.
		normed, small := norms(Start{Shortcuts: shortcuts, Norms: true}), norms(Start{Shortcuts: shortcuts, Norms: true, Small: true})
		for i, norm := range normed.Norms {
			want := math.Sqrt2
			if norm.Layer == "fc" {
				want = 1
			}
			if got := small.Norms[i].Value / norm.Value; math.Abs(got/want-1) > 0.01 {
				t.Errorf("shortcuts %t: small weights multiply the gradient of %s by %g, want %g", shortcuts, norm.Layer, got, want)
			}
		}
	}
	// Without batch norms and shortcuts they compute less: the input of fc is (1/√2)^7 of what it was,
	// and its gradient too, as long as the logits are small.
	bare, small := norms(Start{}), norms(Start{Small: true})
	if got, want := small.Norms[7].Value/bare.Norms[7].Value, math.Pow(2, -3.5); math.Abs(got/want-1) > 0.2 {
		t.Errorf("small weights multiply the gradient of fc by %g, want about %g", got, want)
	}
	if residual := norms(Start{Shortcuts: true}); residual.Norms[7].Value < 2*bare.Norms[7].Value {
		t.Errorf("the gradient of fc is %g with shortcuts and %g without, want a much larger one with", residual.Norms[7].Value, bare.Norms[7].Value)
	}
	var all []Gradients
	names := map[string]bool{}
	for _, start := range Starts() {
		all = append(all, norms(start))
		names[start.String()] = true
	}
	if len(names) != 6 {
		t.Errorf("the starts are named %v, want six names", names)
	}
	drawn, err := StartFigure(all, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := drawn.Encode(&bytes.Buffer{}, "svg"); err != nil {
		t.Fatal(err)
	}
}
