// Package plots draws figures from what runs have written down.
package plots

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// History is a run's metrics, ready to be drawn.
type History struct {
	Name          string
	Steps, Epochs []run.Metrics
	StepsPerEpoch int
	LearningRate  func(step int) float64
	TotalSteps    int
}

// Read returns the history of the run in dir. Its name is that of the network, or of the
// folder if there is none.
func Read(dir string) (*History, error) {
	r, err := run.ReadRecipe(dir)
	if err != nil {
		return nil, err
	}
	lines, err := run.ReadMetrics(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("the run in %s has no metrics yet; train it first", dir)
	}
	h := &History{Name: r.Model.Name}
	if h.Name == "" {
		h.Name = filepath.Base(dir)
	}
	for _, line := range lines {
		if line.Kind == run.EpochLine {
			h.Epochs = append(h.Epochs, line)
		} else {
			h.Steps = append(h.Steps, line)
		}
	}
	h.StepsPerEpoch = lines[0].StepsPerEpoch
	h.TotalSteps = h.StepsPerEpoch * r.Epochs
	h.LearningRate = rate(r, h.TotalSteps)
	return h, nil
}

func rate(r recipe.Recipe, steps int) func(int) float64 {
	return func(step int) float64 { return r.Schedule.Rate(r.LearningRate, step, steps) }
}

// Loss draws the training loss of every run by step, smoothed over the raw values, and
// the test loss at the ends of epochs. A run whose epochs were too short for a line of
// metrics has its training loss by epoch.
func Loss(title, caption string, histories ...*History) (*figure.Figure, error) {
	var curves []figure.Curve
	for i, h := range histories {
		lines := h.Steps
		if len(lines) == 0 {
			lines = h.Epochs
		}
		training := figure.Curve{Name: h.Name + ", training", Smooth: max(1, len(lines)/12),
			Style: figure.Style{Color: i + 1, Dash: figure.Dash(i % 4), Thin: true}}
		for _, line := range lines {
			training.X = append(training.X, h.epochs(line))
			training.Y = append(training.Y, line.Loss)
		}
		if len(training.X) > 0 {
			curves = append(curves, training)
		}
		curves = append(curves, h.byEpoch(h.Name+", test", i, func(m run.Metrics) *float64 { return m.TestLoss })...)
	}
	return figure.Curves(title, "epoch", "loss", curves, figure.Caption(caption))
}

// Accuracy draws training and test accuracy of every run by epoch.
func Accuracy(title, caption string, histories ...*History) (*figure.Figure, error) {
	var curves []figure.Curve
	for i, h := range histories {
		training := h.byEpoch(h.Name+", training", i, func(m run.Metrics) *float64 { return &m.Accuracy })
		for j := range training {
			training[j].Style.Thin = true
		}
		curves = append(curves, training...)
		curves = append(curves, h.byEpoch(h.Name+", test", i, func(m run.Metrics) *float64 { return m.TestTop1 })...)
	}
	return figure.Curves(title, "epoch", "accuracy", curves, figure.Caption(caption), figure.Percent())
}

// Schedule draws the learning rates of the runs by epoch.
func Schedule(title string, histories ...*History) (*figure.Figure, error) {
	var curves []figure.Curve
	for _, h := range histories {
		curve := figure.Curve{Name: h.Name}
		const points = 400
		for i := 0; i < h.TotalSteps; i += max(1, h.TotalSteps/points) {
			curve.X = append(curve.X, float64(i)/float64(h.StepsPerEpoch))
			curve.Y = append(curve.Y, h.LearningRate(i))
		}
		curves = append(curves, curve)
	}
	return figure.Schedule(title, "epoch", curves)
}

// byEpoch returns a curve of what pick finds in the epoch lines, none if that is nothing.
func (h *History) byEpoch(name string, color int, pick func(run.Metrics) *float64) []figure.Curve {
	curve := figure.Curve{Name: name, Style: figure.Style{Color: color + 1, Dash: figure.Dash(color % 4)}}
	for _, line := range h.Epochs {
		if value := pick(line); value != nil {
			curve.X = append(curve.X, h.epochs(line))
			curve.Y = append(curve.Y, *value)
		}
	}
	if len(curve.X) == 0 {
		return nil
	}
	return []figure.Curve{curve}
}

// epochs is how many epochs, with their fraction, lie before the end of a line's step.
func (h *History) epochs(line run.Metrics) float64 {
	return float64(line.Step) / float64(h.StepsPerEpoch)
}

// Confusion draws a result's confusion matrix.
func Confusion(title, caption string, result *infer.Result) (*figure.Figure, error) {
	return figure.Confusion(title, result.Classes, result.Confusion, figure.Caption(caption))
}

// Guesses draws the first n images with their labels and the network's guesses.
func Guesses(title, caption string, images *dataset.Images, result *infer.Result, n int) (*figure.Figure, error) {
	var tiles []figure.Tile
	for i := range min(n, images.Len()) {
		label, guess := images.Classes[images.Labels[i]], result.Classes[result.Guesses[i]]
		tiles = append(tiles, figure.Tile{Pixels: images.Image(i), Height: images.Height, Width: images.Width,
			Caption: label + "\n→ " + guess, Wrong: label != guess})
	}
	return figure.ImageGrid(title, 8, tiles, figure.Caption(caption))
}

// Worst draws the n images that the result is worst at, the worst first: each with its
// label, the probability that it was given, and the guess.
func Worst(title, caption string, images *dataset.Images, result *infer.Result, n int) (*figure.Figure, error) {
	order := make([]int, len(result.Losses))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(result.Losses[b], result.Losses[a]) })
	var tiles []figure.Tile
	for _, i := range order[:min(n, len(order))] {
		label, guess := images.Classes[images.Labels[i]], result.Classes[result.Guesses[i]]
		tiles = append(tiles, figure.Tile{Pixels: images.Image(i), Height: images.Height, Width: images.Width,
			Caption: fmt.Sprintf("%s %.1f%%\n→ %s", label, 100*math.Exp(-result.Losses[i]), guess), Wrong: label != guess})
	}
	return figure.ImageGrid(title, 8, tiles, figure.Caption(caption))
}

// Samples draws n images of every class in a row of its own.
func Samples(title, caption string, images *dataset.Images, n int) (*figure.Figure, error) {
	of := make([][]int, len(images.Classes))
	for i, label := range images.Labels {
		if len(of[label]) < n {
			of[label] = append(of[label], i)
		}
	}
	var tiles []figure.Tile
	for label, indices := range of {
		for _, i := range indices {
			tiles = append(tiles, figure.Tile{Pixels: images.Image(i), Height: images.Height, Width: images.Width,
				Caption: images.Classes[label]})
		}
	}
	return figure.ImageGrid(title, n, tiles, figure.Caption(caption))
}

// Drawing is a figure to draw and the name of its files.
type Drawing struct {
	Name string
	Draw func() (*figure.Figure, error)
}

// Save draws figures and writes each as name.png and name.svg into dir, which it creates if
// necessary. It returns the paths.
func Save(dir string, drawings ...Drawing) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for figures: %w", err)
	}
	var paths []string
	for _, drawing := range drawings {
		drawn, err := drawing.Draw()
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", drawing.Name, err)
		}
		path := filepath.Join(dir, drawing.Name)
		files := []string{path + ".png", path + ".svg"}
		if err := drawn.Save(files...); err != nil {
			return nil, err
		}
		paths = append(paths, files...)
	}
	return paths, nil
}
