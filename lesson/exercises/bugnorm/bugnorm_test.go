package bugnorm_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/bugnorm"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestBugNorm(t *testing.T) { check.BugNorm(t, bugnorm.Norm) }
