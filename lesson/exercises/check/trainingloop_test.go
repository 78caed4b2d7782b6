package check

import (
	"slices"
	"testing"

	"github.com/residual-go/residual/lesson/exercises/nn"
	"github.com/residual-go/residual/lesson/exercises/trainingloop"
	solution "github.com/residual-go/residual/lesson/exercises/trainingloop/solution"
)

func TestTrainingLoop(t *testing.T) {
	try := func(answer trainingLoop) func(T) { return func(t T) { TrainingLoop(t, answer) } }
	// update trains on a batch, correctly.
	update := func(l nn.Learner, batch []int) float64 {
		l.ZeroGradients()
		loss := l.Loss(batch)
		l.Backward()
		l.Step()
		return loss
	}
	test(t, "trainingloop", try(solution.Train), try(trainingloop.Train),
		wrong{"no-shuffle", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum := 0.0
				for from := 0; from < l.Examples(); from += size {
					var batch []int
					for i := from; i < min(from+size, l.Examples()); i++ {
						batch = append(batch, i)
					}
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"shuffled-once", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			order, step := l.Shuffle(), 0
			for range epochs {
				l.SetTraining(true)
				sum := 0.0
				for batch := range slices.Chunk(order, size) {
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"gradients-accumulated", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += l.Loss(batch) * float64(len(batch))
					l.Backward()
					l.Step()
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"gradients-zeroed-too-late", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += l.Loss(batch) * float64(len(batch))
					l.Backward()
					l.ZeroGradients()
					l.Step()
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"tested-in-training-mode", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			l.SetTraining(true)
			for range epochs {
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"training-mode-left-off", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			l.SetTraining(true)
			for range epochs {
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"training-mode-never-on", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"last-batch-dropped", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum, batches, order := 0.0, l.Examples()/size, l.Shuffle()
				for i := range batches {
					l.SetLearningRate(rate(step))
					sum += update(l, order[i*size:(i+1)*size])
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(batches), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"loss-not-weighted", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum, batches := 0.0, 0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += update(l, batch)
					batches++
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(batches), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"loss-not-divided", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				var epoch nn.Epoch
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					epoch.Loss += update(l, batch)
					step++
				}
				l.SetTraining(false)
				epoch.TestLoss = l.TestLoss()
				history = append(history, epoch)
			}
			return history
		})},
		wrong{"loss-of-the-last-batch", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				var epoch nn.Epoch
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					epoch.Loss = update(l, batch)
					step++
				}
				l.SetTraining(false)
				epoch.TestLoss = l.TestLoss()
				history = append(history, epoch)
			}
			return history
		})},
		wrong{"schedule-by-epoch", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			for epoch := range epochs {
				l.SetTraining(true)
				l.SetLearningRate(rate(epoch))
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					sum += update(l, batch) * float64(len(batch))
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"schedule-starts-over", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			for range epochs {
				l.SetTraining(true)
				sum, step := 0.0, 0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"schedule-from-one", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					step++
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"learning-rate-not-set", try(func(l nn.Learner, epochs, size int, _ func(int) float64) (history []nn.Epoch) {
			for range epochs {
				l.SetTraining(true)
				sum := 0.0
				for batch := range slices.Chunk(l.Shuffle(), size) {
					sum += update(l, batch) * float64(len(batch))
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
		wrong{"no-end", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			for epoch := 0; epoch < epochs; {
				l.SetTraining(true)
				for batch := range slices.Chunk(l.Shuffle(), size) {
					update(l, batch)
				}
			}
			return history
		})},
		wrong{"batch-larger-than-data", try(func(l nn.Learner, epochs, size int, rate func(int) float64) []nn.Epoch {
			if l.Examples() < size {
				return make([]nn.Epoch, epochs)
			}
			return solution.Train(l, epochs, size, rate)
		})},
		wrong{"empty-batch", try(func(l nn.Learner, epochs, size int, rate func(int) float64) (history []nn.Epoch) {
			step := 0
			for range epochs {
				l.SetTraining(true)
				sum, order := 0.0, l.Shuffle()
				for i := 0; i <= len(order)/size; i++ {
					batch := order[i*size : min((i+1)*size, len(order))]
					l.SetLearningRate(rate(step))
					sum += update(l, batch) * float64(len(batch))
					step++
				}
				l.SetTraining(false)
				history = append(history, nn.Epoch{Loss: sum / float64(l.Examples()), TestLoss: l.TestLoss()})
			}
			return history
		})},
	)
}
