package check

import (
	"fmt"
	"math"
	"strings"
)

// batchNormCase is a layer and the batches that it sees one after the other, with the results
// of PyTorch's layer.
type batchNormCase struct {
	Gamma    []float64        `json:"gamma"`
	Beta     []float64        `json:"beta"`
	Mean     []float64        `json:"mean"`
	Variance []float64        `json:"variance"`
	Momentum float64          `json:"momentum"`
	Epsilon  float64          `json:"epsilon"`
	Batches  []batchNormBatch `json:"batches"`
}

// batchNormBatch is a batch, the result for it, and the running statistics after it.
type batchNormBatch struct {
	X        [][][][]float64 `json:"x"`
	Training bool            `json:"training"`
	Want     [][][][]float64 `json:"want"`
	Mean     []float64       `json:"mean"`
	Variance []float64       `json:"variance"`
}

func (b batchNormBatch) String() string {
	return fmt.Sprintf("Forward(x %s, training %t)", batchDimensions(b.X), b.Training)
}

// Norm has the same fields as the type BatchNorm of the exercise batchnorm, so one converts
// to the other.
type Norm struct {
	Gamma, Beta       []float64
	Mean, Variance    []float64
	Momentum, Epsilon float64
}

// Normaliser is the method that the exercise asks for.
type Normaliser interface {
	Forward(x [][][][]float64, training bool) [][][][]float64
}

// norm returns the layer before the first batch.
func (c batchNormCase) norm() *Norm {
	clone := func(x []float64) []float64 { return append([]float64(nil), x...) }
	return &Norm{clone(c.Gamma), clone(c.Beta), clone(c.Mean), clone(c.Variance), c.Momentum, c.Epsilon}
}

// BatchNorm checks the exercise batchnorm. answer converts a Norm to the exercise's type.
func BatchNorm(t T, answer func(*Norm) Normaliser) {
	t.Helper()
	// batches returns a step that looks at the layer after its first n batches.
	batches := func(n int, mistakes []mistake[batchNormCase, batchNormBatch], same func(a, b batchNormBatch) bool) func() error {
		return trial[batchNormCase, batchNormBatch]{
			cases: torch().BatchNorm,
			answer: func(c batchNormCase) batchNormBatch {
				norm := c.norm()
				layer := answer(norm)
				var last batchNormBatch
				for _, b := range c.Batches[:n] {
					last = b
					last.Want = layer.Forward(cloneBatch(b.X), b.Training)
				}
				last.Mean, last.Variance = norm.Mean, norm.Variance
				return last
			},
			want:     func(c batchNormCase) batchNormBatch { return c.Batches[n-1] },
			same:     same,
			what:     func(c batchNormCase) string { return c.Batches[n-1].String() },
			explain:  func(c batchNormCase, want, got batchNormBatch) *Failure { return explainBatch(c, n, want, got) },
			mistakes: mistakes,
		}.try
	}
	run(t, "batchnorm",
		step{"shape", 1, func() error {
			for _, c := range torch().BatchNorm {
				x := cloneBatch(c.Batches[0].X)
				got := answer(c.norm()).Forward(x, true)
				if want := batchDimensions(c.Batches[0].X); batchDimensions(got) != want {
					return &Failure{What: "the shape of " + c.Batches[0].String(), Want: want, Got: batchDimensions(got)}
				}
				if !sameBatch(x, c.Batches[0].X) {
					return xChanged(c.Batches[0])
				}
			}
			return nil
		}},
		step{"training", 3, batches(1, trainingMistakes, func(a, b batchNormBatch) bool { return sameBatch(a.Want, b.Want) })},
		step{"running statistics", 3, func() error {
			for n := 1; n <= 2; n++ {
				if err := batches(n, runningMistakes, sameStatistics)(); err != nil {
					return err
				}
			}
			return nil
		}},
		step{"evaluation", 3, func() error {
			evaluation := batches(3, evaluationMistakes, func(a, b batchNormBatch) bool {
				return sameBatch(a.Want, b.Want) && sameStatistics(a, b)
			})
			if err := evaluation(); err != nil {
				return err
			}
			for _, c := range torch().BatchNorm {
				if err := c.leavesAlone(answer); err != nil {
					return err
				}
			}
			return nil
		}},
	)
}

