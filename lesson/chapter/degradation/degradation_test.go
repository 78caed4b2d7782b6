package degradation

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/lesson/chapter/internal/noise"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// tiny returns an experiment small enough for a test.
func tiny() Experiment {
	e := Default()
	e.Shallow, e.Deep, e.Width, e.Stem = 8, 14, 2, resnet.CIFARStem
	e.Recipe.Epochs, e.Recipe.BatchSize, e.Recipe.Augment = 2, 8, dataset.Augment{}
	return e
}

func engine(t *testing.T) compute.Backend {
	t.Helper()
	b, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// quiet is a reporter that only counts the epochs trained.
type quiet struct{ epochs *int }

func (quiet) Step(run.Metrics)    {}
func (quiet) Line(run.Metrics)    {}
func (q quiet) Epoch(run.Metrics) { *q.epochs++ }
func (quiet) Evaluating(int, int) {}
func (quiet) Note(string)         {}

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Experiment){
		"depths 14 and 14":        func(e *Experiment) { e.Shallow = 14 },
		"depths 20 and 14":        func(e *Experiment) { e.Shallow = 20 },
		"depth 9 is not 6n+2":     func(e *Experiment) { e.Shallow = 9 },
		"depth 15 is not 6n+2":    func(e *Experiment) { e.Deep = 15 },
		"width 0":                 func(e *Experiment) { e.Width = 0 },
		"0 epochs":                func(e *Experiment) { e.Recipe.Epochs = 0 },
		"batch size 1":            func(e *Experiment) { e.Recipe.BatchSize = 1 },
		"learning rate NaN":       func(e *Experiment) { e.Recipe.LearningRate = math.NaN() },
		"unknown schedule \"up\"": func(e *Experiment) { e.Recipe.Schedule.Kind = "up" },
	} {
		e := tiny()
		change(&e)
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if _, err := e.Run(context.Background(), filepath.Join(t.TempDir(), "runs"), nil, noise.Images(24, 8), noise.Images(6, 8), nil); err == nil {
			t.Errorf("an experiment with %s was run", want)
		}
	}
}

// TestOnlyDepthAndShortcutsDiffer checks the assumption that the experiment rests on.
func TestOnlyDepthAndShortcutsDiffer(t *testing.T) {
	configs, depths, err := tiny().configs(3)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name  string
		depth int
		plain bool
	}{{"plain8", 8, true}, {"plain14", 14, true}, {"resnet8", 8, false}, {"resnet14", 14, false}}
	var parameters []int64
	for i, config := range configs {
		if config.Name != want[i].name || config.Plain != want[i].plain || depths[i] != want[i].depth {
			t.Errorf("network %d is %s, plain %v, depth %d; want %v", i, config.Name, config.Plain, depths[i], want[i])
		}
		if config.Classes != 3 || config.Width != 2 || config.Stem != resnet.CIFARStem {
			t.Errorf("%s has %d classes, width %d and stem %s, want 3, 2 and the CIFAR stem", config.Name, config.Classes, config.Width, config.Stem)
		}
		summary, err := config.Summary(8, 8)
		if err != nil {
			t.Fatal(err)
		}
		parameters = append(parameters, summary.Parameters)
	}
	if parameters[0] != parameters[2] || parameters[1] != parameters[3] || parameters[0] >= parameters[1] {
		t.Errorf("parameters %v, want plain and residual twins to be equal, and more at the greater depth", parameters)
	}
}

