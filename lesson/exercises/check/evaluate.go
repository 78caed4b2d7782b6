package check

import (
	"fmt"
	"math"
	"slices"
)

// Model is the network that the exercise evaluate asks about images.
type Model interface {
	Training() bool
	SetTraining(training bool)
	Logits(images [][]float32) [][]float32
}

// oracle is a Model whose answers are known: the logits of an image are its values. In
// training mode they depend on the batch, as with batch norm: the batch's mean of each class
// is subtracted.
type oracle struct {
	training bool
	// batches are the sizes of the batches so far; trained counts those in training mode.
	batches []int
	trained int
	// first has the first value of each image so far, which tells the images apart.
	first []float32
}

func (o *oracle) Training() bool            { return o.training }
func (o *oracle) SetTraining(training bool) { o.training = training }

func (o *oracle) Logits(images [][]float32) [][]float32 {
	o.batches = append(o.batches, len(images))
	if o.training {
		o.trained++
	}
	logits := make([][]float32, len(images))
	for i, image := range images {
		o.first = append(o.first, image[0])
		logits[i] = append([]float32(nil), image...)
	}
	if o.training && len(images) > 0 {
		for class := range images[0] {
			var sum float32
			for _, image := range images {
				sum += image[class]
			}
			for i := range logits {
				logits[i][class] -= sum / float32(len(images))
			}
		}
	}
	return logits
}

// evaluateCase is a test set.
type evaluateCase struct {
	images [][]float32
	labels []int
	batch  int
}

func (c evaluateCase) String() string {
	return fmt.Sprintf("Evaluate(model, %d images, labels, batch %d)", len(c.images), c.batch)
}

// The test set: images, which are their own logits of three classes, and labels. About half
// of the images have no logit above 0, the classes are not equally frequent, and the first
// images are right more often than the last.
var (
	evaluateImages = [][]float32{
		{1, 4, -2}, {-3, -1, -2}, {0.5, -1, 3}, {-7, -6, -9}, {2, 1, 0}, {-1, -5, -4}, {-8, -4, -3}, {3, 5, 4}, {-2, -3, -1}, {6, -1, 2}, {-4, -2, -6},
	}
	evaluateLabels = []int{1, 1, 2, 1, 0, 0, 1, 1, 0, 2, 2}
)

// evaluateSet returns a larger test set. Its logits are all negative for half of the images,
// for some of them below any number that a search may start from, and are close together for
// others. The model is right about most images, more often about the first ones.
func evaluateSet(n, classes, batch int) evaluateCase {
	c := evaluateCase{batch: batch}
	name := fmt.Sprintf("evaluate %d %d", n, classes)
	chance := hashed(name+" labels", 2*n)
	for i, row := range slices.Collect(slices.Chunk(hashed(name, n*classes), classes)) {
		image := make([]float32, classes)
		for class, u := range row {
			image[class] = float32(3 * u)
			if i%2 == 1 {
				image[class] -= 4
			}
			if i%7 == 3 {
				image[class] = 1000 * (image[class] - 1000)
			}
		}
		label := largest(image)
		if float64(i)/float64(n) > 1+chance[2*i] {
			label = int((1 + chance[2*i+1]) / 2 * float64(classes))
		}
		c.images, c.labels = append(c.images, image), append(c.labels, label)
	}
	return c
}

// evaluateAnswer is the function that the exercise asks for.
type evaluateAnswer func(model Model, images [][]float32, labels []int, batch int) float64

// ask calls the answer with copies, so that it cannot reach the images of other cases. It
// must not change them: an answer that rewrites images and labels could be right about all.
func (c evaluateCase) ask(answer evaluateAnswer, model Model) float64 {
	images, labels := make([][]float32, len(c.images)), slices.Clip(slices.Clone(c.labels))
	for i, image := range c.images {
		images[i] = slices.Clip(slices.Clone(image))
	}
	accuracy := answer(model, images, labels, c.batch)
	if !slices.EqualFunc(images, c.images, slices.Equal) || !slices.Equal(labels, c.labels) {
		panic(&Failure{What: c.String(), Want: "unchanged images and labels", Got: "changed ones",
			Hint: Hint{"images-changed", "the test set belongs to the caller: leave images and labels as they are. Mind that appending to part of a slice overwrites what comes after it"}})
	}
	return accuracy
}

func evaluateCaseOf(n, batch int) evaluateCase {
	return evaluateCase{evaluateImages[:n], evaluateLabels[:n], batch}
}

// rightOf returns how many of the images from ≤ i < to the model gets right.
func (c evaluateCase) rightOf(from, to int) int {
	right := 0
	for i := from; i < to; i++ {
		if largest(c.images[i]) == c.labels[i] {
			right++
		}
	}
	return right
}

func (c evaluateCase) accuracy() float64 {
	return float64(c.rightOf(0, len(c.images))) / float64(len(c.images))
}

func largest(logits []float32) int {
	class := 0
	for i, logit := range logits {
		if logit > logits[class] {
			class = i
		}
	}
	return class
}

