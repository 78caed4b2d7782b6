package lesion_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/lesion"
)

func TestLesion(t *testing.T) { check.Lesion(t, lesion.Forward, lesion.Drops) }
