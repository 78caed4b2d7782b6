package check

import (
	"math/rand/v2"
	"slices"
	"testing"

	augment "github.com/residual-go/residual/lesson/exercises/augment/solution"
	convolution "github.com/residual-go/residual/lesson/exercises/convolution/solution"
	evaluation "github.com/residual-go/residual/lesson/exercises/evaluate/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

// hinted returns the hint of the step that failed, or "".
func hinted(t *testing.T, try func(T)) string {
	t.Helper()
	result, log := grade(t, try)
	for _, step := range result.Steps {
		switch {
		case step.Message == "":
		case step.Hint == nil:
			return ""
		default:
			return step.Hint.Name
		}
	}
	t.Errorf("earns all points:\n%s", log)
	return ""
}

// TestMistakesAreToldApart lets the answer be each of the mistakes that a check knows: none may
// be taken for another.
func TestMistakesAreToldApart(t *testing.T) {
	expect := func(exercise string, hint Hint, try func(T)) {
		if got := hinted(t, try); got != hint.Name {
			t.Errorf("%s: %s gets the hint %q", exercise, hint.Name, got)
		}
	}
	for _, m := range sizeMistakes {
		expect("outputsize", m.hint, func(t T) {
			OutputSize(t, func(in, kernel, stride, padding int) int {
				if c := (sizeCase{in, kernel, stride, padding}); c.way() >= 0 {
					return m.compute(c)
				}
				return 0
			})
		})
	}
	for _, m := range convolutionMistakes {
		expect("convolution", m.hint, func(t T) {
			Convolution(t, func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
				return m.compute(convolutionCase{X: x, W: w, Stride: stride, Padding: padding})
			})
		})
	}
	for _, m := range evaluateMistakes {
		expect("evaluate", m.hint, func(t T) {
			Evaluate(t, func(model Model, images [][]float32, labels []int, batch int) float64 {
				defer model.SetTraining(model.Training())
				model.SetTraining(false)
				return m.compute(evaluateCase{images, labels, batch})
			})
		})
	}
	pixels := Augmentation{augment.Flip, augment.Crop, augment.Epoch}
	for _, m := range flipMistakes {
		answer := pixels
		answer.Flip = func(pixels []byte, height, width int) {
			copy(pixels, m.compute(picture{height, width, slices.Clone(pixels)}))
		}
		expect("augment", m.hint, func(t T) { Augment(t, answer) })
	}
	for _, m := range cropMistakes {
		answer := pixels
		answer.Crop = func(pixels []byte, height, width, padding, top, left int) []byte {
			return m.compute(cropCase{picture{height, width, pixels}, padding, top, left})
		}
		expect("augment", m.hint, func(t T) { Augment(t, answer) })
	}
}

// TestGraphMistakesDiffer compares the values of every two mistakes of a case.
func TestGraphMistakesDiffer(t *testing.T) {
	all, err := graphCasesByName()
	if err != nil {
		t.Fatal(err)
	}
	for exercise, cases := range all {
		for _, c := range cases {
			for i, a := range c.Mistakes {
				for _, b := range c.Mistakes[:i] {
					if a.Mistake == b.Mistake || a.Shape == nil || a.Training != nil || b.Training != nil {
						continue
					}
					if slices.Equal(a.Shape, b.Shape) && alike(a.Values, b.Values) && equalConvolutions(a, b) {
						t.Errorf("%s: %s and %s have the same values", exercise, a.Mistake, b.Mistake)
					}
				}
			}
		}
	}
}

func equalConvolutions(a, b graphOutput) bool {
	if len(a.Convolutions) != len(b.Convolutions) {
		return false
	}
	for name, shape := range a.Convolutions {
		if !slices.Equal(shape, b.Convolutions[name]) {
			return false
		}
	}
	return true
}

