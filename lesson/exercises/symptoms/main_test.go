package main

import (
	"strings"
	"testing"
)

// The code of the exercises is the student's, so this test does not look at the numbers.
func TestSymptoms(t *testing.T) {
	for exercise, lines := range map[string]int{"bugblock": 2, "bugnorm": 2, "bughead": 3} {
		var out strings.Builder
		if err := show(&out, exercise, batchSize, 1); err != nil {
			t.Errorf("%s: %v", exercise, err)
		}
		if got := strings.Count(out.String(), "\n"); got != lines {
			t.Errorf("%s shows %d lines, want %d:\n%s", exercise, got, lines, out.String())
		}
	}
}
