package dataset

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/residual-go/residual/pkg/backend"
)

func TestSizesAt(t *testing.T) {
	plan := Sizes{{Until: 0.25, Pixels: 16}, {Until: 0.55, Pixels: 24}}
	for step, want := range map[int][2]int{0: {16, 5}, 4: {16, 5}, 5: {24, 11}, 10: {24, 11}, 11: {0, 20}, 19: {0, 20}} {
		if pixels, until := plan.At(step, 20); pixels != want[0] || until != want[1] {
			t.Errorf("step %d of 20 has %d pixels until step %d, want %d until %d", step, pixels, until, want[0], want[1])
		}
	}
	if pixels, until := (Sizes{}).At(3, 20); pixels != 0 || until != 20 {
		t.Errorf("without a plan, step 3 has %d pixels until step %d", pixels, until)
	}
}

func TestSizesValidate(t *testing.T) {
	if err := (Sizes{{0.25, 16}, {0.5, 24}}).Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Sizes{{{0, 16}}, {{1, 16}}, {{math.NaN(), 16}}, {{0.5, 0}}, {{0.5, -1}}, {{0.5, 1 << 40}}, {{0.5, 16}, {0.5, 24}}, {{0.5, 16}, {0.4, 24}}} {
		if err := bad.Validate(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: error %v, want one line", bad, err)
		}
	}
	images := &Images{Name: "wide", Height: 24, Width: 40}
	if err := (Sizes{{0.5, 23}}).Fits(images); err != nil {
		t.Error(err)
	}
	if err := (Sizes{{0.5, 24}}).Fits(images); err == nil || !strings.Contains(err.Error(), "wide: sizes: images of 24×40 pixels cannot be shrunk to 24") {
		t.Errorf("error %v", err)
	}
}

// The mean over a part of the image is that of small squares, into which old and new pixels can both
// be divided.
func TestShrink(t *testing.T) {
	engine, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ height, width, pixels, newHeight, newWidth int }{
		{8, 8, 4, 4, 4}, {8, 8, 6, 6, 6}, {8, 8, 5, 5, 5}, {6, 9, 4, 4, 6}, {9, 6, 2, 3, 2}, {8, 8, 8, 8, 8}, {8, 8, 0, 8, 8}, {7, 5, 1, 1, 1},
	} {
		name := fmt.Sprintf("%d×%d to %d", test.height, test.width, test.pixels)
		const n, channels = 2, 3
		image := make([]float32, n*test.height*test.width*channels)
		for i := range image {
			image[i] = float32(i*i%101) - 30
		}
		at := func(b, y, x, c int) float64 {
			return float64(image[((b*test.height+y)*test.width+x)*channels+c])
		}
		exec := graph.MustNewExec(engine, func(x *graph.Node) *graph.Node { return Shrink(x, test.pixels) })
		got := exec.MustCall(tensors.FromFlatDataAndDimensions(image, n, test.height, test.width, channels))[0]
		if want := []int{n, test.newHeight, test.newWidth, channels}; fmt.Sprint(got.Shape().Dimensions) != fmt.Sprint(want) {
			t.Errorf("%s: the shape is %v, want %v", name, got.Shape().Dimensions, want)
			continue
		}
		values := tensors.MustCopyFlatData[float32](got)
		for i, value := range values {
			c, x, y, b := i%channels, i/channels%test.newWidth, i/channels/test.newWidth%test.newHeight, i/channels/test.newWidth/test.newHeight
			// A new pixel has height×width small squares, an old one newHeight×newWidth.
			sum := 0.0
			for v := y * test.height; v < (y+1)*test.height; v++ {
				for u := x * test.width; u < (x+1)*test.width; u++ {
					sum += at(b, v/test.newHeight, u/test.newWidth, c)
				}
			}
			if want := sum / float64(test.height*test.width); math.Abs(float64(value)-want) > 1e-4 {
				t.Fatalf("%s: pixel %d, %d of channel %d of image %d is %g, want %g", name, y, x, c, b, value, want)
			}
		}
	}
}

func TestShrinkRefuses(t *testing.T) {
	engine, err := backend.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	exec := graph.MustNewExec(engine, func(x *graph.Node) *graph.Node { return Shrink(x, 9) })
	_, err = exec.Call(tensors.FromFlatDataAndDimensions(make([]float32, 8*8*3), 1, 8, 8, 3))
	if err == nil || !strings.Contains(err.Error(), "8×8 pixels cannot be shrunk to 9") {
		t.Errorf("error %v", err)
	}
}
