// Package pipeline is the code of notebook 5: it measures what each part of the recipe quick
// contributes. [Record] trains the recipe whole, and with one part left out at a time, on the same
// images, and keeps the metrics. The notebook reads them with [Read], and shows [Table], [LossFigure] and
// [CurvesFigure].
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/lesson/chapter/internal/record"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
)

// Variant is a recipe from which one part has been left out.
type Variant struct {
	// Name is the name of its folder: whole, or for example without-muon.
	Name string
	// Part is what is left out, "" for the whole recipe, and Instead what takes its place.
	Part, Instead string
	Recipe        recipe.Recipe
}

// Variants returns the whole recipe and the recipe without each of its parts, for images of the given
// side. All cost about the same: without smaller images there are fewer epochs.
func Variants(whole recipe.Recipe, side int) []Variant {
	variants := []Variant{{Name: "whole", Recipe: whole}}
	without := func(name, part, instead string, change func(*recipe.Recipe)) {
		r := whole
		change(&r)
		variants = append(variants, Variant{"without-" + name, part, instead, r})
	}
	without("muon", "Muon", "SGD for the kernels too", func(r *recipe.Recipe) { r.Muon = 0 })
	epochs := int(math.Ceil(Cost(whole, side)))
	without("sizes", "smaller images at first", fmt.Sprintf("%d pixels, %d epochs", side, epochs), func(r *recipe.Recipe) {
		r.Sizes, r.Epochs = nil, epochs
	})
	without("augmentation", "augmentation", "the images as they are", func(r *recipe.Recipe) { r.Augment = dataset.Augment{} })
	rate := whole.LearningRate / 4
	without("schedule", "one cycle", fmt.Sprintf("a constant rate of %g", rate), func(r *recipe.Recipe) {
		r.LearningRate, r.Schedule = rate, optim.Schedule{Kind: optim.Constant}
	})
	without("weight-decay", "weight decay", "none", func(r *recipe.Recipe) { r.WeightDecay = 0 })
	without("nesterov", "Nesterov momentum", "plain momentum", func(r *recipe.Recipe) { r.Nesterov = false })
	return variants
}

// Cost returns what a recipe costs, in epochs over images of the given side: on images of half the
// side, every convolution is a quarter of the work.
func Cost(r recipe.Recipe, side int) float64 { return spent(r, side, 1) }

// spent returns what the given share of a run costs.
func spent(r recipe.Recipe, side int, share float64) float64 {
	cost, begin := 0.0, 0.0
	for _, part := range append(slices.Clone(r.Sizes), dataset.Size{Until: 1, Pixels: side}) {
		end := min(part.Until, share)
		scale := float64(part.Pixels) / float64(side)
		cost += max(0, end-begin) * scale * scale
		begin = part.Until
	}
	return float64(r.Epochs) * cost
}

// Record trains every variant of the recipe that the folder out does not have yet, and puts its recipe
// and the metrics of its epochs into a subfolder of out. The runs themselves are in the folder runs; one
// that was interrupted is resumed. The set must have validation images: they are what is evaluated, and the
// test images are not. report is called with each variant before it is trained, and with whether it is
// there already.
func Record(ctx context.Context, whole recipe.Recipe, runs, out string, backend compute.Backend, set *datasource.Set,
	report func(v Variant, done bool) run.Reporter) error {
	if set.Validation == nil {
		return fmt.Errorf("%s has no validation images", set.Name())
	}
	whole.Data, whole.Validation = set.Training.Name, set.Validation.Len()
	whole.Model.Classes = len(set.Training.Classes)
	for _, v := range Variants(whole, side(set.Training)) {
		to, dir := filepath.Join(out, v.Name), filepath.Join(runs, v.Name)
		done, err := isRecorded(to, v.Recipe)
		if err != nil {
			return err
		}
		options := run.Options{Backend: backend, Training: set.Training, Test: set.Validation, Report: report(v, done)}
		if done {
			continue
		}
		outcome, err := run.TrainOrResume(ctx, dir, v.Recipe, options)
		if err != nil {
			return fmt.Errorf("%s: %w", v.Name, err)
		}
		outcome.Store.Finalize()
		if err := recorded.Write(ctx, dir, to, recorded.Options{WithoutWeights: true}); err != nil {
			return err
		}
	}
	return nil
}

