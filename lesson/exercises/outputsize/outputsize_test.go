package outputsize_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/outputsize"
)

func TestOutputSize(t *testing.T) { check.OutputSize(t, outputsize.OutputSize) }
