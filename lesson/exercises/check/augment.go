package check

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Augmentation holds the functions of the exercise augment.
type Augmentation struct {
	Flip  func(pixels []byte, height, width int)
	Crop  func(pixels []byte, height, width, padding, top, left int) []byte
	Epoch func(images [][]byte, labels []int, height, width, padding int, rng *rand.Rand) ([][]byte, []int)
}

// picture is an image with 3 bytes per pixel.
type picture struct {
	height, width int
	pixels        []byte
}

// newPicture returns an image whose bytes are all different.
func newPicture(height, width int) picture {
	p := picture{height, width, make([]byte, height*width*3)}
	for i := range p.pixels {
		p.pixels[i] = byte(i + 1)
	}
	return p
}

// mapped returns an image of p's size whose byte at y, x, c is p's byte at from(y, x, c), or
// 0 if that is outside.
func (p picture) mapped(from func(y, x, c int) (int, int, int)) []byte {
	result := make([]byte, len(p.pixels))
	for i := range result {
		y, x, c := from(i/3/p.width, i/3%p.width, i%3)
		if y >= 0 && y < p.height && x >= 0 && x < p.width {
			result[i] = p.pixels[(y*p.width+x)*3+c]
		}
	}
	return result
}

// show formats pixels of p's size, one row per line.
func (p picture) show(pixels []byte) string {
	if len(pixels) != len(p.pixels) {
		return fmt.Sprintf("%d bytes", len(pixels))
	}
	var rows []string
	for y := range p.height {
		var row []string
		for x := range p.width {
			pixel := pixels[(y*p.width+x)*3:]
			row = append(row, fmt.Sprintf("%2d,%2d,%2d", pixel[0], pixel[1], pixel[2]))
		}
		rows = append(rows, strings.Join(row, "  "))
	}
	return strings.Join(rows, "\n")
}

// cropCase is a crop of a picture.
type cropCase struct {
	picture
	padding, top, left int
}

func (c cropCase) String() string {
	return fmt.Sprintf("Crop(pixels, height %d, width %d, padding %d, top %d, left %d) of\n%s",
		c.height, c.width, c.padding, c.top, c.left, c.show(c.pixels))
}

// Augment checks the exercise augment.
func Augment(t T, answer Augmentation) {
	t.Helper()
	flip := trial[picture, []byte]{
		cases: append([]picture{newPicture(2, 3), newPicture(3, 2), newPicture(1, 4)}, smallPictures()...),
		answer: func(p picture) []byte {
			pixels := bytes.Clone(p.pixels)
			answer.Flip(pixels, p.height, p.width)
			return pixels
		},
		want: func(p picture) []byte {
			return p.mapped(func(y, x, c int) (int, int, int) { return y, p.width - 1 - x, c })
		},
		same: bytes.Equal,
		what: func(p picture) string { return fmt.Sprintf("Flip(pixels, height %d, width %d)", p.height, p.width) },
		explain: func(p picture, want, got []byte) *Failure {
			return &Failure{What: fmt.Sprintf("Flip(pixels, height %d, width %d) of\n%s", p.height, p.width, p.show(p.pixels)),
				Want: p.show(want), Got: p.show(got)}
		},
		mistakes: flipMistakes,
		outside:  Hint{"outside-the-image", "an index is out of range. If it is one into pixels: channel c of the pixel in row y and column x is pixels[(y*width+x)*3+c], with y below height and x below width"},
	}
	crop := trial[cropCase, []byte]{
		cases: append([]cropCase{
			{newPicture(3, 4), 1, 1, 1}, {newPicture(3, 4), 1, 0, 1}, {newPicture(3, 4), 1, 1, 2},
			{newPicture(4, 3), 2, 4, 1}, {newPicture(4, 3), 2, 1, 0}, {newPicture(2, 2), 2, 0, 0},
		}, smallCrops()...),
		answer: func(c cropCase) []byte {
			pixels := bytes.Clone(c.pixels)
			part := answer.Crop(pixels, c.height, c.width, c.padding, c.top, c.left)
			if !bytes.Equal(pixels, c.pixels) {
				panic(&Failure{What: c.String(), Want: "the given image unchanged", Got: c.show(pixels),
					Hint: Hint{"originals-changed", "Crop must not change the given image: make a new slice for the result"}})
			}
			return part
		},
		want: func(c cropCase) []byte {
			return c.mapped(func(y, x, channel int) (int, int, int) { return y + c.top - c.padding, x + c.left - c.padding, channel })
		},
		same: bytes.Equal,
		what: cropCase.String,
		explain: func(c cropCase, want, got []byte) *Failure {
			return &Failure{What: c.String(), Want: c.show(want), Got: c.show(got)}
		},
		mistakes: cropMistakes,
		outside:  Hint{"outside-the-image", "an index is out of range. If it is one into pixels: where the crop reaches beyond the image, it is black"},
	}
	run(t, "augment",
		step{"Flip", 3, flip.try},
		step{"Crop", 3, func() error {
			if err := crop.try(); err != nil {
				return err
			}
			for _, c := range crop.cases {
				// Flip works in place, on what Crop returned.
				pixels := bytes.Clone(c.pixels)
				clear(answer.Crop(pixels, c.height, c.width, c.padding, c.top, c.left))
				if !bytes.Equal(pixels, c.pixels) {
					return &Failure{What: c.String(), Want: "a new slice", Got: "the given one, so that flipping the result changes the original",
						Hint: Hint{"original-returned", "even where the crop is the whole image, make a new slice and copy the pixels into it"}}
				}
			}
			return nil
		}},
		step{"labels", 2, func() error {
			e, err := newEpoch(answer.Epoch)
			if err != nil {
				return err
			}
			return e.labelled()
		}},
		step{"randomness", 2, func() error {
			e, err := newEpoch(answer.Epoch)
			if err != nil {
				return err
			}
			return e.random(answer.Epoch)
		}},
	)
}