func side(images *dataset.Images) int { return min(images.Height, images.Width) }

// isRecorded reports whether dir has a recorded run of the whole recipe.
func isRecorded(dir string, r recipe.Recipe) (bool, error) {
	if !recorded.Is(dir) {
		return false, nil
	}
	before, err := run.ReadRecipe(dir)
	if err != nil {
		return false, err
	}
	lines, err := run.ReadMetrics(dir)
	return len(before.Differences(r)) == 0 && len(lines) == r.Epochs, err
}

// Result is a variant with the metrics of its epochs.
type Result struct {
	Variant
	Epochs []run.Metrics
	// Spent is the cost up to the end of each epoch, in epochs of whole images; see [Cost].
	Spent []float64
}

// Read returns the recorded results in dir, in the order of [Variants], for images of the given side.
// Variants that have not been recorded are left out, but there must be the whole recipe.
func Read(dir string, side int) ([]Result, error) {
	whole, err := run.ReadRecipe(filepath.Join(dir, "whole"))
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, v := range Variants(whole, side) {
		lines, err := run.ReadMetrics(filepath.Join(dir, v.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(lines) == 0 || lines[len(lines)-1].TestTop1 == nil {
			return nil, fmt.Errorf("%s: its last epoch was not evaluated", filepath.Join(dir, v.Name))
		}
		result := Result{Variant: v, Epochs: lines}
		for _, line := range lines {
			result.Spent = append(result.Spent, spent(v.Recipe, side, float64(line.Epoch)/float64(v.Recipe.Epochs)))
		}
		results = append(results, result)
	}
	return results, nil
}

// Accuracy returns the accuracy on validation images after the last epoch.
func (r Result) Accuracy() float64 { return *r.Epochs[len(r.Epochs)-1].TestTop1 }

// Table returns a row for each result: what was left out, what took its place, what the training cost,
// and the accuracy on validation images. The first result is that of the whole recipe.
func Table(results []Result) (header []string, rows [][]string) {
	header = []string{"left out", "instead", "epochs", "arithmetic, in epochs of whole images", "training accuracy", "validation accuracy", "difference"}
	for i, r := range results {
		row := []string{r.Part, r.Instead, fmt.Sprint(len(r.Epochs)), fmt.Sprintf("%.1f", r.Spent[len(r.Spent)-1]),
			percent(r.Epochs[len(r.Epochs)-1].Accuracy), percent(r.Accuracy()), record.Points(r.Accuracy() - results[0].Accuracy())}
		if i == 0 {
			row[0], row[1], row[6] = "nothing", "–", "–"
		}
		rows = append(rows, row)
	}
	return header, rows
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

// LossFigure draws how many points of validation accuracy are lost without each part.
func LossFigure(results []Result, caption string) (*figure.Figure, error) {
	var bars []figure.Bar
	for _, r := range results[1:] {
		points := 100 * (results[0].Accuracy() - r.Accuracy())
		bars = append(bars, figure.Bar{Name: r.Part, Value: points, Label: fmt.Sprintf("%.1f", points), Note: "instead: " + r.Instead})
	}
	return figure.Bars("What is lost without each part of quick", "points of validation accuracy", bars, figure.Caption(caption))
}

// CurvesFigure draws the validation accuracy of the results by the arithmetic that they have cost so
// far.
func CurvesFigure(results []Result, caption string) (*figure.Figure, error) {
	colors := [...]int{1, 3, 4, 5, 6, 7, 2} // vermillion comes last, because orange is near
	var curves []figure.Curve
	for i, r := range results {
		curve := figure.Curve{Name: "without " + r.Part, Style: figure.Style{Color: colors[i%len(colors)]}}
		if i == 0 {
			curve.Name = "the whole recipe"
		}
		for at, epoch := range r.Epochs {
			if epoch.TestTop1 != nil {
				curve.X = append(curve.X, r.Spent[at])
				curve.Y = append(curve.Y, *epoch.TestTop1)
			}
		}
		curves = append(curves, curve)
	}
	return figure.Curves("quick, and quick without one of its parts", "arithmetic, in epochs of whole images", "validation accuracy",
		curves, figure.Percent(), figure.Caption(caption))
}
