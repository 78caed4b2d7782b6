package trainingloop_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/trainingloop"
)

func TestTrainingLoop(t *testing.T) { check.TrainingLoop(t, trainingloop.Train) }
