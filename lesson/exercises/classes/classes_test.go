package classes_test

import (
	"testing"

	"github.com/residual-go/residual/lesson/exercises/check"
	"github.com/residual-go/residual/lesson/exercises/classes"
)

func TestClasses(t *testing.T) {
	check.Classes(t, check.ClassFunctions{
		Distance: classes.Distance, Closest: classes.Closest, Contains: classes.Contains,
		Plain: classes.Plain, Residual: classes.Residual,
	})
}
