package check

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// splitAnswer is the function that the exercise asks for.
type splitAnswer func(labels []int, parts int, random *rand.Rand) (training, validation []int)

// splitCase holds the arguments of Split; seed is that of the random numbers.
type splitCase struct {
	labels []int
	parts  int
	seed   uint64
}

func (c splitCase) String() string {
	text := fmt.Sprintf("labels of %d images of %d classes", len(c.labels), len(c.sizes()))
	if len(c.labels) <= 12 {
		text = fmt.Sprint(c.labels)
	}
	return fmt.Sprintf("Split(%s, %d, random)", text, c.parts)
}

// sizes returns the number of images of each class.
func (c splitCase) sizes() []int { return countClasses(c.labels, c.labels, nil) }

// countClasses counts the indices in which by class; nil stands for all of them.
func countClasses(labels, all, which []int) []int {
	sizes := make([]int, slices.Max(all)+1)
	if which == nil {
		for _, class := range labels {
			sizes[class]++
		}
	}
	for _, i := range which {
		sizes[labels[i]]++
	}
	return sizes
}

// The classes are of different sizes, one has no images, and the images are sorted by class or mixed.
var (
	sortedImages = splitCase{labels: []int{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1}, parts: 3}
	mixedImages  = splitCase{labels: mixedLabels(40, 25, 0, 12, 31), parts: 5}
	manyClasses  = splitCase{labels: mixedLabels(10, 10, 10, 10, 10, 10, 10, 10, 10, 10), parts: 5}
	smallClass   = splitCase{labels: []int{1, 0, 1, 1, 0, 2, 1, 1}, parts: 3}
)

// mixedLabels returns labels of classes of the given sizes, in an order that looks random.
func mixedLabels(sizes ...int) []int {
	var sorted []int
	for class, n := range sizes {
		sorted = append(sorted, slices.Repeat([]int{class}, n)...)
	}
	labels := make([]int, len(sorted))
	for i, from := range order(1, len(sorted)) {
		labels[i] = sorted[from]
	}
	return labels
}

// split calls the answer with a copy of the labels.
func (c splitCase) split(answer splitAnswer) (training, validation []int) {
	labels := slices.Clone(c.labels)
	training, validation = answer(labels, c.parts, rand.New(rand.NewPCG(c.seed, 1)))
	if !slices.Equal(labels, c.labels) {
		panic(&Failure{What: "the labels after " + c.String(), Want: "unchanged", Got: "changed",
			Hint: Hint{"labels-changed", "the labels belong to the caller, and they say which image is which: shuffle indices, not labels"}})
	}
	return training, validation
}

// Split checks the exercise split.
func Split(t T, answer func(labels []int, parts int, random *rand.Rand) (training, validation []int)) {
	t.Helper()
	all := []splitCase{mixedImages, sortedImages, manyClasses, smallClass}
	each := func(try func(c splitCase, answer splitAnswer) error) func() error {
		return func() error {
			for _, c := range all {
				if err := try(c, answer); err != nil {
					return err
				}
			}
			return nil
		}
	}
	run(t, "split",
		step{"every image once", 3, each(splitCase.complete)},
		step{"one in parts of each class", 3, each(splitCase.stratified)},
		step{"random", 2, func() error { return shuffles(answer) }},
		step{"the same again", 2, func() error { return repeats(answer) }},
	)
}

// complete checks that each index is in one of the two results.
func (c splitCase) complete(answer splitAnswer) error {
	training, validation := c.split(answer)
	for _, list := range [][]int{training, validation} {
		for _, i := range list {
			if i < 0 || i >= len(c.labels) {
				failure := &Failure{What: c.String(), Want: fmt.Sprintf("indices of images, from 0 to %d", len(c.labels)-1), Got: fmt.Sprint(i)}
				failure.Hint = Hint{"outside-the-images", "an index is outside the images: they count from 0"}
				return failure
			}
		}
	}
	times := make([]int, len(c.labels))
	for _, i := range slices.Concat(training, validation) {
		times[i]++
	}
	both := slices.ContainsFunc(validation, func(i int) bool { return slices.Contains(training, i) })
	failure := &Failure{What: c.String(), Want: "each index once, in training or in validation"}
	switch lost := slices.Index(times, 0); {
	case both:
		failure.Got = fmt.Sprintf("some in both; training has %d and validation %d of %d images", len(training), len(validation), len(c.labels))
		failure.Hint = Hint{"in-both", "some validation images are also training images. A network that has memorised them then looks good, which is what validation should prevent"}
		if slices.Equal(slices.Sorted(slices.Values(slices.Concat(training, validation))), slices.Sorted(slices.Values(c.labels))) {
			failure.Hint = Hint{"classes-not-indices", "these are classes; return indices of images"}
		}
	case len(validation) > len(slices.Compact(slices.Sorted(slices.Values(validation)))):
		failure.Got = fmt.Sprintf("index %d more than once in validation", slices.Index(times, slices.Max(times)))
		failure.Hint = Hint{"drawn-with-repetition", "an image is drawn several times: shuffle the indices of a class and cut the list in two"}
	case lost >= 0:
		failure.Got = fmt.Sprintf("index %d in neither; training has %d and validation %d of %d images", lost, len(training), len(validation), len(c.labels))
		failure.Hint = Hint{"images-lost", "some images are in neither result: all images that are not held out are for training, even if a class cannot be divided evenly"}
	case slices.Max(times) > 1:
		failure.Got = fmt.Sprintf("index %d %d times", slices.Index(times, slices.Max(times)), slices.Max(times))
		failure.Hint = Hint{"in-one-twice", "an image appears twice in the same result"}
	default:
		return nil
	}
	return failure
}

