package preactivation_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/preactivation"
)

func TestPreActivation(t *testing.T) { check.PreActivation(t, preactivation.Block) }
