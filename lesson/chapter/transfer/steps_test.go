package transfer

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// step returns a step with the given accuracy after its only epoch.
func step(name string, accuracy float64, kept, aside bool) Step {
	s := Step{Name: name, Kept: kept, Aside: aside}
	s.Recipe.Epochs = 1
	s.Metrics = []run.Metrics{{Kind: run.EpochLine, Epoch: 1, Epochs: 1, TestTop1: &accuracy}}
	return s
}

// hasTexts returns a figure as SVG, and reports an error for each of the texts that it lacks.
func hasTexts(t *testing.T, f *figure.Figure, texts ...string) (svg string) {
	t.Helper()
	var drawn bytes.Buffer
	if err := f.Encode(&drawn, "svg"); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if !strings.Contains(drawn.String(), ">"+text+"<") {
			t.Errorf("the figure does not have %q", text)
		}
	}
	return drawn.String()
}

func TestGainsAndWaterfall(t *testing.T) {
	steps := []Step{
		step("program", 0.75, true, false), step("frozen, too", 0.5, false, true), step("rate", 0.875, true, false),
		step("decay", 0.625, false, false), step("size", 0.9375, true, false),
	}
	if got, want := Gains(steps), []float64{0, -0.25, 0.125, -0.25, 0.0625}; !slices.Equal(got, want) {
		t.Errorf("gains %v, want %v", got, want)
	}
	drawn, err := Waterfall(steps, "data: none")
	if err != nil {
		t.Fatal(err)
	}
	svg := hasTexts(t, drawn, "program", "rate", "75.0%", "93.8%", "+12.5 points", "−25.0 points", "+6.2 points", "frozen", "too", "data: none")
	steps[2].About, steps[2].Rates, steps[2].Recipe.LearningRate = "a rate", []RateTrial{{0.5, 0.25}, {2, 0.75}}, 2
	tested := 0.875
	steps[4].Test = &tested
	_, rows := StepTable(steps)
	want := [][]string{
		{"program", "", "0", "", "75.0%", "", ""},
		{"frozen, too", "", "0", "", "50.0%", "−25.0 points", ""},
		{"rate", "a rate", "2", "0.5: 25.0%, 2: 75.0%", "87.5%", "+12.5 points", ""},
		{"decay", "", "0", "", "62.5%", "−25.0 points, not kept", ""},
		{"size", "", "0", "", "93.8%", "+6.2 points", "87.50%"},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("the table is %q, want %q", rows, want)
	}
	if strings.Index(svg, ">frozen<") < strings.Index(svg, ">size<") {
		t.Error("the bar that is not a step does not stand at the end")
	}
}

