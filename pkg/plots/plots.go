// Package plots draws the figures of training runs: loss, accuracy and learning rate from
// the metrics that a run recorded, confusion matrices and image grids from its predictions.
// The drawing itself is done by package figure; [figure.Figure.Translated] draws them in another language.
package plots

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// History holds the metrics of a run.
type History struct {
	Name          string        // in the legends
	Network       resnet.Config // what was trained
	Steps, Epochs []run.Metrics // recorded during epochs and at their ends
	StepsPerEpoch int
	TotalSteps    int                    // of the whole run, as planned
	LearningRate  func(step int) float64 // as planned, for steps from 0
}

// Read returns the history of the run in dir, named after its network or, if the network
// has no name, after the folder. A run without metrics is an error.
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
	h := &History{Name: r.Model.Name, Network: r.Model}
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
	h.LearningRate = func(step int) float64 { return r.Schedule.Rate(r.LearningRate, step, h.TotalSteps) }
	return h, nil
}

// Styles returns a style for each network: that of the course's code, [figure.NetworkStyle], or,
// if two networks would look the same or one is the zero Config, the colours of the palette in
// order. The styles are those of measurements on test images.
func Styles(networks ...resnet.Config) []figure.Style {
	styles := make([]figure.Style, len(networks))
	taken := map[figure.Style]bool{}
	for i, network := range networks {
		if len(network.Blocks) == 0 {
			break
		}
		family := figure.Residual
		if network.Plain {
			family = figure.Plain
		}
		styles[i] = figure.NetworkStyle(family, figure.DepthOf(network.Layers()))
		taken[styles[i]] = true
	}
	if len(taken) < len(networks) { // they would not all differ
		for i := range styles {
			styles[i] = figure.Style{Color: i + 1}
		}
	}
	return styles
}

// styles returns the styles of the runs.
func styles(histories []*History) []figure.Style {
	networks := make([]resnet.Config, len(histories))
	for i, h := range histories {
		networks[i] = h.Network
	}
	return Styles(networks...)
}

// Loss draws the training loss of every run by step, smoothed in front of the raw values,
// and the test loss at the end of each epoch. If the epochs of a run were too short to
// record metrics by step, its training loss is drawn by epoch.
func Loss(title, caption string, histories ...*History) (*figure.Figure, error) {
	var curves []figure.Curve
	styles := styles(histories)
	for i, h := range histories {
		lines := h.Steps
		if len(lines) == 0 {
			lines = h.Epochs
		}
		training := figure.Curve{Name: h.of("training"), Smooth: max(1, len(lines)/12), Style: styles[i].Training()}
		training.Style.Thin = true
		for _, line := range lines {
			training.X = append(training.X, h.epochs(line))
			training.Y = append(training.Y, line.Loss)
		}
		if len(training.X) > 0 {
			curves = append(curves, training)
		}
		curves = append(curves, h.byEpoch(h.evaluated(), styles[i], func(m run.Metrics) *float64 { return m.TestLoss })...)
	}
	return figure.Curves(title, "epoch", "loss", curves, figure.Caption(caption))
}

// of returns the name of a run's curve of the given images, such as "resnet20, training".
func (h *History) of(images string) string { return h.Name + ", " + images }

// evaluated returns the name of the run and of the images that it was evaluated on, such as
// "resnet20, test".
func (h *History) evaluated() string {
	split := dataset.Test
	for _, epoch := range h.Epochs {
		split = cmp.Or(epoch.TestSplit, split)
	}
	return h.of(string(split))
}

// Accuracy draws the training and test accuracy of every run by epoch.
func Accuracy(title, caption string, histories ...*History) (*figure.Figure, error) {
	var curves []figure.Curve
	styles := styles(histories)
	for i, h := range histories {
		training := h.byEpoch(h.of("training"), styles[i].Training(), func(m run.Metrics) *float64 { return &m.Accuracy })
		for j := range training {
			training[j].Style.Thin = true
		}
		curves = append(curves, training...)
		curves = append(curves, h.byEpoch(h.evaluated(), styles[i], func(m run.Metrics) *float64 { return m.TestTop1 })...)
	}
	return figure.Curves(title, "epoch", "accuracy", curves, figure.Caption(caption), figure.Percent())
}

