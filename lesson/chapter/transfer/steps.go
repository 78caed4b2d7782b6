package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/lesson/chapter/internal/record"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// ArticleAccuracy is the accuracy on CIFAR-10's test images that the article reports for its program:
// ResNet-50 with torchvision's weights, after ten epochs.
const ArticleAccuracy = 0.8399

// Steps improves a program for fine-tuning one change at a time. Each change is made to the best program
// so far, and kept if the accuracy on validation images rises.
type Steps struct {
	// Recipe is the program before the first change.
	Recipe recipe.Recipe
	// Changes are the changes, in order. The first one changes nothing: it is the program itself.
	Changes []Change
}

// Change is a change of a program.
type Change struct {
	// Name is a word for figures, and About says what changes.
	Name, About string
	Apply       func(*recipe.Recipe)
	// Rates, if there are any, are learning rates to choose from. Each trains for one epoch, and the
	// one with the best accuracy on validation images is taken.
	Rates []float64
	// Aside says that the change is made to the first program, for comparison, and never kept.
	Aside bool
}

// ArticleSteps returns the article's program for the given network, for the given number of epochs, and
// what it leaves out, the most expensive change last.
func ArticleSteps(config resnet.Config, epochs int) (Steps, error) {
	r, err := recipe.ByName("article")
	if err != nil {
		return Steps{}, err
	}
	r.Model, r.Epochs = config, epochs
	cosine := optim.Schedule{Kind: optim.Cosine, WarmUp: 0.05}
	rates, headRates := []float64{0.003, 0.01, 0.03}, []float64{0.001, 0.01, 0.1}
	return Steps{r, []Change{
		{Name: "article", About: "the article's program: pixels normalised by 0.5 and 0.5, batches of 64, rate 0.001, everything trained",
			Apply: func(*recipe.Recipe) {}},
		{Name: "frozen", About: "a frozen body instead, and for its head the best of three rates, which falls along half a cosine", Aside: true, Rates: headRates,
			Apply: func(r *recipe.Recipe) { r.Freeze, r.Schedule = "body", cosine }},
		{Name: "frozen, normalised", About: "the same with ImageNet's mean and standard deviation", Aside: true, Rates: headRates,
			Apply: func(r *recipe.Recipe) {
				r.Freeze, r.Schedule, r.Normalization = "body", cosine, dataset.ImageNetNormalization()
			}},
		{Name: "normalisation", About: "ImageNet's mean and standard deviation instead of 0.5 and 0.5",
			Apply: func(r *recipe.Recipe) { r.Normalization = dataset.ImageNetNormalization() }},
		{Name: "rate", About: "a higher learning rate, constant", Rates: rates,
			Apply: func(*recipe.Recipe) {}},
		{Name: "schedule", About: "a short warm-up, then down along half a cosine", Rates: rates,
			Apply: func(r *recipe.Recipe) { r.Schedule = cosine }},
		{Name: "augmentation", About: "images shifted by up to an eighth and mirrored at random",
			Apply: func(r *recipe.Recipe) { r.Augment = dataset.Augment{Crop: 4, Flip: true} }},
		{Name: "decay", About: "weight decay 0.0005",
			Apply: func(r *recipe.Recipe) { r.WeightDecay = 5e-4 }},
		{Name: "64×64", About: "images enlarged from 32×32 to 64×64 pixels, four times the arithmetic",
			Apply: func(r *recipe.Recipe) {
				r.Transform = &picture.Transform{Resize: 64, Height: 64, Width: 64}
				r.Augment.Crop *= 2
			}},
	}}, nil
}