func TestRun(t *testing.T) {
	e, dir, b := tiny(), t.TempDir(), engine(t)
	epochs := 0
	report := func(string) run.Reporter { return quiet{&epochs} }
	result, err := e.Run(context.Background(), dir, b, noise.Images(24, 8), noise.Images(6, 8), report)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Arms) != 4 || result.Data != "noise" || epochs != 8 {
		t.Fatalf("%d networks on %s in %d epochs, want 4 on noise in 8", len(result.Arms), result.Data, epochs)
	}
	for _, arm := range result.Arms {
		if !(arm.TrainLoss > 0) || arm.TestTop1 < 0 || arm.TestTop1 > 1 || arm.Dir != filepath.Join(dir, arm.Network) {
			t.Errorf("%s has training loss %g, test accuracy %g, folder %s", arm.Network, arm.TrainLoss, arm.TestTop1, arm.Dir)
		}
		state, err := checkpoint.Load(arm.Weights)
		if err != nil {
			t.Error(err)
		} else if state.Step != 6 || state.Recipe.Seed != e.Recipe.Seed || state.Images != 24 {
			t.Errorf("%s: step %d, seed %d, %d images; want 6, %d, 24", arm.Weights, state.Step, state.Recipe.Seed, state.Images, e.Recipe.Seed)
		}
	}
	if want := result.Arms[1].TrainLoss - result.Arms[0].TrainLoss; result.PlainGap != want {
		t.Errorf("plain gap %g, want %g", result.PlainGap, want)
	}
	if want := result.Arms[3].TrainLoss - result.Arms[2].TrainLoss; result.ResidualGap != want {
		t.Errorf("residual gap %g, want %g", result.ResidualGap, want)
	}
	var before bytes.Buffer
	if err := result.WriteTable(&before); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(before.String(), "\n"); got != 5 {
		t.Errorf("the table has %d lines, want a heading and four rows:\n%s", got, before.String())
	}

	figures := filepath.Join(t.TempDir(), "figures")
	paths, err := plots.Save(figures, result.Drawings("data: noise")...)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 6 {
		t.Errorf("figures %q, want three as PNG and SVG", paths)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if filepath.Ext(path) == ".png" {
			if _, err := png.Decode(bytes.NewReader(content)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		} else if !bytes.Contains(content, []byte("data: noise")) || !bytes.Contains(content, []byte("resnet14")) {
			t.Errorf("%s does not name its data and its networks", path)
		}
	}

	// Complete runs are used as they are and give the same results.
	epochs = 0
	again, err := e.Run(context.Background(), dir, b, noise.Images(24, 8), noise.Images(6, 8), report)
	if err != nil {
		t.Fatal(err)
	}
	var after bytes.Buffer
	if err := again.WriteTable(&after); err != nil {
		t.Fatal(err)
	}
	if epochs != 0 || after.String() != before.String() {
		t.Errorf("the second time, %d epochs were trained, want none, and the table is\n%s, want\n%s", epochs, after.String(), before.String())
	}

	e.Recipe.LearningRate /= 2
	if _, err := e.Run(context.Background(), dir, b, noise.Images(24, 8), noise.Images(6, 8), report); !errors.Is(err, run.ErrOtherRecipe) {
		t.Errorf("runs of another recipe: error %v, want %v", err, run.ErrOtherRecipe)
	}
}

func TestRunInterrupted(t *testing.T) {
	e, dir, b := tiny(), t.TempDir(), engine(t)
	epochs := 0
	report := func(string) run.Reporter { return quiet{&epochs} }
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Run(ctx, dir, b, noise.Images(24, 8), noise.Images(6, 8), report); !errors.Is(err, run.ErrInterrupted) {
		t.Fatalf("error %v, want %v", err, run.ErrInterrupted)
	}
	result, err := e.Run(context.Background(), dir, b, noise.Images(24, 8), noise.Images(6, 8), report)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Arms) != 4 || epochs != 8 {
		t.Errorf("%d networks after %d epochs, want 4 after 8", len(result.Arms), epochs)
	}
}

func TestSpread(t *testing.T) {
	for _, sizes := range [][2]int{{8, 14}, {8, 20}, {20, 56}, {14, 20}, {8, 110}, {20, 20}} {
		last := 0
		for place := range sizes[0] {
			at := spread(place, sizes[0], sizes[1])
			if at <= last || at > sizes[1] {
				t.Errorf("layer %d of %d is drawn at %d of %d, after one at %d", place, sizes[0], at, sizes[1], last)
			}
			last = at
		}
		if first := spread(0, sizes[0], sizes[1]); first != 1 || last != sizes[1] {
			t.Errorf("%d layers go from %d to %d, want from 1 to %d", sizes[0], first, last, sizes[1])
		}
	}
}

