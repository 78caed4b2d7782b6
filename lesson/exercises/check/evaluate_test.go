package check

import (
	"math"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/evaluate"
	solution "github.com/residual-go/residual/lesson/exercises/evaluate/solution"
)

func TestEvaluate(t *testing.T) {
	try := func(answer evaluateAnswer) func(T) { return func(t T) { Evaluate(t, answer) } }
	// inEvaluation sets the mode for an answer that does not do so itself.
	inEvaluation := func(answer evaluateAnswer) func(T) {
		return try(func(model Model, images [][]float32, labels []int, batch int) float64 {
			defer model.SetTraining(model.Training())
			model.SetTraining(false)
			return answer(model, images, labels, batch)
		})
	}
	// changed is the right answer, with the accuracy changed.
	changed := func(change func(accuracy float64, images [][]float32, batch int) float64) func(T) {
		return try(func(model Model, images [][]float32, labels []int, batch int) float64 {
			return change(solution.Evaluate(model, images, labels, batch), images, batch)
		})
	}
	test(t, "evaluate",
		try(func(model Model, images [][]float32, labels []int, batch int) float64 {
			return solution.Evaluate(model, images, labels, batch)
		}),
		try(func(model Model, images [][]float32, labels []int, batch int) float64 {
			return stub.Evaluate(model, images, labels, batch)
		}),
		wrong{"mean-of-batches", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			var sum, batches float64
			for from := 0; from < len(images); from += batch {
				to := min(from+batch, len(images))
				sum += float64(countRight(model.Logits(images[from:to]), labels[from:to], largest)) / float64(to-from)
				batches++
			}
			return sum / batches
		})},
		wrong{"last-batch-dropped", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right, seen := 0, 0
			for from := 0; from+batch <= len(images); from += batch {
				right += countRight(model.Logits(images[from:from+batch]), labels[from:from+batch], largest)
				seen += batch
			}
			return float64(right) / float64(seen)
		})},
		wrong{"last-batch-counted-wrong", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right := 0
			for from := 0; from+batch <= len(images); from += batch {
				right += countRight(model.Logits(images[from:from+batch]), labels[from:from+batch], largest)
			}
			return float64(right) / float64(len(images))
		})},
		wrong{"last-batch-too-long", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right := 0
			for from := 0; from < len(images); from += batch {
				logits := model.Logits(images[from:min(from+batch, len(images))])
				for i := range batch {
					if largest(logits[i]) == labels[from+i] {
						right++
					}
				}
			}
			return float64(right) / float64(len(images))
		})},
		wrong{"last-batch-only", inEvaluation(accuracyOf(func(right, add int) int { return add }, largest))},
		wrong{"argmax-from-zero", inEvaluation(accuracyOf(add, func(logits []float32) int {
			var class int
			var most float32
			for i, logit := range logits {
				if logit > most {
					class, most = i, logit
				}
			}
			return class
		}))},
		wrong{"argmax-over-the-batch", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right := 0
			for from := 0; from < len(images); from += batch {
				to := min(from+batch, len(images))
				logits := model.Logits(images[from:to])
				for class := range logits[0] {
					column := make([]float32, len(logits))
					for i := range logits {
						column[i] = logits[i][class]
					}
					if from+class < to && largest(column) == labels[from+class] {
						right++
					}
				}
			}
			return float64(right) / float64(len(images))
		})},
		wrong{"divided-as-integers", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			return float64(int(solution.Evaluate(model, images, labels, batch)))
		})},
		wrong{"batch-ignored", inEvaluation(func(model Model, images [][]float32, labels []int, _ int) float64 {
			return float64(countRight(model.Logits(images), labels, largest)) / float64(len(images))
		})},
		wrong{"empty-batch", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right := 0
			for from := 0; from <= len(images); from += batch {
				to := min(from+batch, len(images))
				right += countRight(model.Logits(images[from:to]), labels[from:to], largest)
			}
			return float64(right) / float64(len(images))
		})},
		wrong{"argmin", inEvaluation(accuracyOf(add, func(logits []float32) int {
			return slices.Index(logits, slices.Min(logits))
		}))},
		wrong{"errors-counted", changed(func(accuracy float64, _ [][]float32, _ int) float64 { return 1 - accuracy })},
		wrong{"percent", changed(func(accuracy float64, _ [][]float32, _ int) float64 { return 100 * accuracy })},
		wrong{"not-divided", changed(func(accuracy float64, images [][]float32, _ int) float64 {
			return math.Round(accuracy * float64(len(images)))
		})},
		wrong{"last-batch-taken-for-full", changed(func(accuracy float64, images [][]float32, batch int) float64 {
			batches := (len(images) + batch - 1) / batch
			return accuracy * float64(len(images)) / float64(batches*batch)
		})},
		wrong{"labels-of-the-first-batch", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right := 0
			for from := 0; from < len(images); from += batch {
				right += countRight(model.Logits(images[from:min(from+batch, len(images))]), labels, largest)
			}
			return float64(right) / float64(len(images))
		})},
		wrong{"asked-twice", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			right := 0
			for i := range images {
				from := i / batch * batch
				logits := model.Logits(images[from:min(from+batch, len(images))])
				right += countRight(logits[i-from:i-from+1], labels[i:], largest)
			}
			return float64(right) / float64(len(images))
		})},
		// This answer makes all images right instead of counting, even those behind its own.
		wrong{"images-changed", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			for from := 0; from < len(images); from += batch {
				model.Logits(images[from:min(from+batch, len(images))])
			}
			images, labels = images[:cap(images)], labels[:cap(labels)]
			for i := range images {
				images[i], labels[i] = []float32{1, 0, 0}, 0
			}
			return 1
		})},
		wrong{"images-changed", inEvaluation(func(model Model, images [][]float32, labels []int, batch int) float64 {
			accuracy := accuracyOf(add, largest)(model, images, labels, batch)
			images[0][0]++
			return accuracy
		})},
		wrong{"evaluated-in-training-mode", try(accuracyOf(add, largest))},
		wrong{"mode-not-set-back", try(func(model Model, images [][]float32, labels []int, batch int) float64 {
			model.SetTraining(false)
			return accuracyOf(add, largest)(model, images, labels, batch)
		})},
		wrong{"training-mode-left-on", try(func(model Model, images [][]float32, labels []int, batch int) float64 {
			model.SetTraining(false)
			defer model.SetTraining(true)
			return accuracyOf(add, largest)(model, images, labels, batch)
		})},
	)
}

