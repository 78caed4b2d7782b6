package probe

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"

	"github.com/residual-go/residual/pkg/infer"
)

// The output of fc is the logits, that of avgpool the means of the last stage's feature maps, and
// every output has the shape of its layer.
func TestOutputs(t *testing.T) {
	r, store, images := tinyRecipe(t), newStore(t), noise(5)
	measure(t, store, r, images) // initialises the weights
	outputs, err := Outputs(gobackend.GetBackend(), store, path, r, images, "fc", "layer3", "avgpool", "layer1.0")
	if err != nil {
		t.Fatal(err)
	}
	shapes := [][]int{{5, 3}, {5, 2, 2, 8}, {5, 8}, {5, 8, 8, 2}}
	for i, layer := range []string{"fc", "layer3", "avgpool", "layer1.0"} {
		if outputs[i].Layer != layer || !slices.Equal(outputs[i].Shape, shapes[i]) {
			t.Fatalf("output %d is %s of shape %v, want %s of %v", i, outputs[i].Layer, outputs[i].Shape, layer, shapes[i])
		}
	}
	network, err := infer.New(gobackend.GetBackend(), store, path, r.Model, r.Normalization)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Finalize()
	logits, err := network.Logits(images.Pixels, images.Height, images.Width)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range logits {
		if got := outputs[0].Data[i]; math.Abs(float64(got-want)) > 1e-5 {
			t.Errorf("logit %d is %g, want %g", i, got, want)
		}
	}
	for image := range 5 {
		for channel := range 8 {
			sum := 0.0
			for _, value := range outputs[1].Map(image, channel) {
				sum += value
			}
			if got, want := sum/4, float64(outputs[2].Data[image*8+channel]); math.Abs(got-want) > 1e-5 {
				t.Errorf("image %d, channel %d: the map's mean is %g, but avgpool is %g", image, channel, got, want)
			}
		}
	}
}

func TestOutputsRefuses(t *testing.T) {
	r, store, images := tinyRecipe(t), newStore(t), noise(2)
	if _, err := Outputs(gobackend.GetBackend(), store, path, r, images, "fc"); err == nil || !strings.Contains(err.Error(), "no weights") {
		t.Errorf("error %v for a network without weights", err)
	}
	measure(t, store, r, images)
	other := r
	other.Model.Blocks = slices.Clone(r.Model.Blocks)
	other.Model.Blocks[0]++
	if _, err := Outputs(gobackend.GetBackend(), store, path, other, images, "fc"); err == nil || !strings.Contains(err.Error(), "another network") {
		t.Errorf("error %v for weights of another network", err)
	}
	if _, err := Outputs(gobackend.GetBackend(), store, path, r, images, "layer1", "layer9"); err == nil || !strings.Contains(err.Error(), `"layer9"`) {
		t.Errorf("error %v for an unknown layer", err)
	}
}