// tinyTrainer returns a trainer of the network of newNetwork on a few small images.
func tinyTrainer(t *testing.T, runs string) *Trainer {
	t.Helper()
	body := weightsOf(t, newNetwork(t))
	for name := range body {
		if strings.HasPrefix(name, headPrefix) {
			delete(body, name)
		}
	}
	training, validation, err := testImages(60).HoldOut(20, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &Trainer{
		Backend: testBackend(t), Weights: body, Start: "a small network", Runs: runs,
		Images: &datasource.Set{Training: training, Validation: validation, Test: testImages(25)},
		Origin: Origin{Licence: "none", Machine: "a machine", Backend: "cpu"},
	}
}

// tinySteps returns steps small enough for a test. The second rate of each choice is far too high.
func tinySteps(t *testing.T) Steps {
	t.Helper()
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ArticleSteps(config, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Recipe.BatchSize = 10
	s.Changes = []Change{
		s.Changes[0],
		{Name: "frozen", Aside: true, Rates: []float64{0.01, 0.1}, Apply: func(r *recipe.Recipe) { r.Freeze = "body" }},
		{Name: "rate", Rates: []float64{0.05, 30}, Apply: func(*recipe.Recipe) {}},
		{Name: "harm", Apply: func(r *recipe.Recipe) { r.WeightDecay = 5 }},
		{Name: "size", Apply: func(r *recipe.Recipe) {
			r.Transform = &picture.Transform{Resize: 16, Height: 16, Width: 16}
		}},
	}
	return s
}

func TestTrainSteps(t *testing.T) {
	s, dir := tinySteps(t), t.TempDir()
	path, trainer := filepath.Join(dir, "steps.jsonl"), tinyTrainer(t, filepath.Join(dir, "runs"))
	if err := s.Train(t.Context(), path, trainer); err != nil {
		t.Fatal(err)
	}
	steps, err := ReadSteps(path)
	if err != nil || len(steps) != 5 {
		t.Fatalf("%d steps, %v; want 5", len(steps), err)
	}
	best := 0
	for i, step := range steps {
		if step.Name != s.Changes[i].Name || !step.Done() || step.Machine != "a machine" || step.Date == "" || step.Recipe.Start != "a small network" {
			t.Errorf("step %d is %+v", i, step)
		}
		m := step.Epochs()[1]
		if m.TestImages != 20 || m.TestSplit != "validation" || step.Accuracy() != *m.TestTop1 {
			t.Errorf("%s: accuracy %g of %d %s images", step.Name, *m.TestTop1, m.TestImages, m.TestSplit)
		}
		if kept := i == 0 || !step.Aside && step.Accuracy() > steps[best].Accuracy(); step.Kept != kept {
			t.Errorf("%s: kept is %t, want %t", step.Name, step.Kept, kept)
		}
		if i > 0 && !step.Aside { // one change only
			changed := steps[best].Recipe.Differences(step.Recipe)
			if len(changed) != 1 {
				t.Errorf("%s changes %v", step.Name, changed)
			}
		}
		if step.Kept {
			best = i
		}
	}
	for i, step := range steps {
		if tested := step.Test != nil; tested != (i == 0 || i == best) {
			t.Errorf("%s: tested is %t", step.Name, tested)
		}
	}
	rate := steps[2]
	if len(rate.Rates) != 2 || rate.Recipe.LearningRate != 0.05 && rate.Rates[0].Accuracy >= rate.Rates[1].Accuracy {
		t.Errorf("rate %g was chosen from %v", rate.Recipe.LearningRate, rate.Rates)
	}
	if steps[3].Kept || !steps[2].Kept {
		t.Errorf("after accuracies of %g and %g, a weight decay of 5 was kept: %t", steps[2].Accuracy(), steps[3].Accuracy(), steps[3].Kept)
	}
	network, err := Load(trainer.Backend, checkpointOf(t, trainer.dir("article")))
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	if got := accuracy(t, network, trainer.Images.Test); got != *steps[0].Test {
		t.Errorf("the first program has %g on test images, recorded is %g", got, *steps[0].Test)
	}

	// What is in the file is not trained again, and what is not is.
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(first, []byte("\n"))
	if err := os.WriteFile(path, slices.Concat(lines[0], lines[1], lines[3], lines[4]), 0o600); err != nil {
		t.Fatal(err)
	}
	var trained []string
	again := tinyTrainer(t, filepath.Join(dir, "again"))
	again.Report = func(training string) run.Reporter {
		trained = append(trained, training)
		return silent{}
	}
	again.Origin.Machine = "another machine"
	if err := s.Train(t.Context(), path, again); err != nil {
		t.Fatal(err)
	}
	if want := []string{"rate 0.05", "rate 30", "rate"}; !slices.Equal(trained, want) {
		t.Errorf("trained %q, want %q", trained, want)
	}
	resumed, err := ReadSteps(path)
	if err != nil || len(resumed) != 5 || resumed[2].Machine != "another machine" || resumed[1].Machine != "a machine" {
		t.Errorf("after an interruption the file has %d steps, %v", len(resumed), err)
	}
	for i := range resumed {
		if resumed[i].Accuracy() != steps[i].Accuracy() {
			t.Errorf("%s: accuracy %g, then %g", steps[i].Name, steps[i].Accuracy(), resumed[i].Accuracy())
		}
	}
}

func checkpointOf(t *testing.T, dir string) string {
	t.Helper()
	_, path, err := run.Latest(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A training that is interrupted is in the file with the epochs that it has, and resumes.
func TestInterruptedStepsResume(t *testing.T) {
	s, dir := tinySteps(t), t.TempDir()
	s.Changes = s.Changes[:1]
	s.Recipe.Epochs = 3
	path, trainer := filepath.Join(dir, "steps.jsonl"), tinyTrainer(t, filepath.Join(dir, "runs"))
	trainer.Images.Validation = nil // as for the article's program: nothing is chosen
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	trainer.Report = func(string) run.Reporter { return &stopping{cancel: cancel} }
	if err := s.Train(ctx, path, trainer); !errors.Is(err, run.ErrInterrupted) {
		t.Fatalf("error %v, want an interruption", err)
	}
	steps, err := ReadSteps(path)
	if err != nil || len(steps) != 1 || len(steps[0].Epochs()) != 1 || steps[0].Done() {
		t.Fatalf("after one epoch the file has %+v, %v", steps, err)
	}
	trainer.Report = nil
	if err := s.Train(t.Context(), path, trainer); err != nil {
		t.Fatal(err)
	}
	whole := tinyTrainer(t, filepath.Join(dir, "whole"))
	whole.Images.Validation = nil
	if err := s.Train(t.Context(), filepath.Join(dir, "whole.jsonl"), whole); err != nil {
		t.Fatal(err)
	}
	want, err := ReadSteps(filepath.Join(dir, "whole.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if steps, err = ReadSteps(path); err != nil || len(steps) != 1 || !steps[0].Done() || steps[0].Accuracy() != want[0].Accuracy() {
		t.Errorf("resumed: %+v, %v; want %+v", steps, err, want)
	}
	if m := steps[0].Epochs()[2]; m.TestImages != 25 || steps[0].Test != nil || steps[0].Recipe.Validation != 0 {
		t.Errorf("without validation images the lines are %+v, and the test accuracy %v", m, steps[0].Test)
	}

	// The run's folder is not another program's.
	s.Recipe.LearningRate *= 2
	if err := s.Train(t.Context(), path, trainer); !errors.Is(err, run.ErrOtherRecipe) {
		t.Errorf("error %v, want %v", err, run.ErrOtherRecipe)
	}
}

// The final training uses all images, reads the test images once, and resumes.
func TestTrainFinal(t *testing.T) {
	s, dir := tinySteps(t), t.TempDir()
	of := Step{Name: "size", Recipe: s.Recipe}
	of.Recipe.Validation, of.Recipe.Data = 20, "fewer images"
	s.Changes[4].Apply(&of.Recipe)
	path, trainer := filepath.Join(dir, "final.jsonl"), tinyTrainer(t, filepath.Join(dir, "runs"))
	trainer.Images.Training, trainer.Images.Validation = testImages(60), nil
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	trainer.Report = func(string) run.Reporter { return &stopping{cancel: cancel} }
	if err := TrainFinal(ctx, of, path, trainer); !errors.Is(err, run.ErrInterrupted) {
		t.Fatalf("error %v, want an interruption", err)
	}
	steps, err := ReadSteps(path)
	if err != nil || len(steps) != 1 || len(steps[0].Epochs()) != 1 || steps[0].Test != nil {
		t.Fatalf("after one epoch the file has %+v, %v", steps, err)
	}
	trainer.Report = nil
	if err := TrainFinal(t.Context(), of, path, trainer); err != nil {
		t.Fatal(err)
	}
	if steps, err = ReadSteps(path); err != nil || len(steps) != 1 || !steps[0].Done() || steps[0].Test == nil {
		t.Fatalf("in the end the file has %+v, %v", steps, err)
	}
	final := steps[0]
	want := of.Recipe
	want.Validation, want.Data, want.Start, want.Model.Classes = 0, trainer.Images.Training.Name, "a small network", len(trainer.Images.Training.Classes)
	if changed := want.Differences(final.Recipe); len(changed) > 0 {
		t.Errorf("the recipe differs in %v", changed)
	}
	for _, m := range final.Metrics {
		if m.TestTop1 != nil || m.StepsPerEpoch != 6 {
			t.Errorf("a line of the training is %+v", m)
		}
	}
	network, err := Load(trainer.Backend, checkpointOf(t, trainer.dir("final")))
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	large, err := datasource.Resize(t.Context(), trainer.Images.Test, *of.Recipe.Transform)
	if err != nil {
		t.Fatal(err)
	}
	if got := accuracy(t, network, large); got != *final.Test {
		t.Errorf("the network has %g on test images, recorded is %g", got, *final.Test)
	}

	// What is in the file is not trained again.
	trainer.Runs = filepath.Join(dir, "none")
	if err := TrainFinal(t.Context(), of, path, trainer); err != nil {
		t.Fatal(err)
	}
	if run.Exists(trainer.dir("final")) {
		t.Error("it was trained again")
	}
}

func TestBest(t *testing.T) {
	if best, ok := Best([]Step{step("a", 0.5, true, false), step("b", 0.75, true, false), step("c", 0.25, false, false)}); !ok || best.Name != "b" {
		t.Errorf("the best is %q, %t", best.Name, ok)
	}
	if _, ok := Best(nil); ok {
		t.Error("there is a best of no steps")
	}
}

// stopping cancels a training after an epoch.
type stopping struct {
	silent
	cancel func()
}

func (s *stopping) Epoch(run.Metrics) { s.cancel() }

func TestArticleSteps(t *testing.T) {
	config, err := resnet.ByName("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ArticleSteps(config, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Recipe
	s.Changes[0].Apply(&r)
	if r.LearningRate != 0.001 || r.Schedule.Kind != optim.Constant || r.BatchSize != 64 || r.Momentum != 0.9 || r.WeightDecay != 0 || r.Freeze != "" {
		t.Errorf("the article's program is %+v", r)
	}
	names := map[string]bool{}
	for _, change := range s.Changes {
		before := r
		change.Apply(&r)
		if change.Aside {
			r = before
		}
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", change.Name, err)
		}
		if change.About == "" || names[change.Name] {
			t.Errorf("the change %q has no description, or is there twice", change.Name)
		}
		names[change.Name] = true
	}
	if r.Transform == nil || r.Transform.Width != 64 || r.Augment.Crop != 8 || r.WeightDecay == 0 || r.Schedule.Kind != optim.Cosine {
		t.Errorf("with all changes the program is %+v", r)
	}
}

func TestLog(t *testing.T) {
	var s Step
	s.Metrics = []run.Metrics{
		{Kind: run.StepLine, Epoch: 1, Epochs: 10, StepInEpoch: 100, StepsPerEpoch: 782, Loss: 1.87654},
		{Kind: run.EpochLine, Epoch: 1, Epochs: 10, StepInEpoch: 782, StepsPerEpoch: 782, Loss: 1.5},
		{Kind: run.StepLine, Epoch: 2, Epochs: 10, StepInEpoch: 100, StepsPerEpoch: 782, Loss: 1},
	}
	if got, want := s.Log(1), "Epoch [1/10], Step [100/782], Loss: 1.8765\n"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
	if !math.IsNaN((Step{}).Accuracy()) {
		t.Error("a step without an epoch has an accuracy")
	}
}

func TestProgramFigure(t *testing.T) {
	s := step("article", 0.75, true, false)
	s.Recipe.Epochs, s.Recipe.Data, s.Recipe.Start, s.Licence = 10, "noise", "a network", "none"
	drawn, err := ProgramFigure(s, "data: none")
	if err != nil {
		t.Fatal(err)
	}
	hasTexts(t, drawn, "training", "test", "83.99%: the article", "data: none")
	if got, want := s.Sources(), []string{"Data: noise.", "Weights: a network.", "Licence: none."}; !slices.Equal(got, want) {
		t.Errorf("the sources are %q, want %q", got, want)
	}
}

func TestReadStepsRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "steps.jsonl")
	if err := os.WriteFile(path, []byte("{}\n{\"rates\": 3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSteps(path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}
