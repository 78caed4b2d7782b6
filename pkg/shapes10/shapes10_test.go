package shapes10

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
)

// TestGolden pins the bytes. If they change, this is a different data set, and everything that
// was measured on it must be measured again.
func TestGolden(t *testing.T) {
	for _, test := range []struct {
		name string
		draw func(int, uint64) *dataset.Images
		want string
	}{
		{"train", Train, "3286c769ffbe4ea1e28d83606933b9437aafd1de007842b7077c1c78ee119295"},
		{"test", Test, "1e9db670681e17e9e794afc875641f5eea7adb3ed43f42a9450d95809607ad01"},
	} {
		m := test.draw(100, 42)
		hash := sha256.New()
		hash.Write(m.Pixels)
		for _, label := range m.Labels {
			hash.Write([]byte{byte(label)})
		}
		if got := fmt.Sprintf("%x", hash.Sum(nil)); got != test.want {
			t.Errorf("%s: SHA-256 of the first 100 images is %s, want %s", test.name, got, test.want)
		}
	}
}

func TestWorkersMakeNoDifference(t *testing.T) {
	from := source{seed: 7, split: 0}
	want := generate(53, from, 1)
	for _, workers := range []int{2, 3, 8, 64} {
		got := generate(53, from, workers)
		if !bytes.Equal(got.Pixels, want.Pixels) || fmt.Sprint(got.Labels) != fmt.Sprint(want.Labels) {
			t.Errorf("%d workers drew different images from one", workers)
		}
	}
}

func TestFewerImagesAreAPrefix(t *testing.T) {
	few, many := Test(33, 5), Test(100, 5)
	if first := many.First(33); !bytes.Equal(few.Pixels, first.Pixels) || fmt.Sprint(few.Labels) != fmt.Sprint(first.Labels) {
		t.Error("the first 33 of 100 images differ from the 33 images")
	}
}

// TestNothingRepeats: no two images of both splits of two seeds are equal.
func TestNothingRepeats(t *testing.T) {
	const n = 500
	seen := make(map[[Side * Side * 3]byte]string)
	for _, seed := range []uint64{1, 2} {
		for name, m := range map[string]*dataset.Images{"train": Train(n, seed), "test": Test(n, seed)} {
			for i := range n {
				here := fmt.Sprintf("%s %d of seed %d", name, i, seed)
				image := [Side * Side * 3]byte(m.Image(i))
				if there, ok := seen[image]; ok {
					t.Errorf("image %s equals image %s", here, there)
				}
				seen[image] = here
			}
		}
	}
}

func TestValid(t *testing.T) {
	for _, n := range []int{0, 1, 25} {
		m := Train(n, 3)
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
		if m.Len() != n || m.Height != Side || m.Width != Side || m.Name != Name || len(m.Classes) != 10 {
			t.Errorf("Train(%d): %d images of %d×%d in %d classes, named %q", n, m.Len(), m.Height, m.Width, len(m.Classes), m.Name)
		}
	}
	if got := len(shapes()); got != len(Classes()) {
		t.Errorf("%d shapes for %d classes", got, len(Classes()))
	}
}

func TestEveryPrefixIsBalanced(t *testing.T) {
	m := Train(1000, 11)
	counts := make([]int, len(m.Classes))
	for i, label := range m.Labels {
		counts[label]++
		least, most := counts[0], counts[0]
		for _, c := range counts {
			least, most = min(least, c), max(most, c)
		}
		if most-least > 1 {
			t.Fatalf("after %d images the class counts are %v", i+1, counts)
		}
	}
	if a, b := fmt.Sprint(m.Labels[:10]), fmt.Sprint(m.Labels[10:20]); a == b {
		t.Errorf("the classes come in the same order twice, %s", a)
	}
}

// TestShapesStayInReach: no shape extends beyond the square that draw looks at, and every
// shape has a reasonable area.
func TestShapesStayInReach(t *testing.T) {
	for k, f := range shapes() {
		inside := 0
		for x := -2.0; x <= 2; x += 1.0 / 32 {
			for y := -2.0; y <= 2; y += 1.0 / 32 {
				d := f(point{x, y})
				if d < 0 {
					inside++
				}
				if d < 0 && max(math.Abs(x), math.Abs(y)) > reach {
					t.Errorf("%s reaches (%v, %v)", Classes()[k], x, y)
				}
			}
		}
		// The unit disc has about π·32² of these points.
		if share := float64(inside) / (math.Pi * 32 * 32); share < 0.2 || share > 1 {
			t.Errorf("%s fills %.2f of the unit disc, want 0.2 to 1", Classes()[k], share)
		}
	}
}

// TestDistancesAreDistances: the coverage of pixels on the outline is right only if a step in
// any direction changes the distance by at most the length of the step.
func TestDistancesAreDistances(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for k, f := range shapes() {
		for range 20_000 {
			p := point{between(r, -1.5, 1.5), between(r, -1.5, 1.5)}
			q := p.add(direction(r.Float64()).times(0.01))
			if change := math.Abs(f(p) - f(q)); change > 0.0101 {
				t.Fatalf("%s: from %v to %v, 0.01 apart, the distance changes by %v", Classes()[k], p, q, change)
			}
		}
	}
}

func TestNoise(t *testing.T) {
	var c canvas
	c.noise(10, rand.New(rand.NewPCG(1, 2)))
	var sum, squares float64
	for _, pixel := range c {
		for _, v := range pixel {
			sum += v
			squares += v * v
		}
	}
	n := float64(len(c) * 3)
	if mean := sum / n; math.Abs(mean) > 0.7 {
		t.Errorf("mean %v, want 0", mean)
	}
	if std := math.Sqrt(squares / n); math.Abs(std-10) > 0.5 {
		t.Errorf("standard deviation %v, want 10", std)
	}
}

func BenchmarkTrain(b *testing.B) {
	for b.Loop() {
		Train(1000, 42)
	}
}