// smallPictures returns pictures of all small sizes.
func smallPictures() (list []picture) {
	for height := 1; height <= 4; height++ {
		for width := 1; width <= 6; width++ {
			list = append(list, newPicture(height, width))
		}
	}
	return list
}

// smallCrops returns all crops of small pictures.
func smallCrops() (list []cropCase) {
	for height := 1; height <= 3; height++ {
		for width := 1; width <= 3; width++ {
			for padding := range 4 {
				for top := range 2*padding + 1 {
					for left := range 2*padding + 1 {
						list = append(list, cropCase{newPicture(height, width), padding, top, left})
					}
				}
			}
		}
	}
	return list
}

func flipMistake(name, text string, from func(p picture, y, x, c int) (int, int, int)) mistake[picture, []byte] {
	return mistake[picture, []byte]{Hint{name, text}, func(p picture) []byte {
		return p.mapped(func(y, x, c int) (int, int, int) { return from(p, y, x, c) })
	}}
}

var flipMistakes = []mistake[picture, []byte]{
	flipMistake("image-not-changed", "the image is unchanged. Flip works in place; and if the loop that swaps left and right runs over the whole width, it swaps every pair back again: stop in the middle",
		func(_ picture, y, x, c int) (int, int, int) { return y, x, c }),
	flipMistake("vertical-flip", "the image is upside down: swap left and right, and leave each row where it is. No test set has dogs standing on their heads",
		func(p picture, y, x, c int) (int, int, int) { return p.height - 1 - y, x, c }),
	flipMistake("channels-mirrored", "the bytes of each row are reversed, which also swaps red and blue: move whole pixels, three bytes at a time",
		func(p picture, y, x, c int) (int, int, int) { return y, p.width - 1 - x, 2 - c }),
	flipMistake("all-bytes-reversed", "all bytes of the image are reversed, which also turns it upside down and swaps red and blue: within each row, move whole pixels",
		func(p picture, y, x, c int) (int, int, int) { return p.height - 1 - y, p.width - 1 - x, 2 - c }),
	flipMistake("turned-half-round", "the pixels of the whole image are reversed, which rotates it by 180°: mirror each row separately",
		func(p picture, y, x, c int) (int, int, int) { return p.height - 1 - y, p.width - 1 - x, c }),
	{Hint{"half-overwritten", "some pixels are overwritten before they are read: swap the two, or save one of them first"},
		func(p picture) []byte {
			return p.mapped(func(y, x, c int) (int, int, int) { return y, max(x, p.width-1-x), c })
		}},
}

func cropMistake(name, text string, from func(c cropCase, y, x int) (int, int)) mistake[cropCase, []byte] {
	return mistake[cropCase, []byte]{Hint{name, text}, func(c cropCase) []byte {
		return c.mapped(func(y, x, channel int) (int, int, int) {
			y, x = from(c, y, x)
			return y, x, channel
		})
	}}
}

