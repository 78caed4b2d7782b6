package parameters_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/parameters"
)

func TestParameters(t *testing.T) {
	check.Parameters(t, check.Counts{
		Conv: parameters.Conv, Norm: parameters.Norm, Linear: parameters.Linear,
		Block: parameters.Block, Parameters: parameters.Parameters,
	})
}
