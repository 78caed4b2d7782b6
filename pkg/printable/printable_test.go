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

func ExampleQuote() {
	fmt.Println(Quote("conv1.weight"))
	fmt.Println(Quote("conv1\x1b[2J"))
	// Output:
	// conv1.weight
	// "conv1\x1b[2J"
}
