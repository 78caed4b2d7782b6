package aligned

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"text/tabwriter"
)

// TestLikeTabwriter compares with text/tabwriter, for text whose characters take one column each.
func TestLikeTabwriter(t *testing.T) {
	const text = "class\ttraining\ttest\tnote\ncat\t12\t\t\n\t3\t4\tµ\nthe longest of all\t5\t6\tb\n"
	for _, right := range []bool{false, true} {
		var got, want strings.Builder
		table, flags := Left(&got, 2), uint(0)
		if right {
			table, flags = Right(&got, 2), tabwriter.AlignRight
		}
		other := tabwriter.NewWriter(&want, 0, 0, 2, ' ', flags)
		for range 2 { // Flush makes the table empty
			for _, w := range []interface {
				io.Writer
				Flush() error
			}{table, other} {
				fmt.Fprint(w, text)
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got.String() != want.String() {
			t.Errorf("on the right: %t: got\n%s\nwant\n%s", right, &got, &want)
		}
	}
}

func TestWideCharacters(t *testing.T) {
	var left, right strings.Builder
	for _, table := range []*Table{Left(&left, 2), Right(&right, 2)} {
		fmt.Fprint(table, "类别\t准确率\t\ncat\t84.0%\t\nزرافة 🦒\t5%\t\ne\u0301\t6%\t\n")
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := "类别      准确率  \ncat       84.0%   \nزرافة 🦒  5%      \ne\u0301         6%      \n"; left.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &left, want)
	}
	if want := "      类别  准确率\n       cat   84.0%\n  زرافة 🦒      5%\n         e\u0301      6%\n"; right.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &right, want)
	}
	if got := Pad("类别", 6) + "|" + Pad("类别", 2); got != "类别  |类别" || Width(got) != 11 {
		t.Errorf("padded: %q, %d columns", got, Width(got))
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestErrors(t *testing.T) {
	table := Left(full{}, 2)
	fmt.Fprintln(table, "a\tb")
	if err := table.Flush(); err == nil || err.Error() != "disk full" {
		t.Errorf("got %v", err)
	}
}
