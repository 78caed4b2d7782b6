package zeroinit_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/zeroinit"
)

func TestZeroInit(t *testing.T) { check.ZeroInit(t, zeroinit.ZeroInit) }
