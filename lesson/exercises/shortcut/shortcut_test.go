package shortcut_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/shortcut"
)

func TestShortcut(t *testing.T) { check.Shortcut(t, shortcut.Shortcut) }
