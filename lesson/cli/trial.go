package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/gomlx/gomlx/ml/model"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// trialImages is how many images weights --data uses without --subset: enough to tell networks
// apart, which every image has to go through several times.
const trialImages = 500

// trial is how well weights do as those of one network, with one normalisation.
type trial struct {
	Model         string `json:"model"`
	Normalization string `json:"normalization"`
	// Correct is the number of images, of Total, whose first guess was their label.
	Correct int     `json:"correct"`
	Total   int     `json:"total"`
	Top1    float64 `json:"top1"`
	// Loss is the mean cross-entropy; nil if it is not finite.
	Loss *float64 `json:"loss"`
	// Used marks what the other commands use without --model and --normalize.
	Used bool `json:"used"`
	// Tied says that the difference to the best is within two standard errors.
	Tied bool `json:"tied"`

	right []bool // by image
}

// usualNormalizations returns what networks are usually trained with, and the model's own first.
func usualNormalizations(m *weights.Model) []dataset.Normalization {
	list := []dataset.Normalization{m.Normalization}
	for _, named := range dataset.NamedNormalizations() {
		list = append(list, named.Normalization)
	}
	list = append(list,
		// pytorch-cifar's: the mean of the images' standard deviations.
		dataset.Normalization{Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.2023, 0.1994, 0.2010}},
		// That of A. Martyn's networks: the same for all channels.
		dataset.Normalization{Mean: [3]float32{0.49187, 0.49186, 0.49186}, Std: [3]float32{0.24697, 0.24697, 0.24697}},
	)
	if m.Config.Classes == 100 { // CIFAR-100's statistics
		list = append(list, dataset.Normalization{Mean: [3]float32{0.5071, 0.4867, 0.4408}, Std: [3]float32{0.2675, 0.2565, 0.2761}})
	}
	var unique []dataset.Normalization
	for _, n := range list {
		if !slices.Contains(unique, n) {
			unique = append(unique, n)
		}
	}
	return unique
}

// tryVariants evaluates the model on the labelled images of --data: as every network that has
// weights of these shapes, or as --model, with the usual normalisations, or with --normalize. The
// best is the first.
func (f *flags) tryVariants(cmd *cobra.Command, m *weights.Model) ([]trial, error) {
	images, err := f.trialData(cmd, m)
	if err != nil {
		return nil, err
	}
	variants, normalizations := m.Config.Variants(), usualNormalizations(m)
	if f.model != "" {
		variants = variants[:1]
	}
	if f.normalize != "" {
		normalizations = normalizations[:1]
	}
	engine, err := newBackend(f.backend)
	if err != nil {
		return nil, err
	}
	store := model.NewStore()
	if err := m.Restore(store, run.ModelPath); err != nil {
		return nil, err
	}
	progress := grading(language(cmd), cmd.ErrOrStderr())
	var trials []trial
	for _, config := range variants {
		for _, normalization := range normalizations {
			if err := cmd.Context().Err(); err != nil {
				return nil, err
			}
			network, err := infer.New(engine, store, run.ModelPath, config, normalization)
			if err != nil {
				return nil, err
			}
			result, err := network.Evaluate(cmd.Context(), images, f.batchSize, func(int) {})
			network.Finalize()
			if err != nil {
				return nil, err
			}
			t := newTrial(config, normalization, result, images)
			t.Used = config.Name == m.Config.Name && normalization == m.Normalization
			trials = append(trials, t)
			progress(len(trials), len(variants)*len(normalizations), language(cmd).Sprintf("%s, %s: %d of %d", t.Model, t.Normalization, t.Correct, t.Total))
		}
	}
	clearLine(cmd.ErrOrStderr())
	rank(trials)
	return trials, nil
}

// trialData opens the images of --data, as the model needs them.
func (f *flags) trialData(cmd *cobra.Command, m *weights.Model) (*dataset.Images, error) {
	set, err := f.openTestImages(cmd, f.data, f.subset, m.Transform)
	if err != nil {
		return nil, err
	}
	images, err := datasource.MatchClasses(set.Test, m.Classes)
	if unnamed := m.Spec == "" && len(m.Classes) > 0 && m.Classes[0] == "class 0"; err != nil && unnamed && len(set.Test.Classes) == len(m.Classes) {
		images, err = set.Test, nil // the file does not name its classes; they are probably in the images' order
	}
	if err != nil {
		return nil, fmt.Errorf("%s has other classes than %s: %w; use images of the same classes", set.Test.Name, m.Config.Name, err)
	}
	if images.Len() == 0 {
		return nil, errors.New("there are no labelled images in --data")
	}
	if f.subset == "" && images.Len() > trialImages { // evenly spaced: folders have their images class by class
		indices := make([]int, trialImages)
		for i := range indices {
			indices[i] = i * images.Len() / trialImages
		}
		images = images.Pick(indices)
	}
	images, err = datasource.Resize(cmd.Context(), images, m.Transform)
	return images, memoryAdvice(cmd, err, "a smaller --subset")
}

