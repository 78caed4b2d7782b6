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
		// In both data sets the labels are in alphabetical order.
		if !slices.IsSorted(classes) || len(slices.Compact(classes)) != want {
			t.Errorf("the classes of %v are not sorted or not unique", kind)
		}
	}
}
