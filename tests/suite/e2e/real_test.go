package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// Train on records of the real CIFAR-10, which is not part of the project.
func TestRealData(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("RESIDUAL_TEST_DATA")
	if folder == "" {
		t.Skip("RESIDUAL_TEST_DATA names no folder with cifar10-exact/, exact records of CIFAR-10")
	}
	data, err := filepath.Abs(filepath.Join(folder, "cifar10-exact"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	has(t, p.ok("data", "verify", "--data", data), "Data: CIFAR-10 (subset); 5085 training and 500 test images")

	r := tinyRecipe(t, data, 4)
	r.Subset, r.BatchSize = "500", 50
	p.begin("run", r)
	has(t, p.ok("train", "--run", "run", "--resume"), "Data: CIFAR-10 (subset), first 500; 500 training and 500 test images")
	var losses []float64
	for _, line := range p.metrics("run") {
		if line["kind"] == "epoch" {
			losses = append(losses, line["loss"].(float64))
		}
	}
	// ln 10 = 2.303 is the loss of guessing; four epochs of the tiny network reach about 2.1.
	if len(losses) != 4 || !(losses[3] < losses[0]-0.05) || !(losses[3] < 2.25) {
		t.Errorf("the training loss by epoch is %.3f, want it to fall", losses)
	}
	checkFigures(t, p.path("run", "figures"), "data: CIFAR-10 (subset), first 500", "loss", "accuracy", "confusion", "guesses")
}
