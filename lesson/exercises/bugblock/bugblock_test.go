package bugblock_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/bugblock"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestBugBlock(t *testing.T) { check.BugBlock(t, bugblock.Block) }
