package resnet18_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/resnet18"
)

func TestResNet18(t *testing.T) { check.ResNet18(t, resnet18.ResNet18) }
