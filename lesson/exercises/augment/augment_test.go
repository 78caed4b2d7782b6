package augment_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/augment"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestAugment(t *testing.T) {
	check.Augment(t, check.Augmentation{Flip: augment.Flip, Crop: augment.Crop, Epoch: augment.Epoch})
}