func newTrial(config resnet.Config, normalization dataset.Normalization, result *infer.Result, images *dataset.Images) trial {
	t := trial{Model: config.Name, Normalization: normalization.String(), Correct: result.Correct, Total: result.Total, Top1: result.Top1}
	if !math.IsNaN(result.Loss) && !math.IsInf(result.Loss, 0) {
		t.Loss = &result.Loss
	}
	for i, guess := range result.Guesses {
		t.right = append(t.right, guess == int(images.Labels[i]))
	}
	return t
}

// rank sorts trials by their number of correct guesses and then their loss, and marks those that
// are not clearly worse than the best.
func rank(trials []trial) {
	loss := func(t trial) float64 {
		if t.Loss == nil {
			return math.Inf(1)
		}
		return *t.Loss
	}
	slices.SortStableFunc(trials, func(a, b trial) int {
		return cmp.Or(b.Correct-a.Correct, cmp.Compare(loss(a), loss(b)))
	})
	for i := range trials {
		trials[i].Tied = i > 0 && !clearlyWorse(trials[i].right, trials[0].right)
	}
}

// clearlyWorse reports whether a is right less often than b by more than two standard errors of the
// difference, as in McNemar's test: of the images on which they differ, each is as likely to be
// right if neither is better.
func clearlyWorse(a, b []bool) bool {
	onlyA, onlyB := 0, 0
	for i := range a {
		switch {
		case a[i] && !b[i]:
			onlyA++
		case b[i] && !a[i]:
			onlyB++
		}
	}
	return float64(onlyB-onlyA) > 2*math.Sqrt(float64(onlyA+onlyB))
}

// writeTrials prints a table of the trials and what to make of it. The table has every normalisation
// of the best network, the best normalisation of each other network, and the combination that is
// used by default.
func writeTrials(l words.Language, w io.Writer, spec string, trials []trial) error {
	table := aligned.Left(w, 2)
	for _, heading := range []string{l.Text("network"), l.Text("normalisation"), l.Text("correct"), l.Text("accuracy"), l.Text("loss")} {
		fmt.Fprint(table, heading+"\t")
	}
	fmt.Fprintln(table)
	seen := map[string]bool{}
	for _, t := range trials {
		if t.Model != trials[0].Model && !t.Used && seen[t.Model] {
			continue
		}
		seen[t.Model] = true
		remark, loss := "", l.Text("not finite")
		if t.Loss != nil {
			loss = fmt.Sprintf("%.4f", *t.Loss)
		}
		if t.Tied {
			remark = l.Text("not clearly worse than the first")
		}
		if t.Used {
			remark = l.Text("used by default")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.1f%%\t%s\t%s\n", t.Model, t.Normalization, l.Sprintf("%d of %d", t.Correct, t.Total), 100*t.Top1, loss, remark)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the trials: %w", err)
	}
	best := trials[0]
	fmt.Fprintln(w, "\n"+l.Sprintf("%d combinations were tried; --json lists them all.\nBest: %s with the normalisation %s, %d of %d images (%.1f%%).",
		len(trials), best.Model, best.Normalization, best.Correct, best.Total, 100*best.Top1))
	used := slices.IndexFunc(trials, func(t trial) bool { return t.Used })
	switch {
	case used == 0:
		fmt.Fprintln(w, l.Text("It is used by default."))
	case used > 0 && trials[used].Tied:
		fmt.Fprintln(w, l.Sprintf("What is used by default is not clearly worse: %d of %d.", trials[used].Correct, best.Total))
	case used > 0:
		fmt.Fprintln(w, l.Sprintf("Without flags %s with %s is used: %d of %d. To use the best: --model %s --normalize %s",
			trials[used].Model, trials[used].Normalization, trials[used].Correct, best.Total, best.Model, best.Normalization))
	}
	ending(l, w, nil, fmt.Sprintf("go run ./lesson eval --weights %s --model %s --normalize %s --data LABELLED", quoted(spec), best.Model, best.Normalization))
	return nil
}
