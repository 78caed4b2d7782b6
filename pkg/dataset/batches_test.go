package dataset

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
)

func newBatches(t *testing.T, m *Images, options Options) *Batches {
	t.Helper()
	b, err := NewBatches(m, options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// collect returns the first limit batches, or all if there are fewer. It checks their shapes.
func collect(t *testing.T, b *Batches, limit int) []batch {
	t.Helper()
	var all []batch
	for got, err := range b.Iter() {
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Inputs) != 1 || len(got.Labels) != 1 {
			t.Fatalf("a batch with %d inputs and %d labels, want one of each", len(got.Inputs), len(got.Labels))
		}
		made := batch{tensors.MustCopyFlatData[uint8](got.Inputs[0]), tensors.MustCopyFlatData[int32](got.Labels[0])}
		n := len(made.labels)
		if want := []int{n, b.images.Height, b.images.Width, 3}; !slices.Equal(got.Inputs[0].Shape().Dimensions, want) {
			t.Fatalf("inputs of shape %s, want %v", got.Inputs[0].Shape(), want)
		}
		if want := []int{n, 1}; !slices.Equal(got.Labels[0].Shape().Dimensions, want) {
			t.Fatalf("labels of shape %s, want %v", got.Labels[0].Shape(), want)
		}
		if all = append(all, made); len(all) == limit {
			break
		}
	}
	return all
}

const everything = math.MaxInt

// order returns the indices of the images in batches without augmentation. It checks the labels.
func order(t *testing.T, m *Images, all []batch) []int {
	t.Helper()
	var seen []int
	for _, made := range all {
		for i, label := range made.labels {
			image := made.pixels[i*m.ImageSize():][:m.ImageSize()]
			n := indexOf(image)
			if n >= m.Len() || !bytes.Equal(image, m.Image(n)) {
				t.Fatal("a batch has an image that is not in the set")
			}
			if label != m.Labels[n] {
				t.Fatalf("image %d comes with label %d, want %d", n, label, m.Labels[n])
			}
			seen = append(seen, n)
		}
	}
	return seen
}

func equalBatches(a, b []batch) bool {
	return slices.EqualFunc(a, b, func(a, b batch) bool {
		return bytes.Equal(a.pixels, b.pixels) && slices.Equal(a.labels, b.labels)
	})
}

var _ train.Dataset = (*Batches)(nil)

func TestEveryEpochHasItsOwnOrder(t *testing.T) {
	m := testImages(103, 1, 2)
	epochs := map[string]string{} // by order
	for seed := range uint64(3) {
		all := order(t, m, collect(t, newBatches(t, m, Options{BatchSize: 10, Shuffle: true, Seed: seed, Epochs: 3}), everything))
		if len(all) != 3*103 {
			t.Fatalf("3 epochs of 103 images have %d", len(all))
		}
		for epoch := range 3 {
			this := all[epoch*103:][:103]
			name := fmt.Sprintf("epoch %d of seed %d", epoch, seed)
			if !slices.Equal(slices.Sorted(slices.Values(this)), indices(m)) {
				t.Errorf("%s has images %v, want each of them once", name, this)
			}
			key := fmt.Sprint(this)
			if other, ok := epochs[key]; ok {
				t.Errorf("%s has the same order as %s", name, other)
			}
			epochs[key] = name
		}
	}
}

func TestWithoutShuffleImagesKeepTheirOrder(t *testing.T) {
	m := testImages(7, 1, 2)
	got := order(t, m, collect(t, newBatches(t, m, Options{BatchSize: 3, Epochs: 2, Seed: 5}), everything))
	if want := append(indices(m), indices(m)...); !slices.Equal(got, want) {
		t.Errorf("images came as %v, want %v", got, want)
	}
}

func TestBatchesDependOnlyOnSeedEpochAndIndex(t *testing.T) {
	m := testImages(23, 4, 3)
	options := Options{BatchSize: 5, Shuffle: true, Augment: Augment{Crop: 2, Flip: true, Cutout: 2}, Seed: 3, Epochs: 4, workers: 1}
	for _, dropLast := range []bool{false, true} {
		options.DropLast, options.FirstStep, options.workers, options.Seed = dropLast, 0, 1, 3
		want := collect(t, newBatches(t, m, options), everything)
		for _, workers := range []int{0, 1, 2, 5, 50} {
			for _, first := range []int{0, 1, 4, 5, 7, len(want) - 1, len(want), len(want) + 3} {
				options.workers, options.FirstStep = workers, first
				got := collect(t, newBatches(t, m, options), everything)
				if !equalBatches(got, want[min(first, len(want)):]) {
					t.Errorf("DropLast %v, %d workers from step %d: the batches differ from those of one worker from the start", dropLast, workers, first)
				}
			}
		}
		options.workers, options.FirstStep, options.Seed = 2, 0, 4
		for i, other := range collect(t, newBatches(t, m, options), everything) {
			if bytes.Equal(other.pixels, want[i].pixels) {
				t.Errorf("batch %d is the same for seeds 3 and 4", i)
			}
		}
	}
}

func TestBatchesCanBeIteratedAgain(t *testing.T) {
	m := testImages(12, 2, 2)
	b := newBatches(t, m, Options{BatchSize: 5, Shuffle: true, Augment: Augment{Flip: true}, Epochs: 2, workers: 2})
	first := collect(t, b, everything)
	if !equalBatches(collect(t, b, everything), first) {
		t.Error("the second iteration differs from the first")
	}
}

func TestStepsPerEpochAndTheLastBatch(t *testing.T) {
	for _, test := range []struct {
		images, batch int
		dropLast      bool
		sizes         []int
	}{
		{10, 4, false, []int{4, 4, 2}},
		{10, 4, true, []int{4, 4}},
		{8, 4, false, []int{4, 4}},
		{8, 4, true, []int{4, 4}},
		{3, 4, false, []int{3}},
		{4, 4, true, []int{4}},
		{2, 1, false, []int{1, 1}},
	} {
		name := fmt.Sprintf("%d images in batches of %d, DropLast %v", test.images, test.batch, test.dropLast)
		m := testImages(test.images, 1, 2)
		b := newBatches(t, m, Options{BatchSize: test.batch, DropLast: test.dropLast, Shuffle: true, Epochs: 2})
		if got := b.StepsPerEpoch(); got != len(test.sizes) {
			t.Errorf("%s: %d steps per epoch, want %d", name, got, len(test.sizes))
		}
		var sizes []int
		for _, made := range collect(t, b, everything) {
			sizes = append(sizes, len(made.labels))
		}
		if want := slices.Repeat(test.sizes, 2); !slices.Equal(sizes, want) {
			t.Errorf("%s: two epochs of sizes %v, want %v", name, sizes, want)
		}
	}
}

func TestZeroEpochsMeanNoEnd(t *testing.T) {
	m := testImages(5, 1, 2)
	b := newBatches(t, m, Options{BatchSize: 2, Shuffle: true, workers: 3})
	all := collect(t, b, 30) // ten epochs of three
	if len(all) != 30 {
		t.Fatalf("iteration ended after %d batches", len(all))
	}
	last := order(t, m, all[27:])
	if !slices.Equal(slices.Sorted(slices.Values(last)), indices(m)) {
		t.Errorf("the tenth epoch has images %v, want each of 5 once", last)
	}
}

func TestLeavingTheLoopStopsTheWorkers(t *testing.T) {
	m := testImages(40, 2, 2)
	for _, workers := range []int{1, 4} {
		for _, epochs := range []int{0, 3} {
			for _, taken := range []int{1, 2, 7} {
				// synctest fails if a goroutine started in here stays blocked.
				synctest.Test(t, func(t *testing.T) {
					collect(t, newBatches(t, m, Options{BatchSize: 3, Epochs: epochs, workers: workers}), taken)
					m.Labels[0] = 2 // a data race if a worker were still reading
				})
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("the loop's panic was swallowed")
			}
		}()
		for range newBatches(t, m, Options{BatchSize: 3, workers: 2}).Iter() {
			panic("in the loop")
		}
	})
}