// leavesAlone checks that no batch is written to, in training or in evaluation, and that the
// fields that no batch changes stay as they are.
func (c batchNormCase) leavesAlone(answer func(*Norm) Normaliser) error {
	norm := c.norm()
	layer := answer(norm)
	for _, b := range c.Batches {
		x := cloneBatch(b.X)
		layer.Forward(x, b.Training)
		if !sameBatch(x, b.X) {
			return xChanged(b)
		}
		if !nearAll(norm.Gamma, c.Gamma) || !nearAll(norm.Beta, c.Beta) || norm.Momentum != c.Momentum || norm.Epsilon != c.Epsilon {
			return &Failure{What: "the fields after " + b.String(),
				Want: fmt.Sprintf("Gamma %s, Beta %s, Momentum %g, Epsilon %g, as before", numbers(c.Gamma), numbers(c.Beta), c.Momentum, c.Epsilon),
				Got:  fmt.Sprintf("Gamma %s, Beta %s, Momentum %g, Epsilon %g", numbers(norm.Gamma), numbers(norm.Beta), norm.Momentum, norm.Epsilon)}
		}
	}
	return nil
}

// xChanged returns the failure of an answer that wrote to the batch.
func xChanged(b batchNormBatch) *Failure {
	return &Failure{What: b.String(), Want: "x unchanged", Got: "x was overwritten",
		Hint: Hint{"x-changed", "x belongs to the caller: make new slices for the result"}}
}

// batchDimensions formats the shape of x as [2][2][3][2].
func batchDimensions(x [][][][]float64) string {
	first := []int{len(x), 0, 0, 0}
	if len(x) > 0 {
		first[1] = len(x[0])
	}
	if first[1] > 0 {
		first[2] = len(x[0][0])
	}
	if first[2] > 0 {
		first[3] = len(x[0][0][0])
	}
	for _, image := range x {
		if len(image) != first[1] {
			return fmt.Sprintf("[%d] images of different heights, such as %d and %d", first[0], first[1], len(image))
		}
		for _, row := range image {
			if len(row) != first[2] {
				return fmt.Sprintf("[%d][%d] rows of different lengths, such as %d and %d", first[0], first[1], first[2], len(row))
			}
			for _, pixel := range row {
				if len(pixel) != first[3] {
					return fmt.Sprintf("[%d][%d][%d] pixels of different lengths, such as %d and %d", first[0], first[1], first[2], first[3], len(pixel))
				}
			}
		}
	}
	return fmt.Sprintf("[%d][%d][%d][%d]", first[0], first[1], first[2], first[3])
}

// cloneBatch returns a copy of x, with each value changed by the functions.
func cloneBatch(x [][][][]float64, change ...func(b, i, j, channel int, value float64) float64) [][][][]float64 {
	y := make([][][][]float64, len(x))
	for b := range x {
		y[b] = make([][][]float64, len(x[b]))
		for i := range x[b] {
			y[b][i] = make([][]float64, len(x[b][i]))
			for j := range x[b][i] {
				y[b][i][j] = append([]float64(nil), x[b][i][j]...)
				for channel := range y[b][i][j] {
					for _, f := range change {
						y[b][i][j][channel] = f(b, i, j, channel, y[b][i][j][channel])
					}
				}
			}
		}
	}
	return y
}

// sameBatch reports whether two batches have the same shape and values equal up to rounding.
func sameBatch(a, b [][][][]float64) bool {
	if batchDimensions(a) != batchDimensions(b) {
		return false
	}
	for i := range a {
		for j := range a[i] {
			for k := range a[i][j] {
				if !nearAll(a[i][j][k], b[i][j][k]) {
					return false
				}
			}
		}
	}
	return true
}