// stratified checks how many images of each class are held out.
func (c splitCase) stratified(answer splitAnswer) error {
	training, validation := c.split(answer)
	sizes := c.sizes()
	held, kept := countClasses(c.labels, c.labels, slices.Concat([]int{}, validation)), countClasses(c.labels, c.labels, slices.Concat([]int{}, training))
	of := func(share func(n int) int) []int {
		list := make([]int, len(sizes))
		for class, n := range sizes {
			list[class] = share(n)
		}
		return list
	}
	want := of(func(n int) int { return n / c.parts })
	if slices.Equal(held, want) {
		return nil
	}
	failure := &Failure{
		What: c.String(), Want: fmt.Sprintf("images of each class in validation: %v, of %v", want, sizes), Got: fmt.Sprint(held),
	}
	total := func(list []int) int {
		n := 0
		for _, x := range list {
			n += x
		}
		return n
	}
	switch {
	case slices.Equal(kept, want):
		failure.Hint = Hint{"the-wrong-way-round", "the small part is returned as training and the large one as validation"}
	case slices.Equal(held, of(func(n int) int { return (n + c.parts - 1) / c.parts })),
		slices.Equal(held, of(func(n int) int { return (2*n + c.parts) / (2 * c.parts) })):
		failure.Hint = Hint{"rounded-up", "the number is rounded up if a class cannot be divided evenly; round down"}
	case slices.Equal(held, of(func(n int) int { return min(n, c.parts) })):
		failure.Hint = Hint{"parts-images", "parts images of each class are held out; it should be one in parts"}
	case slices.Equal(held, of(func(n int) int { return min(n, max(1, n/c.parts)) })):
		failure.Hint = Hint{"at-least-one", "one image is held out of a class that has fewer than parts; round down, here to none"}
	case total(held) == len(c.labels)/c.parts || total(held) == (len(c.labels)+c.parts-1)/c.parts:
		failure.Hint = Hint{"not-by-class", "the total is right, but the classes have different shares: split each class on its own, or a rare class may end up with no validation image"}
	}
	return failure
}

// shuffles checks that the held-out images depend on the random numbers.
func shuffles(answer splitAnswer) error {
	c := mixedImages
	const seeds = 60
	times := make([]int, len(c.labels))
	same := true
	var first []int
	for seed := range uint64(seeds) {
		c.seed = seed
		_, validation := c.split(answer)
		for _, i := range validation {
			times[i]++
		}
		if sorted := slices.Sorted(slices.Values(validation)); seed == 0 {
			first = sorted
		} else {
			same = same && slices.Equal(first, sorted)
		}
	}
	what := fmt.Sprintf("%s with %d different random numbers", c, seeds)
	if same {
		return &Failure{What: what, Want: "different images in validation", Got: "always the same",
			Hint: Hint{"taken-in-order", "the images of a class are taken in order, or at fixed places. Files are often sorted, by day or by photographer: shuffle them first, with random"}}
	}
	// An image of a class of n is held out with a probability of (n/parts)/n, so being left out 60 times is next to impossible.
	if never := slices.Index(times, 0); never >= 0 {
		return &Failure{What: what, Want: "every image in validation at least once", Got: fmt.Sprintf("image %d never", never),
			Hint: Hint{"some-never-held-out", "some images can never be held out: shuffle all images of a class, including the first and the last"}}
	}
	return nil
}

// repeats checks that the same random numbers give the same result.
func repeats(answer splitAnswer) error {
	c := manyClasses
	c.seed = 7
	first, held := c.split(answer)
	for range 20 {
		training, validation := c.split(answer)
		if slices.Equal(training, first) && slices.Equal(validation, held) {
			continue
		}
		failure := &Failure{What: c.String() + ", twice with the same random numbers", Want: "the same result", Got: "another"}
		failure.Hint = Hint{"not-repeatable", "either the random numbers do not all come from random, or the classes are taken in the order of a map, which Go changes with every range, so that the same random numbers go to other classes. Go through the classes in a fixed order"}
		return failure
	}
	return nil
}
