package dataset

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

func TestNormalize(t *testing.T) {
	backend := gobackend.GetBackend()
	n := Normalization{Mean: [3]float32{0.5, 0.25, 0}, Std: [3]float32{0.5, 0.2, 2}}
	pixels := tensors.FromFlatDataAndDimensions([]uint8{
		0, 0, 0, 255, 255, 255,
		51, 102, 204, 128, 1, 254,
	}, 2, 1, 2, 3)
	want := []float64{
		-1, -1.25, 0, 1, 3.75, 0.5,
		-0.6, 0.75, 0.4, 2*128.0/255 - 1, (1/255.0 - 0.25) / 0.2, 254 / 255.0 / 2,
	}
	got, err := graph.CallOnce(backend, n.Apply, pixels)
	if err != nil {
		t.Fatal(err)
	}
	if shape := got.Shape().String(); shape != "(Float32)[2, 1, 2, 3]" {
		t.Errorf("shape %s, want (Float32)[2, 1, 2, 3]", shape)
	}
	for i, x := range tensors.MustCopyFlatData[float32](got) {
		if math.Abs(float64(x)-want[i]) > 1e-6 {
			t.Errorf("value %d is %g, want %g", i, x, want[i])
		}
	}
	for _, pixels := range []*tensors.Tensor{
		tensors.FromScalarAndDimensions(uint8(1), 2, 2, 3),
		tensors.FromScalarAndDimensions(uint8(1), 1, 2, 2, 4),
		tensors.FromScalarAndDimensions(float32(0.5), 1, 2, 2, 3), // scaled already
	} {
		_, err := graph.CallOnce(backend, n.Apply, pixels)
		if err == nil || !strings.Contains(err.Error(), "want bytes [batch, height, width, 3]") {
			t.Errorf("pixels of shape %v: error %v, want one that says the shape", pixels.Shape(), err)
		}
	}
}

func TestNormalizationValidate(t *testing.T) {
	for _, n := range []Normalization{CIFAR10Normalization(), ImageNetNormalization()} {
		if err := n.Validate(); err != nil {
			t.Error(err)
		}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, test := range []struct {
		change func(n *Normalization)
		want   string
	}{
		{func(n *Normalization) { n.Std[2] = 0 }, "standard deviations [0.247 0.2435 0]"},
		{func(n *Normalization) { n.Std[0] = nan }, "standard deviations [NaN"},
		{func(n *Normalization) { n.Std[1] = inf }, "standard deviations [0.247 +Inf"},
		{func(n *Normalization) { n.Mean[1] = nan }, "means [0.4914 NaN"},
		{func(n *Normalization) { n.Mean[0] = -inf }, "means [-Inf"},
	} {
		n := CIFAR10Normalization()
		test.change(&n)
		if err := n.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}

func TestParseNormalization(t *testing.T) {
	for text, want := range map[string]Normalization{
		"imagenet": ImageNetNormalization(),
		"cifar10":  CIFAR10Normalization(),
		"half":     {Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}},
		"none":     {Std: [3]float32{1, 1, 1}},
		"0.4914,0.4822,0.4465/0.2023,0.1994,0.201": {Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.2023, 0.1994, 0.201}},
	} {
		got, err := ParseNormalization(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s is read as %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]Normalization{
		"0.5,0.5,0.5/0.5,0.5,0.5":              HalfNormalization(),
		" 0, 0,0 / 1,1, 1.0 ":                  NoNormalization(),
		"0.485,0.456,0.406/.229,0.224,2.25e-1": ImageNetNormalization(),
	} {
		if got, err := ParseNormalization(text); err != nil || got != want {
			t.Errorf("%s is read as %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                        "unknown normalization \"\"; want imagenet, cifar10, half, none, or",
		"ImageNet":                "unknown normalization ImageNet",
		"0.5/0.5":                 "unknown normalization 0.5/0.5",
		"0.5,0.5,0.5":             "such as 0.4914,0.4822,0.4465/0.247,0.2435,0.2616",
		"0.5,0.5,0.5/0.5,0.5":     "unknown normalization",
		"0.5,0.5,0.5/0.5,0.5,x":   "unknown normalization",
		"0.5,0.5,0.5/1,1,1/1,1,1": "unknown normalization",
		"0.5,0.5,0.5/0.5,0,0.5":   "standard deviations [0.5 0 0.5]",
		"NaN,0.5,0.5/0.5,0.5,0.5": "means [NaN",
		"0,0,0/1,1,1e99":          "unknown normalization",
	} {
		if got, err := ParseNormalization(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is read as %v, %v; want an error with %q", text, got, err, want)
		}
	}
}