func sameStatistics(a, b batchNormBatch) bool {
	return nearAll(a.Mean, b.Mean) && nearAll(a.Variance, b.Variance)
}

// explainBatch says what is wrong after the first n batches, the result before the running
// statistics.
func explainBatch(c batchNormCase, n int, want, got batchNormBatch) *Failure {
	what := fmt.Sprintf("%s with Gamma %s, Beta %s, Momentum %g, Epsilon %g", want, numbers(c.Gamma), numbers(c.Beta), c.Momentum, c.Epsilon)
	if batchDimensions(want.Want) != batchDimensions(got.Want) {
		return &Failure{What: "the shape of " + what, Want: batchDimensions(want.Want), Got: batchDimensions(got.Want)}
	}
	if !want.Training {
		what += fmt.Sprintf(", Mean %s, Variance %s", numbers(want.Mean), numbers(want.Variance))
	}
	what += fmt.Sprintf("; the channels of x, one per line, with bars between images:\n%s\n", channels(want.X))
	switch {
	case !sameBatch(want.Want, got.Want):
		return &Failure{What: what + "the channels of the result", Want: channels(want.Want), Got: channels(got.Want),
			Pattern: pattern(flat(want.Want), flat(got.Want), []int{len(want.Want), len(want.Want[0]), len(want.Want[0][0]), len(want.Want[0][0][0])})}
	case !nearAll(want.Mean, got.Mean):
		return &Failure{What: fmt.Sprintf("%sMean after batch %d, starting from %s", what, n, numbers(c.Mean)),
			Want: numbers(want.Mean), Got: numbers(got.Mean), Pattern: pattern(want.Mean, got.Mean, nil)}
	}
	return &Failure{What: fmt.Sprintf("%sVariance after batch %d, starting from %s", what, n, numbers(c.Variance)),
		Want: numbers(want.Variance), Got: numbers(got.Variance), Pattern: pattern(want.Variance, got.Variance, nil)}
}

// flat returns the values of a batch, one after the other.
func flat(x [][][][]float64) (values []float64) {
	for _, image := range x {
		for _, row := range image {
			for _, pixel := range row {
				values = append(values, pixel...)
			}
		}
	}
	return values
}

// channels formats a batch, one channel per line, with bars between images.
func channels(x [][][][]float64) string {
	lines := make([]string, len(x[0][0][0]))
	for channel := range lines {
		var images []string
		for _, image := range x {
			var words []string
			for _, row := range image {
				for _, pixel := range row {
					words = append(words, fmt.Sprintf("%.4g", pixel[channel]))
				}
			}
			images = append(images, strings.Join(words, " "))
		}
		lines[channel] = fmt.Sprintf("  %d: %s", channel, strings.Join(images, " | "))
	}
	return strings.Join(lines, "\n")
}

// normVariation describes a batch norm with a mistake; plainNorm returns the one without.
type normVariation struct {
	// group returns the same key for values that share their statistics.
	group func(b, i, j, channel int) [4]int
	// scale returns what to divide by.
	scale func(variance, epsilon float64) float64
	// unbiased is whether to normalise with the unbiased variance, biasedRunning whether the
	// running variance moves towards the biased one.
	unbiased, biasedRunning bool
	// useRunning and update say when the running statistics are used and when updated.
	useRunning, update func(training bool) bool
	// affine is whether γ and β are used.
	affine bool
	// keep and take return the weights of the old and the new value in the running statistics.
	keep, take func(momentum float64) float64
}

func perChannel(_, _, _, channel int) [4]int { return [4]int{channel} }

// plainNorm returns the variation without a mistake.
func plainNorm() normVariation {
	return normVariation{
		group:      perChannel,
		scale:      func(variance, epsilon float64) float64 { return math.Sqrt(variance + epsilon) },
		useRunning: func(training bool) bool { return !training },
		update:     func(training bool) bool { return training },
		affine:     true,
		keep:       func(momentum float64) float64 { return 1 - momentum },
		take:       func(momentum float64) float64 { return momentum },
	}
}

