package cam_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/cam"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestCAM(t *testing.T) { check.CAM(t, cam.Map, cam.Scale) }