var cropMistakes = []mistake[cropCase, []byte]{
	cropMistake("moved-the-wrong-way", "the image moves the wrong way: top and left are where the crop begins, so a larger top moves the image up",
		func(c cropCase, y, x int) (int, int) { return y - c.top + c.padding, x - c.left + c.padding }),
	cropMistake("padding-not-subtracted", "top and left count from the corner of the padded image, which is padding pixels above and to the left of the image's own corner",
		func(c cropCase, y, x int) (int, int) { return y + c.top, x + c.left }),
	cropMistake("top-left-swapped", "top and left are swapped: top belongs to the row, left to the column",
		func(c cropCase, y, x int) (int, int) { return y + c.left - c.padding, x + c.top - c.padding }),
	cropMistake("padding-repeats-the-edge", "outside the image everything is black, not a copy of the nearest pixel",
		func(c cropCase, y, x int) (int, int) {
			return min(max(y+c.top-c.padding, 0), c.height-1), min(max(x+c.left-c.padding, 0), c.width-1)
		}),
	cropMistake("rows-run-over", "past the end of a row, the next row's bytes follow: check that the column is inside the image too, not only that the index is",
		func(c cropCase, y, x int) (int, int) {
			place := (y+c.top-c.padding)*c.width + x + c.left - c.padding
			if place < 0 {
				return -1, 0
			}
			return place / c.width, place % c.width
		}),
	cropMistake("not-cropped", "this is the image itself: top and left say where the crop begins",
		func(_ cropCase, y, x int) (int, int) { return y, x }),
}

// epoch is what Epoch was given and what it returned. Every pixel of an image holds the
// image's number, counted from 1, by which it can be recognised; its label is 1000 plus
// that number.
type epoch struct {
	images, newImages [][]byte
	labels, newLabels []int
	// from is the index in images of each new image, and crops says how it was made.
	from  []int
	crops []place
}

// place is where an image was cropped, and whether it was flipped.
type place struct {
	top, left int
	flipped   bool
}

const (
	epochImages  = 250 // few enough for a byte, and enough for every kind of crop to occur
	epochHeight  = 4
	epochWidth   = 5
	epochPadding = 1
	epochSeed    = 7
)

// epochCall shows the call of Epoch in failures.
var epochCall = fmt.Sprintf("Epoch(%d images, their labels, height %d, width %d, padding %d, rng)", epochImages, epochHeight, epochWidth, epochPadding)

func newEpoch(answer func([][]byte, []int, int, int, int, *rand.Rand) ([][]byte, []int)) (*epoch, error) {
	var e epoch
	var images [][]byte
	for number := 1; number <= epochImages; number++ {
		p := newPicture(epochHeight, epochWidth)
		for i := 0; i < len(p.pixels); i += 3 {
			p.pixels[i] = byte(number)
		}
		e.images, images = append(e.images, p.pixels), append(images, bytes.Clone(p.pixels))
		e.labels = append(e.labels, 1000+number)
	}
	labels := slices.Clone(e.labels)
	e.newImages, e.newLabels = answer(images, labels, epochHeight, epochWidth, epochPadding, epochRNG())
	if len(e.newImages) != epochImages || len(e.newLabels) != epochImages {
		return nil, &Failure{What: epochCall, Want: fmt.Sprintf("%d images and %[1]d labels", epochImages),
			Got: fmt.Sprintf("%d images and %d labels", len(e.newImages), len(e.newLabels))}
	}
	for i := range e.images {
		var changed string
		switch {
		case !bytes.Equal(images[i], e.images[i]):
			changed = fmt.Sprintf("images[%d] has changed", i)
		case labels[i] != e.labels[i]:
			changed = fmt.Sprintf("labels[%d] has changed", i)
		default:
			continue
		}
		return nil, &Failure{What: epochCall, Want: "the given images and labels unchanged, in the same order", Got: changed,
			Hint: Hint{"originals-changed", "the next epoch starts from the same images: flip the copy that Crop made, and put the new order into new slices, not into the given ones"}}
	}
	return &e, e.recognise()
}

func epochRNG() *rand.Rand { return rand.New(rand.NewPCG(epochSeed, 0)) }

