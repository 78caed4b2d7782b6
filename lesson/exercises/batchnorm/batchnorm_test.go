package batchnorm_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/batchnorm"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestBatchNorm(t *testing.T) {
	check.BatchNorm(t, func(n *check.Norm) check.Normaliser { return (*batchnorm.BatchNorm)(n) })
}
