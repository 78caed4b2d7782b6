package direction_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/direction"
)

func TestDirection(t *testing.T) { check.Direction(t, direction.Direction, direction.Along) }
