package momentum_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/momentum"
)

func TestMomentum(t *testing.T) {
	check.Momentum(t, func(s *check.SGD) check.Stepper { return (*momentum.SGD)(s) })
}
