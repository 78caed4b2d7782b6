package split_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/split"
)

func TestSplit(t *testing.T) { check.Split(t, split.Split) }