// Evaluate checks the exercise evaluate.
func Evaluate(t T, answer evaluateAnswer) {
	t.Helper()
	accuracy := func(training bool, cases ...evaluateCase) trial[evaluateCase, float64] {
		return trial[evaluateCase, float64]{
			cases: cases,
			// An accuracy is one number, and two mistakes often have it in common.
			probes: []evaluateCase{evaluateSet(97, 5, 97), evaluateSet(89, 4, 7), evaluateSet(60, 6, 12), evaluateSet(71, 3, 8)},
			answer: func(c evaluateCase) float64 { return c.ask(answer, &oracle{training: training}) },
			want:   evaluateCase.accuracy,
			same:   func(a, b float64) bool { return near(a, b, 1e-9) || math.IsNaN(a) && math.IsNaN(b) },
			what:   evaluateCase.String,
			explain: func(c evaluateCase, want, got float64) *Failure {
				return &Failure{What: c.String(), Want: fmt.Sprintf("%s, that is %d of %d", number(want), c.rightOf(0, len(c.images)), len(c.images)), Got: number(got)}
			},
			mistakes: evaluateMistakes,
			outside:  Hint{"last-batch-too-long", "an index is out of range. If that happens with the last batch: it ends with the last image. If it is an index into labels: the labels of a batch start where the batch does"},
		}
	}
	several := []evaluateCase{evaluateCaseOf(8, 4), evaluateCaseOf(11, 4), evaluateCaseOf(7, 3), evaluateCaseOf(5, 8), evaluateCaseOf(4, 1),
		evaluateSet(40, 2, 9), evaluateSet(3, 1, 2), evaluateSet(50, 7, 10)}
	run(t, "evaluate",
		step{"one batch", 3, accuracy(false, evaluateCaseOf(5, 5), evaluateCaseOf(8, 8), evaluateCaseOf(3, 3), evaluateCaseOf(11, 11),
			evaluateSet(30, 4, 30), evaluateSet(2, 1, 2), evaluateSet(1, 3, 1), evaluateSet(40, 10, 64)).try},
		step{"several batches", 2, accuracy(false, several...).try},
		step{"each image once", 2, func() error {
			for _, c := range several {
				if err := c.asksOnce(answer); err != nil {
					return err
				}
			}
			return nil
		}},
		step{"mode", 3, func() error {
			for _, training := range []bool{true, false} {
				if err := keepsMode(answer, training, several[1]); err != nil {
					return err
				}
			}
			return accuracy(true, several...).try()
		}},
	)
}

// asksOnce checks that the model gets every image once, in order, in batches of the right
// size.
func (c evaluateCase) asksOnce(answer evaluateAnswer) error {
	var o oracle
	c.ask(answer, &o)
	var want []int
	for from := 0; from < len(c.images); from += c.batch {
		want = append(want, min(c.batch, len(c.images)-from))
	}
	if fmt.Sprint(o.batches) == fmt.Sprint(want) {
		for i, image := range c.images {
			if o.first[i] != image[0] {
				return &Failure{What: c.String(), Want: "the model gets the images in order", Got: fmt.Sprintf("a different image in place of image %d", i)}
			}
		}
		return nil
	}
	failure := &Failure{What: "the batch sizes that the model gets in " + c.String(), Want: fmt.Sprint(want), Got: fmt.Sprint(o.batches)}
	twice, larger, empty := len(o.first) > len(c.images), false, false
	for _, size := range o.batches {
		larger, empty = larger || size > c.batch, empty || size == 0
	}
	switch {
	case empty:
		failure.Hint = Hint{"empty-batch", "if the images fill whole batches, nothing is left over: end the loop there, without an empty batch"}
	case larger:
		failure.Hint = Hint{"batch-ignored", "a whole test set may not fit in memory: give the model at most batch images at a time"}
	case twice:
		failure.Hint = Hint{"asked-twice", "the model gets some images more than once: keep its logits, because running the model is what takes the time"}
	}
	return failure
}

// keepsMode checks that the model runs in evaluation mode and is left in the mode it was in.
func keepsMode(answer evaluateAnswer, training bool, c evaluateCase) error {
	o := &oracle{training: training}
	c.ask(answer, o)
	what := fmt.Sprintf("%s with model.Training() %t", c, training)
	if o.trained > 0 {
		return &Failure{What: what, Want: "every batch in evaluation mode", Got: fmt.Sprintf("%d of %d in training mode", o.trained, len(o.batches)),
			Hint: Hint{"evaluated-in-training-mode", "in training mode batch norm uses the current batch's statistics: switch to evaluation mode before the first batch"}}
	}
	if o.training == training {
		return nil
	}
	hint := Hint{"mode-not-set-back", "training continues after an evaluation, and must not continue in evaluation mode: restore the mode that the model was in"}
	if o.training {
		hint = Hint{"training-mode-left-on", "the model was in evaluation mode before: restore the mode that it was in, which is not always training mode"}
	}
	return &Failure{What: "model.Training() after " + what, Want: fmt.Sprint(training), Got: fmt.Sprint(o.training), Hint: hint}
}

