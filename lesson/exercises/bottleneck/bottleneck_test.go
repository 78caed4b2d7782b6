package bottleneck_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/bottleneck"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestBottleneck(t *testing.T) { check.Bottleneck(t, bottleneck.Block) }
