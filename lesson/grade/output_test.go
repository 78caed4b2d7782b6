package grade

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/exercises"
)

func TestSafeCell(t *testing.T) {
	for text, want := range map[string]string{
		"Ada": "Ada", "": "", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "Ada-Lee": "Ada-Lee", "élan": "élan",
		"＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x", "a;=1": "a;'=1", "a; =1": "a; '=1", ";=1": ";'=1", "a\t=1": "a\t'=1", " =1": " '=1",
		"'=1": "''=1", "a,+1": "a,'+1", "a=1": "a=1", "a; b-c": "a; b-c",
	} {
		if got := safeCell(text); got != want {
			t.Errorf("safeCell(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\r\nc\n": "a b\nc", "\x1b[31mred": "\uFFFD[31mred", "\xff": "\uFFFD", "a\x00b\u202e": "a\uFFFDb\uFFFD",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
	if got := clean(strings.Repeat("é", maxText)); len(got) > maxText+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-8:])
	}
}

// TestWideTable tests that the columns of many exercises are numbered.
func TestWideTable(t *testing.T) {
	g := Grades{Students: []Student{{Name: "ada"}}}
	for _, exercise := range exercises.All() {
		g.Exercises = append(g.Exercises, exercise.Name)
		g.Students[0].Marks = append(g.Students[0].Marks, Mark{Exercise: exercise.Name, Status: Passed, Points: 10, Of: 10})
	}
	var table bytes.Buffer
	if err := g.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(table.String()) {
		if len(line) > maxWidth+1 {
			t.Errorf("a line of %d characters: %s", len(line), line)
		}
	}
	names := exercises.Names()
	if !strings.HasPrefix(table.String(), fmt.Sprintf("  1 %s\n  2 %s\n", names[0], names[1])) {
		t.Errorf("no list of the exercises:\n%s", &table)
	}
}

func TestCapture(t *testing.T) {
	for _, size := range []int{1, 3, 7, 100} {
		begin, both := &capture{limit: 10}, &capture{limit: 10, keepEnd: true}
		var all []byte
		for i := range 30 {
			all = append(all, bytes.Repeat([]byte{'a' + byte(i%26)}, size)...)
			for _, c := range []*capture{begin, both} {
				if n, err := c.Write(all[len(all)-size:]); n != size || err != nil {
					t.Fatal(n, err)
				}
			}
			if want := all[:min(10, len(all))]; !bytes.Equal(begin.kept(), want) {
				t.Errorf("kept %q of %q", begin.kept(), all)
			}
			want := string(all)
			if len(all) > 10 {
				want = fmt.Sprintf("%s\n…\n%s", all[:5], all[len(all)-5:])
			}
			if string(both.kept()) != want {
				t.Errorf("kept %q of %q, want %q", both.kept(), all, want)
			}
		}
	}
}