// perBatch adds up value over the batches, and returns the number of batches too.
func (c evaluateCase) perBatch(value func(from, to int) float64) (sum float64, batches int) {
	for from := 0; from < len(c.images); from += c.batch {
		sum += value(from, min(from+c.batch, len(c.images)))
		batches++
	}
	return sum, batches
}

// accuracyBy returns the accuracy if classes chooses the classes of a batch.
func (c evaluateCase) accuracyBy(classes func(logits [][]float32) []int) float64 {
	right, _ := c.perBatch(func(from, to int) float64 {
		right := 0
		for i, class := range classes(c.images[from:to]) {
			if from+i < to && class == c.labels[from+i] {
				right++
			}
		}
		return float64(right)
	})
	return right / float64(len(c.images))
}

// byImage returns a function for the accuracy if class chooses the class of an image.
func byImage(class func(logits []float32) int) func(evaluateCase) float64 {
	return func(c evaluateCase) float64 {
		return c.accuracyBy(func(logits [][]float32) []int {
			classes := make([]int, len(logits))
			for i := range logits {
				classes[i] = class(logits[i])
			}
			return classes
		})
	}
}

var evaluateMistakes = []mistake[evaluateCase, float64]{
	{Hint{"mean-of-batches", "this is the mean of the batches' accuracies, in which an image of a small last batch counts for more: add up the right answers of all batches and divide once, by the number of images"},
		func(c evaluateCase) float64 {
			sum, batches := c.perBatch(func(from, to int) float64 { return float64(c.rightOf(from, to)) / float64(to-from) })
			return sum / float64(batches)
		}},
	{Hint{"last-batch-dropped", "the images that do not fill a whole batch are left out, but they are part of the test set: let the last batch be smaller"},
		func(c evaluateCase) float64 {
			whole := len(c.images) / c.batch * c.batch
			return float64(c.rightOf(0, whole)) / float64(whole)
		}},
	{Hint{"last-batch-counted-wrong", "the right answers of the last batch are missing, although its images are in the number you divide by"},
		func(c evaluateCase) float64 {
			return float64(c.rightOf(0, len(c.images)/c.batch*c.batch)) / float64(len(c.images))
		}},
	{Hint{"last-batch-taken-for-full", "divide by the number of images; that is batches times batch only if the last batch is full"},
		func(c evaluateCase) float64 {
			right, batches := c.perBatch(func(from, to int) float64 { return float64(c.rightOf(from, to)) })
			return right / float64(batches*c.batch)
		}},
	{Hint{"last-batch-only", "the count of right answers starts again with each batch: count over all batches"},
		func(c evaluateCase) float64 {
			last := (len(c.images) - 1) / c.batch * c.batch
			return float64(c.rightOf(last, len(c.images))) / float64(len(c.images))
		}},
	{Hint{"last-batch-only", "this is the accuracy on the last batch: count right answers and images over all batches"},
		func(c evaluateCase) float64 {
			last := (len(c.images) - 1) / c.batch * c.batch
			return float64(c.rightOf(last, len(c.images))) / float64(len(c.images)-last)
		}},
	{Hint{"labels-of-the-first-batch", "every batch is compared with the first labels; its labels start where the batch does"},
		func(c evaluateCase) float64 {
			right, _ := c.perBatch(func(from, to int) float64 {
				right := 0
				for i := from; i < to; i++ {
					if largest(c.images[i]) == c.labels[i-from] {
						right++
					}
				}
				return float64(right)
			})
			return right / float64(len(c.images))
		}},
	{Hint{"argmax-over-the-batch", "for each class, you look for the image with the largest logit. It should be the other way round: for each image the class, in logits[image][class]"},
		func(c evaluateCase) float64 {
			return c.accuracyBy(func(logits [][]float32) []int {
				classes := make([]int, len(logits[0]))
				for class := range classes {
					for i := range logits {
						if logits[i][class] > logits[classes[class]][class] {
							classes[class] = i
						}
					}
				}
				return classes
			})
		}},
	{Hint{"argmax-from-zero", "the search for the largest logit starts at 0, but all logits of an image may be negative: start with the first logit"},
		byImage(func(logits []float32) int {
			class, most := 0, float32(0)
			for i, logit := range logits {
				if logit > most {
					class, most = i, logit
				}
			}
			return class
		})},
	{Hint{"argmin", "the class is the one with the largest logit, not the smallest"},
		byImage(func(logits []float32) int {
			class := 0
			for i, logit := range logits {
				if logit < logits[class] {
					class = i
				}
			}
			return class
		})},
	{Hint{"errors-counted", "this is the share of wrong answers; return the share of right ones"},
		func(c evaluateCase) float64 { return 1 - c.accuracy() }},
	{Hint{"percent", "the accuracy is a share from 0 to 1, not a percentage"},
		func(c evaluateCase) float64 { return 100 * c.accuracy() }},
	{Hint{"divided-as-integers", "an int divided by a larger int is 0: convert both to float64 first"},
		func(c evaluateCase) float64 { return float64(c.rightOf(0, len(c.images)) / len(c.images)) }},
	{Hint{"not-divided", "this is the number of right answers: divide it by the number of images"},
		func(c evaluateCase) float64 { return float64(c.rightOf(0, len(c.images))) }},
}