// Step is one change, as it was trained.
type Step struct {
	// Name, About and Aside are those of the change.
	Name  string `json:"name"`
	About string `json:"about"`
	Aside bool   `json:"aside,omitempty"`
	// Kept says that the later changes were made to this program.
	Kept bool `json:"kept,omitempty"`
	Origin
	// Recipe is the whole program. Its Start says which weights it starts from.
	Recipe recipe.Recipe `json:"recipe"`
	// Rates are the learning rates that were tried, if there was a choice.
	Rates []RateTrial `json:"rates,omitempty"`
	// Metrics are the lines of every 100 steps and of every epoch. The accuracy in the lines of epochs is
	// that on validation images, or on test images if none were held out.
	Metrics []run.Metrics `json:"metrics"`
	// Test is the accuracy on the test images, of the first program, the best one and the final one alone.
	Test *float64 `json:"test_top1,omitempty"`
}

// Origin says where a step comes from.
type Origin struct {
	// Licence is that of the weights that training started from.
	Licence string `json:"licence,omitempty"`
	Machine string `json:"machine"`
	Backend string `json:"backend"`
	// Date is the day of the training's last epoch so far, as 2006-01-02.
	Date string `json:"date"`
}

// RateTrial is an epoch at a learning rate.
type RateTrial struct {
	LearningRate float64 `json:"learning_rate"`
	Accuracy     float64 `json:"accuracy"`
}

// Trainer has what training the steps needs.
type Trainer struct {
	Backend compute.Backend
	// Weights are those to start from, without a head, and Start says in words which they are.
	Weights Weights
	Start   string
	// Images are the images, with validation images unless there is nothing to choose.
	Images *datasource.Set
	// Runs is the folder for the runs, which resume there.
	Runs string
	// Origin is recorded with every step; the date is added.
	Origin Origin
	// Report returns the reporter of a training; nil reports nothing.
	Report func(training string) run.Reporter

	resized map[picture.Transform]*datasource.Set
}

// Body returns a model's weights without its head, for a network that gets a new one.
func Body(m *weights.Model) Weights {
	body := maps.Clone(m.Tensors)
	maps.DeleteFunc(body, func(name string, _ statedict.Tensor) bool { return strings.HasPrefix(name, headPrefix) })
	return body
}

