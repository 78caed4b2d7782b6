package evaluate_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/evaluate"
)

func TestEvaluate(t *testing.T) {
	check.Evaluate(t, func(model check.Model, images [][]float32, labels []int, batch int) float64 {
		return evaluate.Evaluate(model, images, labels, batch)
	})
}
