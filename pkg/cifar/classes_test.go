package cifar

import (
	"slices"
	"testing"
)

func TestClasses(t *testing.T) {
	for kind, want := range map[Kind]int{CIFAR10: 10, CIFAR100: 100, Kind(9): 0} {
		classes := kind.Classes()
		if len(classes) != want {
			t.Errorf("%v has %d classes, want %d", kind, len(classes), want)
		}
		// The labels of both are in the order of the alphabet.
		if !slices.IsSorted(classes) || len(slices.Compact(classes)) != want {
			t.Errorf("the classes of %v are not in order, or one comes twice", kind)
		}
	}
}
