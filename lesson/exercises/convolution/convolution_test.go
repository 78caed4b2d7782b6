package convolution_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/convolution"
)

func TestConvolution(t *testing.T) { check.Convolution(t, convolution.Convolution) }