func TestInvalidOptions(t *testing.T) {
	m := testImages(5, 4, 3)
	short, stray := *m, *m
	short.Pixels = m.Pixels[1:]
	stray.Labels = slices.Clone(m.Labels)
	stray.Labels[4] = int32(len(m.Classes))
	for _, test := range []struct {
		images  *Images
		options Options
		want    string
	}{
		{&short, Options{BatchSize: 1}, "179 bytes of pixels for 5 images of 36 bytes"},
		{&stray, Options{BatchSize: 1}, fmt.Sprintf("image 4 has label %d", len(m.Classes))},
		{testImages(0, 4, 3), Options{BatchSize: 1}, "no images"},
		{m, Options{}, "batches of 0 images"},
		{m, Options{BatchSize: -1}, "batches of -1 images"},
		{m, Options{BatchSize: 6, DropLast: true}, "5 images do not fill a batch of 6"},
		{m, Options{BatchSize: 1, Epochs: -1}, "negative number of epochs (-1)"},
		{m, Options{BatchSize: 1, FirstStep: -2}, "first step (-2)"},
		{m, Options{BatchSize: 1, Augment: Augment{Crop: -1}}, "crop -1"},
		{m, Options{BatchSize: 1, Augment: Augment{Crop: 4}}, "crop 4 and cutout 0, want 0 to the image size, 4×3"},
		{m, Options{BatchSize: 1, Augment: Augment{Cutout: -1}}, "cutout -1"},
		{m, Options{BatchSize: 1, Augment: Augment{Cutout: 4}}, "cutout 4, want 0 to the image size, 4×3"},
	} {
		_, err := NewBatches(test.images, test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "test images: ") {
			t.Errorf("%+v: error %v, want one that contains %q and the name of the set", test.options, err, test.want)
		}
	}
}

