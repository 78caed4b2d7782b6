package gradientnorms_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/gradientnorms"
)

func TestGradientNorms(t *testing.T) {
	check.GradientNorms(t, gradientnorms.Norms, gradientnorms.Growth)
}