// recognise finds out which image each new image is made of, and how.
func (e *epoch) recognise() error {
	for i, pixels := range e.newImages {
		var number byte
		if len(pixels) == len(e.images[0]) {
			number = largestByte(pixels)
		}
		if number == 0 || int(number) > len(e.images) {
			return &Failure{What: epochCall, Want: fmt.Sprintf("a crop of one of the images as new image %d", i), Got: "other pixels"}
		}
		from := int(number) - 1
		crop, ok := recogniseCrop(e.images[from], pixels)
		if !ok {
			p := picture{epochHeight, epochWidth, e.images[from]}
			return &Failure{What: fmt.Sprintf("%s: new image %d, made of image %d", epochCall, i, from),
				Want: "a crop, flipped or not, of\n" + p.show(p.pixels), Got: p.show(pixels)}
		}
		e.from, e.crops = append(e.from, from), append(e.crops, crop)
	}
	return nil
}

func recogniseCrop(image, pixels []byte) (place, bool) {
	p := picture{epochHeight, epochWidth, image}
	for top := range 2*epochPadding + 1 {
		for left := range 2*epochPadding + 1 {
			for _, flipped := range []bool{false, true} {
				if bytes.Equal(pixels, p.mapped(func(y, x, c int) (int, int, int) {
					if flipped {
						x = p.width - 1 - x
					}
					return y + top - epochPadding, x + left - epochPadding, c
				})) {
					return place{top, left, flipped}, true
				}
			}
		}
	}
	return place{}, false
}

// labelled checks that every image occurs once, with its own label.
func (e *epoch) labelled() error {
	seen := map[int]int{}
	for i, from := range e.from {
		if first, again := seen[from]; again {
			failure := &Failure{What: epochCall, Want: "every image once", Got: fmt.Sprintf("image %d twice, as new images %d and %d", from, first, i)}
			// Of n images drawn with replacement, 63 of 100 occur.
			if share := float64(distinct(e.from)) / float64(len(e.from)); 0.5 < share && share < 0.75 {
				failure.Hint = Hint{"drawn-with-replacement", "an epoch has every image exactly once: draw one order for all images, as rng.Perm does, instead of drawing an image at random each time"}
			}
			return failure
		}
		seen[from] = i
	}
	for i, from := range e.from {
		if e.newLabels[i] == e.labels[from] {
			continue
		}
		failure := &Failure{What: fmt.Sprintf("%s: the label of new image %d, made of image %d", epochCall, i, from),
			Want: fmt.Sprint(e.labels[from]), Got: fmt.Sprint(e.newLabels[i])}
		sorted := slices.Sorted(slices.Values(e.newLabels))
		switch {
		case slices.Equal(e.newLabels, e.labels):
			failure.Hint = Hint{"labels-not-shuffled", "the images are in a new order but the labels are still in the old one, so a network would learn noise: move both"}
		case slices.Equal(sorted, e.labels) && e.apart():
			failure.Hint = Hint{"labels-shuffled-apart", "images and labels are shuffled separately: draw one order and use it for both"}
		}
		return failure
	}
	return nil
}

// distinct returns how many different numbers there are.
func distinct(numbers []int) int {
	seen := map[int]bool{}
	for _, n := range numbers {
		seen[n] = true
	}
	return len(seen)
}