// TestHintsDoNotMislead has answers with mistakes that no hint describes.
func TestHintsDoNotMislead(t *testing.T) {
	epoch := func(answer func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int)) func(T) {
		return func(t T) { Augment(t, Augmentation{augment.Flip, augment.Crop, answer}) }
	}
	// placed returns the check of an Epoch that crops and flips as place says.
	placed := func(choose func(at, image, padding int, rng *rand.Rand) place) func(T) {
		return epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) (y [][]byte, l []int) {
			for at, from := range rng.Perm(len(images)) {
				p := choose(at, from, padding, rng)
				y = append(y, augment.Crop(images[from], height, width, padding, p.top, p.left))
				if p.flipped {
					augment.Flip(y[at], height, width)
				}
				l = append(l, labels[from])
			}
			return y, l
		})
	}
	anywhere := func(padding int, rng *rand.Rand) place {
		return place{rng.IntN(2*padding + 1), rng.IntN(2*padding + 1), rng.IntN(2) == 0}
	}
	train := func(call func(l nn.Learner, batch []int) float64) func(T) {
		return func(t T) {
			TrainingLoop(t, func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
				step := 0
				for range epochs {
					l.SetTraining(true)
					sum := 0.0
					for batch := range slices.Chunk(l.Shuffle(), size) {
						l.SetLearningRate(rate(step))
						sum += call(l, batch) * float64(len(batch))
						step++
					}
					l.SetTraining(false)
					history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
				}
				return history
			})
		}
	}
	for name, try := range map[string]func(T){
		"each term is divided": func(t T) {
			OutputSize(t, func(in, kernel, stride, padding int) int {
				if in+2*padding < kernel {
					return 0
				}
				return in/stride + 2*padding/stride - kernel/stride + 1
			})
		},
		"the stride is taken twice": func(t T) {
			OutputSize(t, func(in, kernel, stride, padding int) int {
				return max(0, (in+2*padding-kernel)/(stride*stride)+1)
			})
		},
		"labels are counted from 1": func(t T) {
			Evaluate(t, func(model Model, images [][]float32, labels []int, batch int) float64 {
				shifted := slices.Clone(labels)
				for i := range shifted {
					shifted[i]--
				}
				return evaluation.Evaluate(model, images, shifted, batch)
			})
		},
		"the second largest logit": func(t T) {
			Evaluate(t, func(model Model, images [][]float32, labels []int, _ int) float64 {
				right := 0
				for i, logits := range model.Logits(images) {
					if sorted := slices.Sorted(slices.Values(logits)); logits[labels[i]] == sorted[max(0, len(sorted)-2)] {
						right++
					}
				}
				return float64(right) / float64(len(images))
			})
		},
		"the padding is the kernel's number": func(t T) {
			Convolution(t, func(x [][][]float32, w [][][][]float32, stride, padding int) [][][]float32 {
				same := cloneKernels(w)
				for _, row := range same {
					for _, place := range row {
						for _, in := range place {
							for out := range in {
								in[out] = in[min(padding, len(in)-1)]
							}
						}
					}
				}
				return convolution.Convolution(x, same, stride, padding)
			})
		},
		"the gradient never enters the velocity": func(t T) {
			Momentum(t, func(s *SGD) Stepper {
				return stepper{s, func(s *SGD, w, _ []float64) {
					for i := range w {
						s.Velocity[i] = s.Momentum*s.Velocity[i] + s.WeightDecay*w[i]
						w[i] -= s.LearningRate * s.Velocity[i]
					}
				}}
			})
		},
		"always the first row": placed(func(_, _, padding int, rng *rand.Rand) place {
			p := anywhere(padding, rng)
			p.top = 0
			return p
		}),
		"only the corners and the middle": placed(func(_, _, padding int, rng *rand.Rand) place {
			p := anywhere(padding, rng)
			for p.top%2 != p.left%2 {
				p = anywhere(padding, rng)
			}
			return p
		}),
		"the middle more often": placed(func(_, _, padding int, rng *rand.Rand) place {
			p := anywhere(padding, rng)
			p.top = rng.IntN(padding+1) + rng.IntN(padding+1)
			return p
		}),
		"every third place is flipped": placed(func(at, _, padding int, rng *rand.Rand) place {
			p := anywhere(padding, rng)
			p.flipped = at%3 == 0
			return p
		}),
		"every other image is flipped": placed(func(_, image, padding int, rng *rand.Rand) place {
			p := anywhere(padding, rng)
			p.flipped = image%2 == 0
			return p
		}),
		"what is in the corner is flipped": placed(func(_, _, padding int, rng *rand.Rand) place {
			p := anywhere(padding, rng)
			p.flipped = p.top > p.left || p.top == p.left && p.flipped
			return p
		}),
		"the labels are the other way round": epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
			images, labels = augment.Epoch(images, labels, height, width, padding, rng)
			slices.Reverse(labels)
			return images, labels
		}),
		"one image all the time": epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
			newImages, newLabels := augment.Epoch(images, labels, height, width, padding, rng)
			for i := range newImages {
				newImages[i] = newImages[0]
			}
			return newImages, newLabels
		}),
		"a shuffle that leaves nothing in its place": epoch(func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int) {
			images, labels = slices.Clone(images), slices.Clone(labels)
			for i := len(images) - 1; i > 0; i-- {
				j := rng.IntN(i)
				images[i], images[j] = images[j], images[i]
				labels[i], labels[j] = labels[j], labels[i]
			}
			for i, image := range images {
				images[i] = augment.Crop(image, height, width, padding, rng.IntN(2*padding+1), rng.IntN(2*padding+1))
				if rng.IntN(2) == 0 {
					augment.Flip(images[i], height, width)
				}
			}
			return images, labels
		}),
		"no Backward": train(func(l nn.Learner, batch []int) float64 {
			l.ZeroGradients()
			loss := l.Loss(batch)
			l.Step()
			return loss
		}),
		"no Step": train(func(l nn.Learner, batch []int) float64 {
			l.ZeroGradients()
			loss := l.Loss(batch)
			l.Backward()
			return loss
		}),
		"Step before Backward": train(func(l nn.Learner, batch []int) float64 {
			l.ZeroGradients()
			loss := l.Loss(batch)
			l.Step()
			l.Backward()
			return loss
		}),
	} {
		if hint := hinted(t, try); hint != "" {
			t.Errorf("%s: gets the hint %s", name, hint)
		}
	}
}
