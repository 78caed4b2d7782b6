package check

import (
	"fmt"
	"math"
	"slices"
)

// Model is what an answer to the exercise evaluate is given.
type Model interface {
	Training() bool
	SetTraining(training bool)
	Logits(images [][]float32) [][]float32
}

// oracle is a model of which it is known what it says: an image is its own logits. In
// training mode an answer depends on the batch, as with batch norm: each class has the
// mean over the batch taken off.
type oracle struct {
	training bool
	// batches are the sizes of the batches that it was asked for, and trained how many of
	// them in training mode.
	batches []int
	trained int
	// first are the images it was given, by their first logit, in order.
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

// logits of three classes, of images to be evaluated, and their labels. Half the images
// have no logit above 0; classes are not about equally frequent, and the first images are
// more often right than the last.
var (
	evaluateImages = [][]float32{
		{1, 4, -2}, {-3, -1, -2}, {0.5, -1, 3}, {-7, -6, -9}, {2, 1, 0}, {-1, -5, -4}, {-8, -4, -3}, {3, 5, 4}, {-2, -3, -1}, {6, -1, 2}, {-4, -2, -6},
	}
	evaluateLabels = []int{1, 1, 2, 1, 0, 0, 1, 1, 0, 2, 2}
)

// evaluateAnswer is what the exercise asks for.
type evaluateAnswer func(model Model, images [][]float32, labels []int, batch int) float64

// ask gives the case to the answer. It gets copies, so that it can reach no other case's
// images and no later one's, and is to leave them as they are: who writes the images and
// their labels is right about all of them.
func (c evaluateCase) ask(answer evaluateAnswer, model Model) float64 {
	images, labels := make([][]float32, len(c.images)), slices.Clip(slices.Clone(c.labels))
	for i, image := range c.images {
		images[i] = slices.Clip(slices.Clone(image))
	}
	accuracy := answer(model, images, labels, c.batch)
	if !slices.EqualFunc(images, c.images, slices.Equal) || !slices.Equal(labels, c.labels) {
		panic(&Failure{What: c.String(), Want: "images and labels as they were", Got: "others",
			Hint: Hint{"images-changed", "the test set is the caller's: leave images and labels as they are. To append to a part of a slice writes over what is behind the part"}})
	}
	return accuracy
}

func evaluateCaseOf(n, batch int) evaluateCase {
	return evaluateCase{evaluateImages[:n], evaluateLabels[:n], batch}
}

// rightOf is how many of the images from one to before another the model has right.
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
			cases:  cases,
			answer: func(c evaluateCase) float64 { return c.ask(answer, &oracle{training: training}) },
			want:   evaluateCase.accuracy,
			same:   func(a, b float64) bool { return near(a, b, 1e-9) || math.IsNaN(a) && math.IsNaN(b) },
			what:   evaluateCase.String,
			explain: func(c evaluateCase, want, got float64) *Failure {
				return &Failure{What: c.String(), Want: fmt.Sprintf("%s, which is %d of %d", number(want), c.rightOf(0, len(c.images)), len(c.images)), Got: number(got)}
			},
			mistakes: evaluateMistakes,
			outside:  Hint{"last-batch-too-long", "a place was read that is not there: the last batch ends where the images do; and the labels of a batch begin where it does"},
		}
	}
	several := []evaluateCase{evaluateCaseOf(8, 4), evaluateCaseOf(11, 4), evaluateCaseOf(7, 3), evaluateCaseOf(5, 8), evaluateCaseOf(4, 1)}
	run(t, "evaluate",
		step{"one batch", 3, accuracy(false, evaluateCaseOf(5, 5), evaluateCaseOf(8, 8), evaluateCaseOf(3, 3), evaluateCaseOf(11, 11)).try},
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

// asksOnce wants the model to be asked for batches of the right size, of all the images in
// their order.
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
				return &Failure{What: c.String(), Want: "the images in their order", Got: fmt.Sprintf("another where image %d should be", i)}
			}
		}
		return nil
	}
	failure := &Failure{What: "sizes of the batches that the model gets in " + c.String(), Want: fmt.Sprint(want), Got: fmt.Sprint(o.batches)}
	twice, larger, empty := len(o.first) > len(c.images), false, false
	for _, size := range o.batches {
		larger, empty = larger || size > c.batch, empty || size == 0
	}
	switch {
	case empty:
		failure.Hint = Hint{"empty-batch", "where the images make whole batches none is left over: the loop ends there, without a last, empty batch"}
	case larger:
		failure.Hint = Hint{"batch-ignored", "a whole test set does not fit in memory at once: give the model at most batch images at a time"}
	case twice:
		failure.Hint = Hint{"asked-twice", "the model was asked for some images more than once: keep its answer, since asking is what takes the time"}
	}
	return failure
}

