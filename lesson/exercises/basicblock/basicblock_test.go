package basicblock_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/basicblock"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestBasicBlock(t *testing.T) { check.BasicBlock(t, basicblock.Block) }
