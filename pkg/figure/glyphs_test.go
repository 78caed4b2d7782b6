package figure

import (
	"slices"
	"testing"
)

func TestClassNames(t *testing.T) {
	got := ClassNames([]string{"cat", "naïve", "犬", "گربه\u200cها", "Ωμέγα", "кот"})
	if want := []string{"cat", "naïve", "2", "3", "Ωμέγα", "кот"}; !slices.Equal(got, want) {
		t.Errorf("figures write %q, want %q", got, want)
	}
}