// apart reports whether images and labels are in two unrelated random orders. If one order
// follows from the other, forwards or backwards, the ranks are correlated.
func (e *epoch) apart() bool {
	n := len(e.from)
	var labels, backwards []int
	for _, label := range e.newLabels {
		labels = append(labels, label-e.labels[0])
	}
	backwards = slices.Clone(labels)
	slices.Reverse(backwards)
	correlation := func(a, b []int) float64 {
		var sum, square float64
		mean := float64(n-1) / 2
		for i := range a {
			sum += (float64(a[i]) - mean) * (float64(b[i]) - mean)
			square += (float64(a[i]) - mean) * (float64(a[i]) - mean)
		}
		return math.Abs(sum / square)
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	const much = 0.35 // more than five standard deviations
	return correlation(e.from, labels) < much && correlation(e.from, backwards) < much &&
		correlation(e.from, order) < much && correlation(labels, order) < much
}

// random checks that order, crops and flips are random, and that the randomness comes from
// rng; chances then counts how random they are.
func (e *epoch) random(answer func([][]byte, []int, int, int, int, *rand.Rand) ([][]byte, []int)) error {
	if slices.IsSorted(e.from) {
		return &Failure{What: epochCall, Want: "a random order", Got: "the given order",
			Hint: Hint{"not-shuffled", "shuffle the images, and the labels with them: files are often sorted by class, and a batch of a single class teaches the wrong thing"}}
	}
	flips, tops, lefts, corners, places := 0, map[int]bool{}, map[int]bool{}, 0, map[place]bool{}
	for _, crop := range e.crops {
		if crop.flipped {
			flips++
		}
		tops[crop.top], lefts[crop.left] = true, true
		if crop.top == crop.left {
			corners++
		}
		places[place{crop.top, crop.left, false}] = true
	}
	sides := 2*epochPadding + 1
	switch {
	case len(places) == 1:
		return &Failure{What: epochCall, Want: "crops in many places", Got: fmt.Sprintf("all at top %d, left %d", e.crops[0].top, e.crops[0].left),
			Hint: Hint{"same-crop", "all images are cropped in the same place: draw a new place for each image"}}
	case corners == len(e.crops):
		return &Failure{What: epochCall, Want: "any top with any left", Got: "the same number for top and left in each image",
			Hint: Hint{"one-number-for-both", "draw two random numbers, one for top and one for left"}}
	case len(tops) < sides || len(lefts) < sides:
		failure := &Failure{What: epochCall, Want: fmt.Sprintf("top and left from 0 to %d", 2*epochPadding),
			Got: fmt.Sprintf("top in %v, left in %v", slices.Sorted(maps.Keys(tops)), slices.Sorted(maps.Keys(lefts)))}
		lacks := func(places map[int]bool) bool { return len(places) == sides-1 && !places[sides-1] }
		if (lacks(tops) || len(tops) == sides) && (lacks(lefts) || len(lefts) == sides) {
			failure.Hint = Hint{"last-place-missing", "there are 2·padding + 1 places, from 0 to 2·padding; rng.IntN(n) returns numbers below n"}
		}
		return failure
	case flips == 0 || flips == len(e.crops):
		return &Failure{What: epochCall, Want: "about half of the images flipped", Got: fmt.Sprintf("%d of %d", flips, len(e.crops)),
			Hint: Hint{"same-flip", "all images are flipped, or none is: decide for each image at random whether to flip it, with even odds"}}
	}
	var given [][]byte
	for _, image := range e.images {
		given = append(given, bytes.Clone(image))
	}
	images, labels := answer(given, slices.Clone(e.labels), epochHeight, epochWidth, epochPadding, epochRNG())
	if !slices.EqualFunc(images, e.newImages, bytes.Equal) || !slices.Equal(labels, e.newLabels) {
		return &Failure{What: epochCall + " twice, with the same seed for rng", Want: "the same images in the same order", Got: "different ones",
			Hint: Hint{"other-randomness", "draw all random numbers from rng: rand.IntN and the other functions of package rand give new numbers every time, and then no run can be repeated"}}
	}
	for _, padding := range []int{1, 2} {
		if err := chances(answer, padding); err != nil {
			return err
		}
	}
	return nil
}

// chances counts how often each random event happens over many epochs. A count is wrong if it
// is more than seven standard deviations from its mean; for a right answer, the probability
// that any count is wrong is below 1e-7. The seed is fixed, so an answer gets the same result
// each time.
func chances(answer func([][]byte, []int, int, int, int, *rand.Rand) ([][]byte, []int), padding int) error {
	const n, epochs, height, width = 100, 120, 4, 5
	what := fmt.Sprintf("Epoch %d times, with %d images, height %d, width %d, padding %d", epochs, n, height, width, padding)
	fail := func(want, got string, hint Hint) error {
		return &Failure{What: what, Want: want, Got: got, Hint: hint}
	}
	// The first channel of a pixel has the image's number, from 1; the others have the place.
	base := newPicture(height, width)
	sides := 2*padding + 1
	places := map[string]place{}
	for top := range sides {
		for left := range sides {
			for _, flipped := range []bool{false, true} {
				part := base.mapped(func(y, x, c int) (int, int, int) {
					if flipped {
						x = width - 1 - x
					}
					return y + top - padding, x + left - padding, c
				})
				places[withoutNumber(part)] = place{top, left, flipped}
			}
		}
	}
	var images [][]byte
	var labels []int
	for i := range n {
		image := bytes.Clone(base.pixels)
		for at := 0; at < len(image); at += 3 {
			image[at] = byte(1 + i)
		}
		images, labels = append(images, image), append(labels, i)
	}
	rng := epochRNG()
	kinds := map[place]int{}
	var flips, fixed, neighbours int
	// The flips are counted by place in the epoch, by image, and by the image before.
	var flippedAt, flippedImage, firstHalf [n]int
	var together [2][2]int // flipped, after a flipped one
	for range epochs {
		newImages, newLabels := answer(images, labels, height, width, padding, rng)
		if len(newImages) != n || len(newLabels) != n {
			return fail(fmt.Sprintf("%d images and labels", n), fmt.Sprintf("%d images and %d labels", len(newImages), len(newLabels)), Hint{})
		}
		before, last := 0, -2
		for at, pixels := range newImages {
			image := newLabels[at]
			kind, ok := places[withoutNumber(pixels)]
			if number := largestByte(pixels); !ok || int(number) != image+1 {
				return fail("crops, flipped or not, each with its own label", fmt.Sprintf("other pixels or another label at %d", at), Hint{})
			}
			kinds[kind]++
			flipped := 0
			if kind.flipped {
				flipped = 1
			}
			flips += flipped
			flippedAt[at] += flipped
			flippedImage[image] += flipped
			if at > 0 {
				together[before][flipped]++
			}
			before = flipped
			if at < n/2 {
				firstHalf[image]++
			}
			if at == image {
				fixed++
			}
			if image == last+1 {
				neighbours++
			}
			last = image
		}
	}
	const total = n * epochs
	// off reports whether a count of events with probability p among m is too far from p·m.
	off := func(count, m int, p float64) bool {
		return math.Abs(float64(count)-p*float64(m)) > 7*math.Sqrt(float64(m)*p*(1-p))
	}
	if off(flips, total, 0.5) {
		hint := Hint{"flip-not-even", "each image is flipped with the same probability, but it is not one half: rng.IntN(2) is 0 or 1, each half of the time"}
		for i := range n {
			if share := float64(flips) / total; off(flippedAt[i], epochs, share) || off(flippedImage[i], epochs, share) {
				hint = Hint{}
			}
		}
		return fail(fmt.Sprintf("about half of %d images flipped", total), fmt.Sprint(flips), hint)
	}
	for i := range n {
		if off(flippedAt[i], epochs, 0.5) {
			return fail("the image at each place in the epoch flipped about half of the time", fmt.Sprintf("the image at place %d flipped in %d of %d epochs", i, flippedAt[i], epochs), Hint{})
		}
		if off(flippedImage[i], epochs, 0.5) {
			return fail("each image flipped about half of the time", fmt.Sprintf("image %d flipped in %d of %d epochs", i, flippedImage[i], epochs), Hint{})
		}
		if off(firstHalf[i], epochs, 0.5) {
			return fail("every image in the first half of the epoch about half of the time", fmt.Sprintf("image %d there in %d of %d epochs", i, firstHalf[i], epochs), Hint{})
		}
	}
	for before, row := range together {
		for flipped, count := range row {
			if off(count, total-epochs, 0.25) {
				words := []string{"not flipped", "flipped"}
				return fail("a flip that does not depend on the one before", fmt.Sprintf("%s after %s %d times of %d", words[flipped], words[before], count, total-epochs), Hint{})
			}
		}
	}
	for top := range sides {
		for left := range sides {
			for _, flipped := range []bool{false, true} {
				kind := place{top, left, flipped}
				if count := kinds[kind]; off(count, total, 1/float64(2*sides*sides)) {
					return fail(fmt.Sprintf("all crops equally often, flipped or not: each about %d times of %d", total/(2*sides*sides), total),
						fmt.Sprintf("top %d, left %d, flipped %t %d times", top, left, flipped, count), Hint{})
				}
			}
		}
	}
	// In a random order, about one image per epoch stays in its place, and about one follows the
	// image that it followed before. Both counts are nearly Poisson.
	if off(fixed, total, 1.0/n) {
		return fail(fmt.Sprintf("an image in its original place about %d times", epochs), fmt.Sprintf("%d times", fixed), Hint{})
	}
	if off(neighbours, total, 1.0/n) {
		return fail(fmt.Sprintf("an image right after the one that it follows in images, about %d times", epochs), fmt.Sprintf("%d times", neighbours), Hint{})
	}
	return nil
}

// withoutNumber returns the pixels without their first channel.
func withoutNumber(pixels []byte) string {
	var rest []byte
	for i, value := range pixels {
		if i%3 != 0 {
			rest = append(rest, value)
		}
	}
	return string(rest)
}

// largestByte returns the largest value of the first channel, which is the number of the image
// that the pixels are from.
func largestByte(pixels []byte) (number byte) {
	for at := 0; at < len(pixels); at += 3 {
		number = max(number, pixels[at])
	}
	return number
}
