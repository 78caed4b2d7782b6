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

func TestHoldOut(t *testing.T) {
	m := &Images{Name: "numbered", Classes: []string{"a", "b", "c"}, Height: 1, Width: 1}
	for i := range 60 {
		m.Pixels = append(m.Pixels, byte(i), 0, 0)
		m.Labels = append(m.Labels, []int32{0, 0, 0, 1, 1, 2}[i%6]) // 30, 20 and 10
	}
	numbers := func(m *Images) (list []byte) {
		for i := range m.Len() {
			list = append(list, m.Image(i)[0])
		}
		return list
	}
	rest, heldOut, err := m.HoldOut(12, 1)
	if err != nil {
		t.Fatal(err)
	}
	if heldOut.Split != Validation || rest.Split != "" || heldOut.Len() != 12 || rest.Len() != 48 {
		t.Errorf("%d %s images and %d %s images", rest.Len(), rest.Split, heldOut.Len(), heldOut.Split)
	}
	if got := heldOut.Fingerprint().Counts; !slices.Equal(got, []int{6, 4, 2}) {
		t.Errorf("the classes give %v images, want the same share of each", got)
	}
	kept, out := numbers(rest), numbers(heldOut)
	if !slices.IsSorted(kept) || !slices.IsSorted(out) {
		t.Errorf("the images %v and %v are not in their order", kept, out)
	}
	if all := slices.Sorted(slices.Values(slices.Concat(kept, out))); !slices.Equal(all, numbers(m)) {
		t.Errorf("together the parts are %v", all)
	}
	for i := range rest.Len() {
		if want := m.Labels[kept[i]]; rest.Labels[i] != want {
			t.Fatalf("image %d has label %d, want %d", kept[i], rest.Labels[i], want)
		}
	}
	if _, again, _ := m.HoldOut(12, 1); !slices.Equal(numbers(again), out) {
		t.Error("the same seed held out other images")
	}
	if _, other, _ := m.HoldOut(12, 2); slices.Equal(numbers(other), out) {
		t.Error("another seed held out the same images")
	}
	if rest, heldOut, err := m.HoldOut(59, 1); err != nil || rest.Len() != 1 || heldOut.Len() != 59 {
		t.Errorf("all but one: %v", err)
	}
	for _, n := range []int{-1, 0, 60, 100} {
		if _, _, err := m.HoldOut(n, 1); err == nil {
			t.Errorf("%d images of 60 were held out", n)
		}
	}
}