// keepsMode wants the model asked in evaluation mode and found in its mode afterwards.
func keepsMode(answer evaluateAnswer, training bool, c evaluateCase) error {
	o := &oracle{training: training}
	c.ask(answer, o)
	what := fmt.Sprintf("%s of a model with training %t", c, training)
	if o.trained > 0 {
		return &Failure{What: what, Want: "every batch in evaluation mode", Got: fmt.Sprintf("%d of %d in training mode", o.trained, len(o.batches)),
			Hint: Hint{"evaluated-in-training-mode", "in training mode batch norm uses the batch at hand: set the mode before you ask, for all batches"}}
	}
	if o.training == training {
		return nil
	}
	hint := Hint{"mode-not-set-back", "training goes on after an evaluation, and must not do so in evaluation mode: put the mode back as it was"}
	if o.training {
		hint = Hint{"training-mode-left-on", "the model was in evaluation mode before: put back the mode that was, which is not always training"}
	}
	return &Failure{What: "mode after " + what, Want: fmt.Sprintf("training %t", training), Got: fmt.Sprintf("training %t", o.training), Hint: hint}
}

// perBatch adds up what value says of the batches, given where each begins and ends.
func (c evaluateCase) perBatch(value func(from, to int) float64) (sum float64, batches int) {
	for from := 0; from < len(c.images); from += c.batch {
		sum += value(from, min(from+c.batch, len(c.images)))
		batches++
	}
	return sum, batches
}

// accuracyBy is the accuracy if a batch's classes are what classes says.
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

// byImage is accuracyBy for a class that an image has by itself.
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
	{Hint{"mean-of-batches", "the last batch has fewer images, and in a mean over batches each of those counts for more: add up the right answers of all batches and divide once, by the images"},
		func(c evaluateCase) float64 {
			sum, batches := c.perBatch(func(from, to int) float64 { return float64(c.rightOf(from, to)) / float64(to-from) })
			return sum / float64(batches)
		}},
	{Hint{"last-batch-dropped", "the images that do not fill a batch are part of the test set too: the last batch may have fewer"},
		func(c evaluateCase) float64 {
			whole := len(c.images) / c.batch * c.batch
			return float64(c.rightOf(0, whole)) / float64(whole)
		}},
	{Hint{"last-batch-counted-wrong", "the last batch's right answers are missing, but its images are in what was divided by"},
		func(c evaluateCase) float64 {
			return float64(c.rightOf(0, len(c.images)/c.batch*c.batch)) / float64(len(c.images))
		}},
	{Hint{"last-batch-taken-for-full", "divide by the number of images, which batches times batch is only if the last one is full"},
		func(c evaluateCase) float64 {
			right, batches := c.perBatch(func(from, to int) float64 { return float64(c.rightOf(from, to)) })
			return right / float64(batches*c.batch)
		}},
	{Hint{"last-batch-only", "the count of right answers begins anew with each batch: let it run over all of them"},
		func(c evaluateCase) float64 {
			last := (len(c.images) - 1) / c.batch * c.batch
			return float64(c.rightOf(last, len(c.images))) / float64(len(c.images))
		}},
	{Hint{"last-batch-only", "the accuracy is that of the last batch: let the count of right answers run over all of them"},
		func(c evaluateCase) float64 {
			last := (len(c.images) - 1) / c.batch * c.batch
			return float64(c.rightOf(last, len(c.images))) / float64(len(c.images)-last)
		}},
	{Hint{"labels-of-the-first-batch", "the labels of a batch begin where the batch does, not at the first label"},
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
	{Hint{"argmax-over-the-batch", "for each image, look for the class with the largest logit: logits[image][class]. Here it was for each class the image with the largest"},
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
	{Hint{"argmax-from-zero", "the search for the largest logit began with 0, and logits may all be below: begin with the first of them"},
		byImage(func(logits []float32) int {
			class, most := 0, float32(0)
			for i, logit := range logits {
				if logit > most {
					class, most = i, logit
				}
			}
			return class
		})},
	{Hint{"argmin", "the class is that of the largest logit, not of the smallest"},
		byImage(func(logits []float32) int {
			class := 0
			for i, logit := range logits {
				if logit < logits[class] {
					class = i
				}
			}
			return class
		})},
	{Hint{"errors-counted", "this is the share of the wrong answers"},
		func(c evaluateCase) float64 { return 1 - c.accuracy() }},
	{Hint{"percent", "the accuracy is a share, from 0 to 1, not in percent"},
		func(c evaluateCase) float64 { return 100 * c.accuracy() }},
	{Hint{"divided-as-integers", "an int divided by a larger int is 0: make both float64 first"},
		func(c evaluateCase) float64 { return float64(c.rightOf(0, len(c.images)) / len(c.images)) }},
	{Hint{"not-divided", "this is how many answers were right: divide by the number of images"},
		func(c evaluateCase) float64 { return float64(c.rightOf(0, len(c.images))) }},
}