// possible returns all outcomes of the augmentation for one image, computed naively: pad, crop,
// flip, black out. The values are the number of ways to get each outcome.
func possible(m *Images, index int, a Augment) map[string]int {
	height, width := m.Height, m.Width
	outcomes := map[string]int{}
	padded := make([][][3]byte, height+2*a.Crop)
	for y := range padded {
		padded[y] = make([][3]byte, width+2*a.Crop)
	}
	for y := range height {
		for x := range width {
			padded[y+a.Crop][x+a.Crop] = [3]byte(m.Image(index)[(y*width+x)*3:])
		}
	}
	for top := range 2*a.Crop + 1 {
		for left := range 2*a.Crop + 1 {
			cropped := make([][][3]byte, height)
			for y := range cropped {
				cropped[y] = slices.Clone(padded[top+y][left : left+width])
			}
			for flips := range 2 {
				if flips == 1 {
					if !a.Flip {
						break
					}
					for _, row := range cropped {
						slices.Reverse(row)
					}
				}
				for centreY := range height {
					for centreX := range width {
						image := make([]byte, 0, m.ImageSize())
						for y, row := range cropped {
							for x, pixel := range row {
								fromTop, fromLeft := y-(centreY-a.Cutout/2), x-(centreX-a.Cutout/2)
								if fromTop >= 0 && fromTop < a.Cutout && fromLeft >= 0 && fromLeft < a.Cutout {
									pixel = [3]byte{}
								}
								image = append(image, pixel[:]...)
							}
						}
						outcomes[string(image)]++
					}
				}
			}
		}
	}
	return outcomes
}

