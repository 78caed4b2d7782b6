package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/words"
)

// The code of the exercises is the student's, so this test does not look at the numbers.
func TestSymptoms(t *testing.T) {
	english := regexp.MustCompile(`[a-z]{2}`)
	for exercise, lines := range map[string]int{"bugblock": 2, "bugnorm": 2, "bughead": 3} {
		var out strings.Builder
		if err := show(&out, words.Chinese, exercise, batchSize, 1); err != nil {
			t.Errorf("%s: %v", exercise, err)
		}
		if left := english.FindString(out.String()); left != "" {
			t.Errorf("%s says %q in Chinese:\n%s", exercise, left, out.String())
		}
		if got := strings.Count(out.String(), "\n"); got != lines {
			t.Errorf("%s shows %d lines, want %d:\n%s", exercise, got, lines, out.String())
		}
	}
}
