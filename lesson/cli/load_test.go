package cli

import (
	"slices"
	"testing"

	"github.com/residual-go/residual/lesson/words"
)

func TestNumberNotes(t *testing.T) {
	got := numberNotes(words.English, []string{"cat", "猫", "แมว", "고양이", "قط", "x\U0010fffd", "y\U0010fffe"})
	want := []string{
		"figures cannot write Arabic, Thai; figures have numbers instead, such as 2 for แมว",
		"no font on this machine has the \U0010fffd of x\U0010fffd; figures have numbers instead, such as 5. " +
			"To see the name, set RESIDUAL_FONT to a font file that has it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
	if notes := numberNotes(words.English, []string{"cat", "飞机", "いぬ"}); len(notes) != 0 {
		t.Errorf("notes about names that figures write: %q", notes)
	}
	for script, want := range map[string]string{
		"Han":    "Install Noto Sans CJK (on Debian and Ubuntu, apt-get install fonts-noto-cjk), or ",
		"Common": "Install the Noto fonts (on Debian and Ubuntu, apt-get install fonts-noto-core), or ",
	} {
		if got := fontToInstall(words.English, script); got != want {
			t.Errorf("for %s: %q, want %q", script, got, want)
		}
	}
}