// Every augmented image is a possible outcome, and every outcome is as frequent as it should
// be: crops, flips and centres are uniform and independent of one another.
func TestAugmentationIsUniform(t *testing.T) {
	for _, a := range []Augment{
		{},
		{Crop: 1},
		{Flip: true},
		{Cutout: 1},
		{Cutout: 2},
		{Cutout: 3},
		{Crop: 2, Flip: true},
		{Crop: 1, Flip: true, Cutout: 2},
	} {
		m := testImages(20, 4, 3)
		want := make([]map[string]int, m.Len())
		ways := 0
		for i := range want {
			want[i], ways = possible(m, i, a), 0
			for _, n := range want[i] {
				ways += n
			}
		}
		const epochs = 600
		got := make([]map[string]int, m.Len())
		for i := range got {
			got[i] = map[string]int{}
		}
		for _, made := range collect(t, newBatches(t, m, Options{BatchSize: 20, Augment: a, Seed: 11, Epochs: epochs}), everything) {
			for i, label := range made.labels { // not shuffled
				if label != m.Labels[i] {
					t.Fatalf("%+v: image %d comes with label %d, want %d", a, i, label, m.Labels[i])
				}
				got[i][string(made.pixels[i*m.ImageSize():][:m.ImageSize()])]++
			}
		}
		// Pearson's χ² over all images. Its standard deviation is √(2·freedom), slightly more if
		// some outcomes are rare.
		statistic, freedom := 0.0, 0
		for i := range got {
			for image := range got[i] {
				if want[i][image] == 0 {
					t.Fatalf("%+v: image %d has an impossible outcome", a, i)
				}
			}
			for image, n := range want[i] {
				expected := epochs * float64(n) / float64(ways)
				statistic += (float64(got[i][image]) - expected) * (float64(got[i][image]) - expected) / expected
			}
			freedom += len(want[i]) - 1
		}
		if limit := 6 * math.Sqrt(2*float64(freedom)); math.Abs(statistic-float64(freedom)) > limit {
			t.Errorf("%+v: χ² is %.1f with %d degrees of freedom, want within %.1f of that", a, statistic, freedom, limit)
		}
	}
}

// The outcomes of two thousand copies of one image in one epoch are uniformly distributed.
func TestImagesOfAnEpochAreAugmentedIndependently(t *testing.T) {
	const copies = 2000
	a := Augment{Crop: 1, Flip: true}
	one := testImages(1, 4, 3)
	want := possible(one, 0, a)
	got := map[string]int{}
	for _, made := range collect(t, newBatches(t, one.Pick(make([]int, copies)), Options{BatchSize: 128, Augment: a, Epochs: 1}), everything) {
		for image := range slices.Chunk(made.pixels, one.ImageSize()) {
			got[string(image)]++
		}
	}
	expected := float64(copies) / float64(len(want)) // no two ways give the same image
	for image := range want {
		if n := float64(got[image]); math.Abs(n-expected) > 5*math.Sqrt(expected) {
			t.Errorf("one of %d outcomes occurs %g times in %d, want about %.0f", len(want), n, copies, expected)
		}
	}
}

func TestEpochsAndSeedsAugmentDifferently(t *testing.T) {
	m := testImages(30, 8, 8)
	seen := map[string]string{}
	for seed := range uint64(3) {
		b := newBatches(t, m, Options{BatchSize: 30, Augment: Augment{Crop: 4, Cutout: 4}, Seed: seed, Epochs: 3})
		for epoch, made := range collect(t, b, everything) {
			name := fmt.Sprintf("epoch %d of seed %d", epoch, seed)
			if other, ok := seen[string(made.pixels)]; ok {
				t.Errorf("%s is augmented the same as %s", name, other)
			}
			seen[string(made.pixels)] = name
		}
	}
}

// Odd and even sizes, up to the largest possible crops and cutouts.
func TestAugmentationOfAllSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	for range 60 {
		height, width := 1+random.IntN(5), 1+random.IntN(5)
		side := min(height, width)
		a := Augment{Crop: random.IntN(side + 1), Flip: random.IntN(2) == 1, Cutout: random.IntN(side + 1)}
		m := testImages(3, height, width)
		all := collect(t, newBatches(t, m, Options{BatchSize: 3, Augment: a, Seed: random.Uint64(), Epochs: 10}), everything)
		for i := range m.Len() {
			outcomes := possible(m, i, a)
			for epoch, made := range all {
				if outcomes[string(made.pixels[i*m.ImageSize():][:m.ImageSize()])] == 0 {
					t.Errorf("%d×%d with %+v: image %d of epoch %d is none of the %d possible outcomes",
						height, width, a, i, epoch, len(outcomes))
				}
			}
		}
	}
}
