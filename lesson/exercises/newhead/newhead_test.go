package newhead_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/newhead"
)

func TestNewHead(t *testing.T) { check.NewHead(t, newhead.Prepare, newhead.SetMode) }
