package bughead_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/bughead"
	"github.com/residual-go/residual/lesson/exercises/check"
)

func TestBugHead(t *testing.T) { check.BugHead(t, bughead.Head) }
