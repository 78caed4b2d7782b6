package gap_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/gap"
)

func TestGap(t *testing.T) { check.Gap(t, gap.Losses, gap.Gap) }