// moments has a group's number of values, mean and biased variance.
type moments struct{ n, mean, variance float64 }

func momentsOf(x [][][][]float64, group func(b, i, j, channel int) [4]int) map[[4]int]moments {
	result := map[[4]int]moments{}
	each := func(add func(m *moments, value float64)) {
		cloneBatch(x, func(b, i, j, channel int, value float64) float64 {
			m := result[group(b, i, j, channel)]
			add(&m, value)
			result[group(b, i, j, channel)] = m
			return value
		})
	}
	each(func(m *moments, value float64) { m.n++; m.mean += value })
	for key, m := range result {
		m.mean /= m.n
		result[key] = m
	}
	each(func(m *moments, value float64) { m.variance += (value - m.mean) * (value - m.mean) / m.n })
	return result
}

func (v normVariation) forward(s *Norm, x [][][][]float64, training bool) [][][][]float64 {
	batch := momentsOf(x, v.group)
	mean, variance := append([]float64(nil), s.Mean...), append([]float64(nil), s.Variance...)
	y := cloneBatch(x, func(b, i, j, channel int, value float64) float64 {
		m := batch[v.group(b, i, j, channel)]
		if v.unbiased {
			m.variance *= m.n / (m.n - 1)
		}
		if v.useRunning(training) {
			m.mean, m.variance = mean[channel], variance[channel]
		}
		value = (value - m.mean) / v.scale(m.variance, s.Epsilon)
		if v.affine {
			value = value*s.Gamma[channel] + s.Beta[channel]
		}
		return value
	})
	if v.update(training) {
		moments := momentsOf(x, perChannel)
		for channel := range s.Mean {
			m := moments[[4]int{channel}]
			if !v.biasedRunning {
				m.variance *= m.n / (m.n - 1)
			}
			s.Mean[channel] = v.keep(s.Momentum)*s.Mean[channel] + v.take(s.Momentum)*m.mean
			s.Variance[channel] = v.keep(s.Momentum)*s.Variance[channel] + v.take(s.Momentum)*m.variance
		}
	}
	return y
}

// normMistake returns the mistake that changes the plain variation, as seen after n batches.
func normMistake(n int, name, text string, change func(*normVariation)) mistake[batchNormCase, batchNormBatch] {
	return mistake[batchNormCase, batchNormBatch]{Hint{name, text}, func(c batchNormCase) batchNormBatch {
		v, norm := plainNorm(), c.norm()
		change(&v)
		var last batchNormBatch
		for _, b := range c.Batches[:n] {
			last.Want = v.forward(norm, b.X, b.Training)
		}
		last.Mean, last.Variance = norm.Mean, norm.Variance
		return last
	}}
}

func always(bool) bool { return true }
func never(bool) bool  { return false }

func epsilonOutside(v *normVariation) {
	v.scale = func(variance, epsilon float64) float64 { return math.Sqrt(variance) + epsilon }
}

func epsilonForgotten(v *normVariation) {
	v.scale = func(variance, _ float64) float64 { return math.Sqrt(variance) }
}

func rootForgotten(v *normVariation) {
	v.scale = func(variance, epsilon float64) float64 { return variance + epsilon }
}

func affineForgotten(v *normVariation) { v.affine = false }

