package check

import (
	"math/rand/v2"
	"slices"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/split"
	solution "github.com/residual-go/residual/lesson/exercises/split/solution"
)

func TestSplit(t *testing.T) {
	try := func(answer splitAnswer) func(T) { return func(t T) { Split(t, answer) } }
	// byClass is an answer that shuffles the images of each class and holds some of them out.
	byClass := func(held func(n, parts int) int) func(T) {
		return try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			for class := range slices.Max(labels) + 1 {
				var images []int
				for _, i := range random.Perm(len(labels)) {
					if labels[i] == class {
						images = append(images, i)
					}
				}
				n := held(len(images), parts)
				validation, training = append(validation, images[:n]...), append(training, images[n:]...)
			}
			return training, validation
		})
	}
	test(t, "split", try(solution.Split), try(stub.Split),
		wrong{"labels-changed", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			random.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
			return solution.Split(labels, parts, random)
		})},
		wrong{"in-both", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			_, validation = solution.Split(labels, parts, random)
			for i := range labels {
				training = append(training, i)
			}
			return training, validation
		})},
		wrong{"in-both", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			training, _ = solution.Split(labels, parts, random)
			_, validation = solution.Split(labels, parts, random) // draws again
			return training, validation
		})},
		wrong{"drawn-with-repetition", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			for range len(labels) / parts {
				validation = append(validation, random.IntN(len(labels)))
			}
			for i := range labels {
				if !slices.Contains(validation, i) {
					training = append(training, i)
				}
			}
			return training, validation
		})},
		wrong{"images-lost", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			for class := range slices.Max(labels) + 1 {
				var images []int
				for _, i := range random.Perm(len(labels)) {
					if labels[i] == class {
						images = append(images, i)
					}
				}
				n := len(images) / parts
				validation, training = append(validation, images[:n]...), append(training, images[n:n*parts]...)
			}
			return training, validation
		})},
		wrong{"in-one-twice", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			training, validation = solution.Split(labels, parts, random)
			return append(training, training[0]), validation
		})},
		wrong{"outside-the-images", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			training, validation = solution.Split(labels, parts, random)
			for i := range training {
				training[i]++
			}
			for i := range validation {
				validation[i]++
			}
			return training, validation
		})},
		wrong{"classes-not-indices", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			a, b := solution.Split(labels, parts, random)
			for _, i := range a {
				training = append(training, labels[i])
			}
			for _, i := range b {
				validation = append(validation, labels[i])
			}
			return training, validation
		})},
		wrong{"the-wrong-way-round", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			training, validation = solution.Split(labels, parts, random)
			return validation, training
		})},
		wrong{"rounded-up", byClass(func(n, parts int) int { return (n + parts - 1) / parts })},
		wrong{"parts-images", byClass(func(n, parts int) int { return min(n, parts) })},
		wrong{"at-least-one", byClass(func(n, parts int) int { return min(n, max(1, n/parts)) })},
		wrong{"not-by-class", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			images := random.Perm(len(labels))
			n := len(images) / parts
			return images[n:], images[:n]
		})},
		wrong{"not-by-class", try(func(labels []int, parts int, _ *rand.Rand) (training, validation []int) {
			for i := range labels {
				if i < len(labels)/parts {
					validation = append(validation, i)
				} else {
					training = append(training, i)
				}
			}
			return training, validation
		})},
		wrong{"taken-in-order", try(func(labels []int, parts int, _ *rand.Rand) (training, validation []int) {
			return solution.Split(labels, parts, rand.New(rand.NewPCG(1, 2)))
		})},
		wrong{"taken-in-order", try(func(labels []int, parts int, _ *rand.Rand) (training, validation []int) {
			seen, sizes := map[int]int{}, map[int]int{}
			for _, class := range labels {
				sizes[class]++
			}
			for i, class := range labels {
				if seen[class] < sizes[class]/parts {
					validation = append(validation, i)
				} else {
					training = append(training, i)
				}
				seen[class]++
			}
			return training, validation
		})},
		wrong{"some-never-held-out", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			for class := range slices.Max(labels) + 1 {
				var images []int
				for i, c := range labels {
					if c == class {
						images = append(images, i)
					}
				}
				if n := len(images) - 1; n > 0 { // off by one: the last image is never moved
					random.Shuffle(n, func(i, j int) { images[i], images[j] = images[j], images[i] })
				}
				n := len(images) / parts
				validation, training = append(validation, images[:n]...), append(training, images[n:]...)
			}
			return training, validation
		})},
		wrong{"not-repeatable", try(func(labels []int, parts int, _ *rand.Rand) (training, validation []int) {
			return solution.Split(labels, parts, rand.New(rand.NewPCG(rand.Uint64(), 1)))
		})},
		wrong{"not-repeatable", try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			classes := map[int][]int{}
			for i, class := range labels {
				classes[class] = append(classes[class], i)
			}
			for _, images := range classes {
				random.Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
				n := len(images) / parts
				validation, training = append(validation, images[:n]...), append(training, images[n:]...)
			}
			return training, validation
		})},
	)
	alsoRight(t,
		byClass(func(n, parts int) int { return n / parts }),
		try(func(labels []int, parts int, random *rand.Rand) (training, validation []int) {
			// One walk over all images in random order, counting down what each class still owes.
			owed := map[int]int{}
			for _, class := range labels {
				owed[class]++
			}
			for class, n := range owed {
				owed[class] = n / parts
			}
			for _, i := range random.Perm(len(labels)) {
				if class := labels[i]; owed[class] > 0 {
					owed[class]--
					validation = append(validation, i)
				} else {
					training = append(training, i)
				}
			}
			slices.Sort(training)
			return training, validation
		}),
	)
}