func add(a, b int) int { return a + b }

func countRight(logits [][]float32, labels []int, class func([]float32) int) int {
	right := 0
	for i := range logits {
		if class(logits[i]) == labels[i] {
			right++
		}
	}
	return right
}

// accuracyOf returns an answer that ignores the mode, with the given ways to count and to
// choose a class.
func accuracyOf(count func(right, add int) int, class func([]float32) int) evaluateAnswer {
	return func(model Model, images [][]float32, labels []int, batch int) float64 {
		right := 0
		for from := 0; from < len(images); from += batch {
			to := min(from+batch, len(images))
			right = count(right, countRight(model.Logits(images[from:to]), labels[from:to], class))
		}
		return float64(right) / float64(len(images))
	}
}

// An answer may append to the slices that it gets without reaching another case's images.
func TestEvaluateGivesCopies(t *testing.T) {
	result, log := grade(t, func(t T) {
		Evaluate(t, func(model Model, images [][]float32, labels []int, batch int) float64 {
			_, _ = append(images, []float32{9, 9, 9}), append(labels, 9)
			for _, image := range images {
				_ = append(image, 9)
			}
			return solution.Evaluate(model, images, labels, batch)
		})
	})
	if earned, of := result.Points(); earned != of {
		t.Errorf("a right answer earns %d of %d points:\n%s", earned, of, log)
	}
}

// Which class is right must not depend on how an answer treats equal logits.
func TestEvaluateSetsHaveOneLargestLogit(t *testing.T) {
	for _, c := range []evaluateCase{evaluateCaseOf(11, 4), evaluateSet(97, 5, 97), evaluateSet(89, 4, 7), evaluateSet(60, 6, 12),
		evaluateSet(71, 3, 8), evaluateSet(40, 2, 9), evaluateSet(50, 7, 10), evaluateSet(30, 4, 30), evaluateSet(1, 3, 1), evaluateSet(40, 10, 64)} {
		for i, image := range c.images {
			if sorted := slices.Sorted(slices.Values(image)); sorted[len(sorted)-1] == sorted[len(sorted)-2] {
				t.Errorf("%s: image %d has two largest logits", c, i)
			}
		}
		if accuracy := c.accuracy(); len(c.images) > 1 && (accuracy < 0.3 || accuracy > 0.95) {
			t.Errorf("%s: the accuracy is %g", c, accuracy)
		}
	}
}