// Schedule draws the learning rates of the runs by epoch. Rates that are the same lie on one
// line, so each run has another dash.
func Schedule(title string, histories ...*History) (*figure.Figure, error) {
	var curves []figure.Curve
	styles := styles(histories)
	for i, h := range histories {
		curve := figure.Curve{Name: h.Name, Style: styles[i]}
		curve.Style.Dash = figure.Dash(i % 4)
		const points = 400
		for i := 0; i < h.TotalSteps; i += max(1, h.TotalSteps/points) {
			curve.X = append(curve.X, float64(i)/float64(h.StepsPerEpoch))
			curve.Y = append(curve.Y, h.LearningRate(i))
		}
		curves = append(curves, curve)
	}
	return figure.Schedule(title, "epoch", curves)
}

// byEpoch returns the curve of a metric at the ends of epochs, or no curve if pick returns
// nil for all of them.
func (h *History) byEpoch(name string, style figure.Style, pick func(run.Metrics) *float64) []figure.Curve {
	curve := figure.Curve{Name: name, Style: style}
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

// epochs returns the time of a line of metrics in epochs.
func (h *History) epochs(line run.Metrics) float64 {
	return float64(line.Step) / float64(h.StepsPerEpoch)
}

// Confusion draws the confusion matrix of a result.
func Confusion(title, caption string, result *infer.Result) (*figure.Figure, error) {
	return figure.Confusion(title, figure.ClassNames(result.Classes), result.Confusion, figure.Caption(caption))
}

// Guesses draws the first n images with their labels and the network's predictions.
func Guesses(title, caption string, images *dataset.Images, result *infer.Result, n int) (*figure.Figure, error) {
	var tiles []figure.Tile
	for i := range min(n, images.Len()) {
		tiles = append(tiles, guessed(images, result, i, ""))
	}
	return figure.ImageGrid(title, 8, tiles, figure.Caption(caption))
}

// Worst draws the n images with the highest losses, the highest first: each with its label,
// the probability that the network gave the label, and the prediction.
func Worst(title, caption string, images *dataset.Images, result *infer.Result, n int) (*figure.Figure, error) {
	order := make([]int, len(result.Losses))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(result.Losses[b], result.Losses[a]) })
	var tiles []figure.Tile
	for _, i := range order[:min(n, len(order))] {
		tiles = append(tiles, guessed(images, result, i, fmt.Sprintf(" %.1f%%", 100*math.Exp(-result.Losses[i]))))
	}
	return figure.ImageGrid(title, 6, tiles, figure.Caption(caption)) // wide enough for a name and a percentage
}

// guessed returns image i with its label, followed by a note, and the prediction below.
func guessed(images *dataset.Images, result *infer.Result, i int, note string) figure.Tile {
	names := figure.ClassNames(images.Classes)
	label, guess := names[images.Labels[i]], names[result.Guesses[i]]
	t := tile(images, i, label+note+"\n→ "+guess)
	t.Wrong = label != guess
	return t
}

func tile(images *dataset.Images, i int, caption string) figure.Tile {
	return figure.Tile{Pixels: images.Image(i), Height: images.Height, Width: images.Width, Caption: caption}
}

// Samples draws n images of every class, a row for each class.
func Samples(title, caption string, images *dataset.Images, n int) (*figure.Figure, error) {
	of := make([][]int, len(images.Classes))
	for i, label := range images.Labels {
		if len(of[label]) < n {
			of[label] = append(of[label], i)
		}
	}
	names := figure.ClassNames(images.Classes)
	var tiles []figure.Tile
	for label, indices := range of {
		for _, i := range indices {
			tiles = append(tiles, tile(images, i, names[label]))
		}
	}
	return figure.ImageGrid(title, n, tiles, figure.Caption(caption))
}

// Drawing is a figure still to be drawn, and the base name of its PNG and SVG files.
type Drawing struct {
	Name string
	Draw func() (*figure.Figure, error)
}

// Save draws figures and writes each as name.png and name.svg into dir, which it creates if
// necessary. It also removes what processes left in dir that were killed while saving figures. It
// returns the paths.
func Save(dir string, drawings ...Drawing) ([]string, error) {
	if err := atomicfile.Prepare(dir); err != nil {
		return nil, fmt.Errorf("save figures: %w", err)
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