func TestVerdict(t *testing.T) {
	arms := []Arm{{Depth: 8}, {Depth: 20}, {Depth: 8}, {Depth: 20}}
	const (
		noDegradation = "the plain network does not degrade with depth"
		noCure        = "the shortcuts do not undo the damage of depth"
	)
	for _, test := range []struct {
		plain, residual float64
		want            []string
		without         []string
	}{
		{0.25, -0.125, []string{"Plain: the training loss at depth 20 is 0.250 higher than at depth 8.",
			"Residual: the training loss at depth 20 is 0.125 lower than at depth 8."}, []string{noDegradation, noCure}},
		{0.25, 0.1, []string{"0.100 higher"}, []string{noDegradation, noCure}},
		{0.25, 0.2, []string{"0.200 higher", noCure}, []string{noDegradation}},
		{-0.5, 0.2, []string{"0.500 lower", "0.200 higher", noDegradation}, []string{noCure}},
	} {
		r := Result{Arms: arms, PlainGap: test.plain, ResidualGap: test.residual}
		verdict := r.Verdict()
		for _, want := range test.want {
			if !strings.Contains(verdict, want) {
				t.Errorf("gaps %g and %g: want %q in\n%s", test.plain, test.residual, want, verdict)
			}
		}
		for _, word := range test.without {
			if strings.Contains(verdict, word) {
				t.Errorf("gaps %g and %g: %q is not true:\n%s", test.plain, test.residual, word, verdict)
			}
		}
	}
}

// TestSignalAndGradientFigures checks which weights the figures are measured on: figures
// before training do not depend on the length of the run, figures after training do.
func TestSignalAndGradientFigures(t *testing.T) {
	images := noise.Images(32, 8)
	figures := func(epochs int, when When) (signal, gradient string) {
		e := tiny()
		e.Recipe.Epochs = epochs
		trained := 0
		result, err := e.Run(context.Background(), t.TempDir(), engine(t), images, images,
			func(string) run.Reporter { return quiet{&trained} })
		if err != nil {
			t.Fatal(err)
		}
		var drawn [2]bytes.Buffer
		first, err := result.SignalFigure(when, "")
		if err == nil {
			err = first.Encode(&drawn[0], "svg")
		}
		if err != nil {
			t.Fatal(err)
		}
		second, err := result.GradientFigure(when, "")
		if err == nil {
			err = second.Encode(&drawn[1], "svg")
		}
		if err != nil {
			t.Fatal(err)
		}
		return drawn[0].String(), drawn[1].String()
	}
	for _, when := range []When{BeforeTraining, AfterTraining} {
		signal, gradient := figures(1, when)
		longerSignal, longerGradient := figures(2, when)
		same := when == BeforeTraining
		if (signal == longerSignal) != same || (gradient == longerGradient) != same {
			t.Errorf("%s training: signals equal %t, gradients equal %t, want %t", when, signal == longerSignal, gradient == longerGradient, same)
		}
	}
}

// All figures of the experiment use the course's code of colours: orange for the plain networks,
// blue for the residual ones, and the deep ones darker.
func TestStyle(t *testing.T) {
	for arm, want := range []figure.Style{
		figure.NetworkStyle(figure.Plain, figure.Shallow), figure.NetworkStyle(figure.Plain, figure.Deep),
		figure.NetworkStyle(figure.Residual, figure.Shallow), figure.NetworkStyle(figure.Residual, figure.Deep),
	} {
		if got := style(arm); got != want {
			t.Errorf("arm %d has the style %+v, want %+v", arm, got, want)
		}
	}
}
