package probe

import (
	"math"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/tensors"
)

// After a batch norm with untrained γ and β, the mean is 0 and the variance 1, whatever the input.
// After the ReLU that follows it, they are those of max(0, z) for a normal z.
func TestActivationsAfterBatchNorm(t *testing.T) {
	r, store, images := tinyRecipe(t), newStore(t), noise(12)
	found, err := Activations(gobackend.GetBackend(), store, path, r, images)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, activation := range found {
		switch activation.Name {
		case "bn1", "layer1.0.bn2", "layer3.0.bn1":
			seen++
			if math.Abs(activation.Mean) > 1e-4 || math.Abs(activation.Variance-1) > 0.01 {
				t.Errorf("%s has mean %g and variance %g, want 0 and 1", activation.Name, activation.Mean, activation.Variance)
			}
		case "relu":
			seen++
			// The mean is 1/√(2π), and the variance 1/2 − 1/(2π).
			if math.Abs(activation.Mean-0.399) > 0.05 || math.Abs(activation.Variance-0.341) > 0.05 {
				t.Errorf("relu has mean %g and variance %g, want about 0.399 and 0.341", activation.Mean, activation.Variance)
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d of 4 layers measured; there are %v", seen, found)
	}
}

func TestActivationsDoNotChangeTheStore(t *testing.T) {
	r, store, images := tinyRecipe(t), newStore(t), noise(6)
	first, err := Activations(gobackend.GetBackend(), store, path, r, images)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"running_mean", "running_var"} {
		variable := store.GetVariable(path + "/bn1/" + name)
		flat, err := tensors.CopyFlatData[float32](variable.MustValue())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float32{"running_mean": 0, "running_var": 1}[name]
		for _, v := range flat {
			if v != want {
				t.Fatalf("%s of bn1 is %g after measuring, want %g as before", name, v, want)
			}
		}
	}
	again, err := Activations(gobackend.GetBackend(), store, path, r, images)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("measured twice, %v and %v", first[i], again[i])
		}
	}
}