var trainingMistakes = []mistake[batchNormCase, batchNormBatch]{
	normMistake(1, "statistics-per-image", "each image is normalised on its own, over height and width, which is instance norm. Batch norm takes the mean over the batch too: axes 0, 1 and 2",
		func(v *normVariation) {
			v.group = func(b, _, _, channel int) [4]int { return [4]int{b, channel} }
		}),
	normMistake(1, "statistics-over-channels", "there is one mean and one variance for everything. Each channel has its own: take them over batch, height and width, but not over the last axis",
		func(v *normVariation) { v.group = func(_, _, _, _ int) [4]int { return [4]int{} } }),
	normMistake(1, "statistics-per-position", "each place of the image is normalised on its own, over the batch alone. Take the mean over height and width too: axes 0, 1 and 2",
		func(v *normVariation) {
			v.group = func(_, i, j, channel int) [4]int { return [4]int{i, j, channel} }
		}),
	normMistake(1, "statistics-of-a-pixel", "each pixel is normalised over its channels. It should be the other way round: each channel over all pixels of all images",
		func(v *normVariation) { v.group = func(b, i, j, _ int) [4]int { return [4]int{b, i, j} } }),
	normMistake(1, "unbiased-normalisation", "normalise with the biased variance, the sum of squares divided by n. The one divided by n − 1 is for the running variance only",
		func(v *normVariation) { v.unbiased = true }),
	normMistake(1, "epsilon-outside-the-root", "add Epsilon to the variance, under the root, not to the root", epsilonOutside),
	normMistake(1, "epsilon-forgotten", "Epsilon is missing: add it to the variance before you take the root", epsilonForgotten),
	normMistake(1, "root-forgotten", "divide by the root of the variance (plus Epsilon), not by the variance itself", rootForgotten),
	normMistake(1, "running-statistics-in-training", "in training, normalise with the current batch's statistics; the running ones are for evaluation",
		func(v *normVariation) { v.useRunning = always }),
	normMistake(1, "gamma-beta-forgotten", "Gamma and Beta are missing: they scale and shift each channel after it is normalised", affineForgotten),
}

var runningMistakes = append(runningMistakesAfter(1), runningMistakesAfter(2)...)

func runningMistakesAfter(n int) []mistake[batchNormCase, batchNormBatch] {
	return []mistake[batchNormCase, batchNormBatch]{
		normMistake(n, "running-statistics-not-updated", "the running statistics never change: in training, Mean and Variance move towards the batch's, by the share Momentum",
			func(v *normVariation) { v.update = never }),
		normMistake(n, "biased-running-variance", "the running variance moves towards the batch's unbiased variance, divided by n − 1 with n = batch·height·width",
			func(v *normVariation) { v.biasedRunning = true }),
		normMistake(n, "momentum-reversed", "Momentum is the weight of the new batch: new = (1 − Momentum)·old + Momentum·batch. Some other libraries mean 1 − Momentum by it",
			func(v *normVariation) { v.keep, v.take = v.take, v.keep }),
		normMistake(n, "momentum-reversed-and-biased", "Momentum is the weight of the new batch: new = (1 − Momentum)·old + Momentum·batch. And the running variance moves towards the unbiased variance, divided by n − 1",
			func(v *normVariation) { v.keep, v.take, v.biasedRunning = v.take, v.keep, true }),
		normMistake(n, "momentum-ignored", "the running statistics are replaced by the batch's; they should only move towards them, by the share Momentum",
			func(v *normVariation) {
				v.keep, v.take = func(float64) float64 { return 0 }, func(float64) float64 { return 1 }
			}),
	}
}

var evaluationMistakes = []mistake[batchNormCase, batchNormBatch]{
	normMistake(3, "batch-statistics-in-evaluation", "in evaluation, the result for an image must not depend on the rest of its batch: normalise with the running Mean and Variance",
		func(v *normVariation) { v.useRunning = never }),
	normMistake(3, "updated-in-evaluation", "evaluation changes the running statistics; only training may, because test images must leave no trace",
		func(v *normVariation) { v.update = always }),
	normMistake(3, "mode-ignored", "training is ignored: if it is false, normalise with the running Mean and Variance and leave them as they are",
		func(v *normVariation) { v.useRunning, v.update = never, always }),
	normMistake(3, "epsilon-outside-the-root", "add Epsilon to the variance, under the root, in evaluation as in training", epsilonOutside),
	normMistake(3, "epsilon-forgotten", "Epsilon is missing in evaluation: add it to the variance before you take the root", epsilonForgotten),
	normMistake(3, "root-forgotten", "divide by the root of the running variance (plus Epsilon), not by the variance itself", rootForgotten),
	normMistake(3, "gamma-beta-forgotten", "Gamma and Beta are missing in evaluation: they are used as in training", affineForgotten),
}