// Train trains the steps that the file at path does not have yet, and writes it after every epoch. What
// was interrupted resumes. In the end, the first program and the best one are tested on the test images.
func (s Steps) Train(ctx context.Context, path string, t *Trainer) error {
	before, err := ReadSteps(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	program := s.Recipe
	program.Model.Classes = len(t.Images.Training.Classes)
	program.Start, program.Data = t.Start, t.Images.Training.Name
	if t.Images.Validation != nil {
		program.Validation = t.Images.Validation.Len()
	}
	var steps []Step
	best := 0
	for _, change := range s.Changes {
		r := program
		if len(steps) > 0 && !change.Aside {
			r = steps[best].Recipe
		}
		change.Apply(&r)
		var step Step
		if i := slices.IndexFunc(before, func(old Step) bool { return old.Done() && old.of(change, r) }); i >= 0 {
			step = before[i]
			before = slices.Delete(before, i, i+1)
		} else {
			step.Name, step.About, step.Aside, step.Recipe = change.Name, change.About, change.Aside, r
			before = slices.DeleteFunc(before, func(old Step) bool { return old.Name == change.Name })
			save := func() error { return record.Write(path, slices.Concat(steps, []Step{step}, before)) } // those to come stay
			if err := t.train(ctx, &step, change.Rates, save); err != nil {
				return fmt.Errorf("%s: %w", change.Name, err)
			}
		}
		step.Kept = !change.Aside && (len(steps) == 0 || step.Accuracy() > steps[best].Accuracy())
		if step.Kept {
			best = len(steps)
		}
		steps = append(steps, step)
	}
	for i := range steps {
		if t.Images.Validation == nil {
			break // the accuracies are those on the test images
		}
		if chosen := i == 0 || i == best; !chosen {
			steps[i].Test = nil
		} else if steps[i].Test == nil {
			if steps[i].Test, err = t.test(ctx, steps[i]); err != nil {
				return fmt.Errorf("test %s: %w", steps[i].Name, err)
			}
		}
	}
	return record.Write(path, steps)
}

// Best returns the best of the steps: the last one that was kept.
func Best(steps []Step) (best Step, ok bool) {
	for _, s := range steps {
		if s.Kept {
			best, ok = s, true
		}
	}
	return best, ok
}

// TrainFinal trains the program of a step again, from the start, on all the training images of t, none of
// which are held out, and reads the test images once, after the last epoch. It writes the file at path after
// every epoch. What was interrupted resumes, and what is in the file already is not trained again.
func TrainFinal(ctx context.Context, of Step, path string, t *Trainer) error {
	before, err := ReadSteps(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	step := Step{Name: "final", About: "the program of " + of.Name + ", on all training images", Recipe: of.Recipe}
	step.Recipe.Model.Classes = len(t.Images.Training.Classes)
	step.Recipe.Start, step.Recipe.Data, step.Recipe.Validation = t.Start, t.Images.Training.Name, 0
	if len(before) == 1 && before[0].Test != nil && before[0].About == step.About && len(before[0].Recipe.Differences(step.Recipe)) == 0 {
		return nil
	}
	unread := *t // during the training, no image is evaluated
	unread.Images = &datasource.Set{Training: t.Images.Training}
	unread.resized = nil
	save := func() error { return record.Write(path, []Step{step}) }
	if err := unread.train(ctx, &step, nil, save); err != nil {
		return fmt.Errorf("%s: %w", step.Name, err)
	}
	if step.Test, err = t.test(ctx, step); err != nil {
		return fmt.Errorf("test %s: %w", step.Name, err)
	}
	return save()
}

// Done reports whether all epochs were trained.
func (s Step) Done() bool { return len(s.Epochs()) == s.Recipe.Epochs }

// of reports whether the step is the given change, which makes the recipe r but for the learning rate
// if there are several to choose from.
func (s Step) of(change Change, r recipe.Recipe) bool {
	var rates []float64
	for _, trial := range s.Rates {
		rates = append(rates, trial.LearningRate)
	}
	if len(rates) > 0 {
		r.LearningRate = s.Recipe.LearningRate
	}
	return s.Name == change.Name && s.Aside == change.Aside && slices.Equal(rates, change.Rates) && len(s.Recipe.Differences(r)) == 0
}

// Epochs returns the metrics of the epochs.
func (s Step) Epochs() []run.Metrics { return epochs(s.Metrics) }

func epochs(lines []run.Metrics) []run.Metrics {
	return slices.DeleteFunc(slices.Clone(lines), func(m run.Metrics) bool { return m.Kind != run.EpochLine })
}

// Accuracy returns the accuracy after the last epoch, on validation images if there are any.
func (s Step) Accuracy() float64 { return lastAccuracy(s.Metrics) }

func lastAccuracy(lines []run.Metrics) float64 {
	e := epochs(lines)
	if len(e) == 0 || e[len(e)-1].TestTop1 == nil {
		return math.NaN()
	}
	return *e[len(e)-1].TestTop1
}

// Log returns the losses of the given epoch as the article's program prints them, a line every 100 steps.
func (s Step) Log(epoch int) string {
	var log strings.Builder
	for _, m := range s.Metrics {
		if m.Kind == run.StepLine && m.Epoch == epoch {
			fmt.Fprintf(&log, "Epoch [%d/%d], Step [%d/%d], Loss: %.4f\n", m.Epoch, m.Epochs, m.StepInEpoch, m.StepsPerEpoch, m.Loss)
		}
	}
	return log.String()
}

// train trains a step, after one epoch at each of the given learning rates, if there are any, to choose
// from. save is called after every epoch of the step.
func (t *Trainer) train(ctx context.Context, step *Step, rates []float64, save func() error) error {
	highest := math.Inf(-1)
	for _, rate := range rates {
		trial := step.Recipe
		trial.Epochs, trial.LearningRate = 1, rate
		lines, err := t.run(ctx, fmt.Sprintf("%s %g", step.Name, rate), trial, nil)
		if err != nil {
			return err
		}
		reached := lastAccuracy(lines)
		step.Rates = append(step.Rates, RateTrial{rate, reached})
		if reached > highest {
			highest, step.Recipe.LearningRate = reached, rate
		}
	}
	keep := func(lines []run.Metrics) error {
		step.Metrics, step.Origin = lines, t.Origin
		step.Date = time.Now().Format(time.DateOnly)
		return save()
	}
	lines, err := t.run(ctx, step.Name, step.Recipe, keep)
	if err != nil {
		return err
	}
	return keep(lines)
}

// dir returns the folder of the training of the given name.
func (t *Trainer) dir(training string) string {
	return filepath.Join(t.Runs, strings.ReplaceAll(training, " ", "-"))
}

// run trains the recipe, or what is left of it, and returns its metrics. keep is called with the
// metrics so far after every epoch; it may be nil.
func (t *Trainer) run(ctx context.Context, training string, r recipe.Recipe, keep func([]run.Metrics) error) ([]run.Metrics, error) {
	dir := t.dir(training)
	images, err := t.sized(ctx, r)
	if err != nil {
		return nil, err
	}
	report := &recording{Reporter: silent{}, dir: dir, keep: keep}
	if t.Report != nil {
		report.Reporter = t.Report(training)
	}
	o := run.Options{Backend: t.Backend, Training: images.Training, Test: images.InTraining(), Start: t.Weights, Report: report}
	outcome, err := run.TrainOrResume(ctx, dir, r, o)
	if err != nil {
		return nil, errors.Join(err, report.err)
	}
	outcome.Store.Finalize()
	if report.err != nil {
		return nil, report.err
	}
	return run.ReadMetrics(dir)
}

// sized returns the images at the recipe's size.
func (t *Trainer) sized(ctx context.Context, r recipe.Recipe) (*datasource.Set, error) {
	if r.Transform == nil {
		return t.Images, nil
	}
	if set, ok := t.resized[*r.Transform]; ok {
		return set, nil
	}
	set := *t.Images
	if err := set.Resize(ctx, *r.Transform); err != nil {
		return nil, err
	}
	t.resized = map[picture.Transform]*datasource.Set{*r.Transform: &set}
	return &set, nil
}

// test returns the accuracy of a trained step on the test images.
func (t *Trainer) test(ctx context.Context, step Step) (*float64, error) {
	_, path, err := run.Latest(t.dir(step.Name), func(string) {})
	if err != nil {
		return nil, err
	}
	network, err := Load(t.Backend, path)
	if err != nil {
		return nil, err
	}
	defer network.Close()
	images := t.Images.Test
	if step.Recipe.Transform != nil {
		if images, err = datasource.Resize(ctx, images, *step.Recipe.Transform); err != nil {
			return nil, err
		}
	}
	result, err := network.Evaluate(ctx, images)
	if err != nil {
		return nil, err
	}
	return &result.Top1, nil
}

// recording is a reporter that records a run's metrics after every epoch.
type recording struct {
	run.Reporter
	dir  string
	keep func([]run.Metrics) error
	err  error
}

func (r *recording) Epoch(m run.Metrics) {
	r.Reporter.Epoch(m)
	if r.keep == nil || r.err != nil {
		return
	}
	lines, err := run.ReadMetrics(r.dir)
	if err == nil {
		err = r.keep(lines)
	}
	r.err = err
}

// silent is a reporter that ignores everything.
type silent struct{}

func (silent) Step(run.Metrics)    {}
func (silent) Line(run.Metrics)    {}
func (silent) Evaluating(int, int) {}
func (silent) Epoch(run.Metrics)   {}
func (silent) Note(string)         {}

// Sources returns lines that name the images and the weights of a step, and the licence of the weights.
func (s Step) Sources() []string {
	return []string{"Data: " + s.Recipe.Data + ".", "Weights: " + s.Recipe.Start + ".", "Licence: " + s.Licence + "."}
}

// ProgramFigure draws the accuracy by epoch of a step that was evaluated on the test images, as the article's
// program is, on training and on test images, and the accuracy that the article reports.
func ProgramFigure(s Step, caption string) (*figure.Figure, error) {
	style := s.style()
	training := figure.Curve{Name: "training", Style: style.Training()}
	test := figure.Curve{Name: "test", Style: style}
	reported := figure.Curve{Name: "83.99%: the article", Style: figure.Style{Color: 5, Dash: figure.Dotted}}
	for _, m := range s.Epochs() {
		training.Y, test.Y = append(training.Y, m.Accuracy), append(test.Y, *m.TestTop1)
	}
	for range s.Recipe.Epochs {
		reported.Y = append(reported.Y, ArticleAccuracy)
	}
	return figure.Curves("The article's program, from ImageNet weights", "epoch", "accuracy", []figure.Curve{training, test, reported},
		figure.Percent(), figure.Caption(caption))
}

// ReadSteps reads steps from the file at path, which has a JSON line for each.
func ReadSteps(path string) ([]Step, error) { return record.Read[Step](path) }

// Gains returns for each step by how much its accuracy is above that of the program it changes; for
// the first one, 0.
func Gains(steps []Step) []float64 {
	gains := make([]float64, len(steps))
	best := 0
	for i, s := range steps {
		from := best
		if s.Aside {
			from = 0
		}
		gains[i] = s.Accuracy() - steps[from].Accuracy()
		if s.Kept {
			best = i
		}
	}
	return gains
}

// style is that of the step's network in figures.
func (s Step) style() figure.Style {
	return figure.NetworkStyle(figure.Residual, figure.DepthOf(s.Recipe.Model.Layers()))
}

// Waterfall draws the accuracy on validation images of each step, with its gain over the program that it
// changes, and the accuracy that the article reports.
func Waterfall(steps []Step, caption string) (*figure.Figure, error) {
	var bars, aside []figure.Bar
	gains := Gains(steps)
	best := 0.0
	for i, s := range steps {
		bar := figure.Bar{Name: s.Name, Value: s.Accuracy(), Style: s.style()}
		switch {
		case s.Aside:
			bar.Style.Dash = figure.Dashed // hatched
			bar.Name, bar.Note, _ = strings.Cut(s.Name, ", ")
			aside = append(aside, bar)
			continue
		case i > 0:
			bar.Note, bar.Before = record.Points(gains[i]), best
		}
		if s.Kept {
			best = s.Accuracy()
		}
		bars = append(bars, bar)
	}
	return figure.Bars("The article's program, improved step by step", "accuracy on validation images", append(bars, aside...),
		figure.Percent(), figure.Reference(ArticleAccuracy, "83.99%: the article, with ResNet-50, 10 epochs, on test images"), figure.Caption(caption))
}

// StepTable returns a row for each step: its name, what changes, the learning rate and those that were tried, the
// accuracy on validation images, the gain, and the accuracy on the test images where they were read.
func StepTable(steps []Step) (header []string, rows [][]string) {
	gains := Gains(steps)
	for i, s := range steps {
		var tried []string
		for _, trial := range s.Rates {
			tried = append(tried, fmt.Sprintf("%g: %.1f%%", trial.LearningRate, 100*trial.Accuracy))
		}
		gain := record.Points(gains[i])
		switch {
		case i == 0:
			gain = ""
		case !s.Aside && !s.Kept:
			gain += ", not kept"
		}
		tested := ""
		if s.Test != nil {
			tested = fmt.Sprintf("%.2f%%", 100**s.Test)
		}
		rows = append(rows, []string{s.Name, s.About, fmt.Sprintf("%g", s.Recipe.LearningRate), strings.Join(tried, ", "),
			fmt.Sprintf("%.1f%%", 100*s.Accuracy()), gain, tested})
	}
	return []string{"change", "what changes", "rate", "rates tried, and accuracy after an epoch", "validation accuracy", "gain", "test accuracy"}, rows
}
