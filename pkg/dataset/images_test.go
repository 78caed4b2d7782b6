package dataset

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// testImages returns n images of random colours without black. The first two bytes of an image
// encode its index; image i has label i mod 3.
func testImages(n, height, width int) *Images {
	m := &Images{Name: "test images", Classes: []string{"a", "b", "c"}, Height: height, Width: width}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		m.Labels = append(m.Labels, int32(i%3))
		for range m.ImageSize() {
			m.Pixels = append(m.Pixels, byte(1+random.IntN(255)))
		}
		image := m.Image(i)
		image[0], image[1] = byte(1+i%250), byte(1+i/250)
	}
	return m
}

// indexOf returns the index of an image of testImages.
func indexOf(image []byte) int { return int(image[0]-1) + 250*int(image[1]-1) }

func indices(m *Images) []int {
	var all []int
	for i := range m.Len() {
		all = append(all, indexOf(m.Image(i)))
	}
	return all
}

// checkSubset fails unless m consists of the images of from with the given indices.
func checkSubset(t *testing.T, what string, m, from *Images, want []int) {
	t.Helper()
	if err := m.Validate(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := indices(m); !slices.Equal(got, want) {
		t.Fatalf("%s has images %v, want %v", what, got, want)
	}
	for i, n := range want {
		if !slices.Equal(m.Image(i), from.Image(n)) || m.Labels[i] != from.Labels[n] {
			t.Errorf("%s: image %d is not image %d with its label", what, i, n)
		}
	}
	if m.Name != from.Name || m.Height != from.Height || m.Width != from.Width || !slices.Equal(m.Classes, from.Classes) {
		t.Errorf("%s: name, size or classes were not kept", what)
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(m *Images)
		want   string // "" for no error
	}{
		"whole":           {func(m *Images) {}, ""},
		"no images":       {func(m *Images) { m.Labels, m.Pixels = nil, nil }, ""},
		"no height":       {func(m *Images) { m.Height = 0 }, "images of 0×3"},
		"negative width":  {func(m *Images) { m.Width = -3 }, "images of 2×-3"},
		"no classes":      {func(m *Images) { m.Classes = nil }, "no class names"},
		"missing byte":    {func(m *Images) { m.Pixels = m.Pixels[1:] }, "89 bytes of pixels for 5 images of 18"},
		"missing label":   {func(m *Images) { m.Labels = m.Labels[1:] }, "90 bytes of pixels for 4 images"},
		"negative label":  {func(m *Images) { m.Labels[3] = -1 }, "image 3 has label -1, want 0 to 2"},
		"label too large": {func(m *Images) { m.Labels[4] = 3 }, "image 4 has label 3, want 0 to 2"},
	} {
		m := testImages(5, 2, 3)
		test.change(m)
		err := m.Validate()
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: error %v, want none", name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "test images") {
			t.Errorf("%s: error %v, want one that contains %q and the name of the set", name, err, test.want)
		}
	}
}

func TestPick(t *testing.T) {
	m := testImages(7, 2, 3)
	picked := m.Pick([]int{5, 0, 5})
	checkSubset(t, "Pick(5, 0, 5)", picked, m, []int{5, 0, 5})
	picked.Pixels[0]++
	picked.Labels[0]++
	if err := m.Validate(); err != nil || indexOf(m.Image(5)) != 5 || m.Labels[5] != 2 {
		t.Error("a change to picked images changed the set they were picked from")
	}
	checkSubset(t, "Pick of nothing", m.Pick(nil), m, nil)
}

func TestFirst(t *testing.T) {
	m := testImages(4, 2, 3)
	for n, want := range map[int][]int{-1: nil, 0: nil, 3: {0, 1, 2}, 4: {0, 1, 2, 3}, 9: {0, 1, 2, 3}} {
		checkSubset(t, "First", m.First(n), m, want)
	}
	first := m.First(1)
	first.Pixels, first.Labels = append(first.Pixels, 0), append(first.Labels, 0)
	if indexOf(m.Image(1)) != 1 || m.Labels[1] != 1 {
		t.Error("appending to First(1) overwrote the set")
	}
}

func TestFirstPerClass(t *testing.T) {
	m := testImages(8, 2, 3) // labels 0 1 2 0 1 2 0 1
	for n, want := range map[int][]int{-1: nil, 0: nil, 1: {0, 1, 2}, 2: {0, 1, 2, 3, 4, 5}, 3: {0, 1, 2, 3, 4, 5, 6, 7}} {
		checkSubset(t, "FirstPerClass", m.FirstPerClass(n), m, want)
	}
}
