package printable

import (
	"fmt"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for _, test := range []struct {
		text             string
		is               bool
		replaced, quoted string
	}{
		{"golden retriever", true, "golden retriever", "golden retriever"},
		{"گربه\u200cها", true, "گربه\u200cها", `"گربه\u200cها"`},
		{"New\u00a0York", true, "New\u00a0York", `"New\u00a0York"`},
		{"क्\u200dष", true, "क्\u200dष", `"क्\u200dष"`},
		{"grün 犬", true, "grün 犬", "grün 犬"},
		{"", true, "", `""`},
		{"a\nb", false, "a\ufffdb", `"a\nb"`},
		{"\x1b[2J", false, "\ufffd[2J", `"\x1b[2J"`},
		{"a\u202eb", false, "a\ufffdb", `"a\u202eb"`},
		{"\xff", false, "\ufffd", `"\xff"`},
		{`say "a"`, true, `say "a"`, `"say \"a\""`},
		{strings.Repeat("a", 101), true, strings.Repeat("a", 101), strings.Repeat("a", 100) + "…"},
	} {
		if got := Is(test.text); got != test.is {
			t.Errorf("Is(%q) = %t, want %t", test.text, got, test.is)
		}
		if got := Replace(test.text); got != test.replaced {
			t.Errorf("Replace(%q) = %q, want %q", test.text, got, test.replaced)
		}
		if got := Quote(test.text); got != test.quoted {
			t.Errorf("Quote(%q) = %q, want %q", test.text, got, test.quoted)
		}
	}
}

func TestEscape(t *testing.T) {
	const plain = "größe 3×3…\u00a0'a' \"b\" \\"
	for text, want := range map[string]string{
		plain:                       plain,
		"\x1b[31m\a\u202e\t\u0085.": `\x1b[31m\a\u202e\t\u0085.`,
	} {
		if got := Escape(text); got != want {
			t.Errorf("Escape(%q) = %s, want %s", text, got, want)
		}
		if got := Line(text); got != want {
			t.Errorf("Line(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"first: a  file\n\n  at b\r\n": "first: a  file at b",
		"goroutine 1:\n\tmain.go:3":    "goroutine 1: main.go:3",
		"\n":                           "",
	} {
		if got := Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
}

func ExampleLine() {
	fmt.Println(Line("exit status 1:\n\tno such file: \x1b[2J.png"))
	// Output: exit status 1: no such file: \x1b[2J.png
}

func ExampleQuote() {
	fmt.Println(Quote("conv1.weight"))
	fmt.Println(Quote("conv1\x1b[2J"))
	// Output:
	// conv1.weight
	// "conv1\x1b[2J"
}
