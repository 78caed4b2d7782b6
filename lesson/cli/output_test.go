package cli

import "testing"

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{
		"runs/resnet20-fast_1.2": "runs/resnet20-fast_1.2",
		"läufe/größe":            "läufe/größe",
		"my runs/1":              "'my runs/1'",
		"it's":                   `'it'\''s'`,
		"$HOME":                  "'$HOME'",
		"":                       "''",
	} {
		if got := quoted(path); got != want {
			t.Errorf("quoted(%q) = %s, want %s", path, got, want)
		}
	}
}
