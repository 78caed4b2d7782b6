package stage_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/stage"
)

func TestStage(t *testing.T) { check.Stage(t, stage.Stage) }
