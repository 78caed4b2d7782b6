package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rivo/uniseg"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/run"
)

func TestBarLine(t *testing.T) {
	texts := []string{"resnet20", "epoch 1/10", "loss 1.031", "900 images/s"}
	for _, c := range []struct {
		width int
		want  string
	}{
		{200, "resnet20, epoch 1/10, loss 1.031, 900 images/s  12% |███                     | 100/782, 3m20s left"},
		{79, "resnet20, epoch 1/10, loss 1.031, 900 images/s  12% |█            | 3m20s left"},
		{50, "resnet20, epoch 1/10  12% |█         | 3m20s left"},
		{39, "resnet20, epoch 1/10  12% |█          |"},
		{30, "resnet20, epoch 1/10  12%"},
		{10, "resn…  12%"},
		{5, "  12%"},
	} {
		got := barLine(c.width, 100, 782, "100/782", "3m20s left", texts)
		if got != c.want {
			t.Errorf("at %d columns the bar is\n%q, want\n%q", c.width, got, c.want)
		}
	}
	for width := range 250 {
		for _, texts := range [][]string{texts, {"张伟和李娜的作业: 3 of 5 points"}, {strings.Repeat("long name ", 30)}, {"a\x1b[31mb\n"}} {
			for _, total := range []int64{0, 1000} {
				line := barLine(width, 999, total, "999/1000", "1s left", texts)
				if n := uniseg.StringWidth(line); n > max(width, 5) { // the percentage is always shown
					t.Errorf("at %d columns the bar %q has %d", width, line, n)
				}
				if strings.ContainsAny(line, "\x1b\r\n") {
					t.Errorf("the bar %q has control characters", line)
				}
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"abc", 1, "…"}, {"abc", 0, ""}, {"abc", -1, ""}} {
		if got := cut(c.text, c.width); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// redrawn matches what is drawn over a line again and again.
var redrawn = regexp.MustCompile(`\r([^\r\n\x1b]*)\x1b\[K`)

// onTerminal calls show with a pseudo-terminal and returns what is written to it.
func onTerminal(t *testing.T, width uint16, show func(terminal *os.File)) string {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer master.Close()
	resize(t, terminal, width)
	written := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, master) // ends with an error when the terminal is closed
		written <- b.String()
	}()
	show(terminal)
	terminal.Close()
	return <-written
}

func resize(t *testing.T, terminal *os.File, width uint16) {
	t.Helper()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: width}); err != nil {
		t.Fatal(err)
	}
}

// pause is longer than the interval between two redraws.
func pause() { time.Sleep(60 * time.Millisecond) }

// Everything that shows progress.
var shows = map[string]func(terminal *os.File){
	"training": func(terminal *os.File) {
		r := reporter(words.English, terminal, "resnet50-with-a-long-name")
		for i := 1; i < 4; i++ {
			r.Step(run.Metrics{Epoch: 100, Epochs: 200, StepInEpoch: i, StepsPerEpoch: 782, Loss: 1812.123, ImagesPerSecond: 12345})
			pause()
		}
		r.Note("done")
	},
	"evaluation": func(terminal *os.File) {
		r := reporter(words.English, terminal, "resnet50-with-a-long-name")
		for i := 1; i <= 4; i++ {
			r.Evaluating(2500*i, 10000)
			pause()
		}
	},
	"download": func(terminal *os.File) {
		progress := downloading(words.English, terminal)
		for i := range int64(4) {
			progress((i+1)*25_000_000, 100_000_000)
			pause()
		}
	},
	"download of unknown size": func(terminal *os.File) {
		progress := downloading(words.English, terminal)
		progress(25_000_000, -1)
		clearLine(terminal)
	},
	"grading": func(terminal *os.File) {
		progress := grading(words.English, terminal)
		for i := range 4 {
			progress(i+1, 4, "Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine: 30 of 120 points")
			pause()
		}
	},
	"decoding": func(terminal *os.File) {
		progress := decoded(words.English, terminal)
		for i := range 4 {
			progress(10000*(i+1), 40000)
			pause()
		}
	},
	"installation": func(terminal *os.File) {
		i := newInstalling(terminal)
		fmt.Fprintf(i, "downloading https://example.com/%s\r", strings.Repeat("x", 300))
		i.end()
	},
}

// No redraw is wider than the terminal, so that it never wraps and scrolls; and the line is empty
// in the end.
func TestProgressFitsTheTerminal(t *testing.T) {
	for name, show := range shows {
		for _, width := range []uint16{40, 80, 200} {
			t.Run(fmt.Sprintf("%s at %d columns", name, width), func(t *testing.T) {
				t.Parallel()
				text := onTerminal(t, width, show)
				drawn := redrawn.FindAllStringSubmatch(text, -1)
				if len(drawn) < 2 {
					t.Fatalf("want a bar, got %q", text)
				}
				for _, line := range drawn {
					if n := uniseg.StringWidth(line[1]); n >= int(width) {
						t.Errorf("a line of %d columns: %q", n, line[1])
					}
				}
				if last := drawn[len(drawn)-1][1]; last != "" {
					t.Errorf("%q is left on the terminal", last)
				}
				if strings.Contains(redrawn.ReplaceAllString(text, ""), "\x1b") {
					t.Errorf("there are other control sequences, such as colours, in %q", text)
				}
			})
		}
	}
}

func TestProgressFollowsTheTerminal(t *testing.T) {
	text := onTerminal(t, 200, func(terminal *os.File) {
		b := bar{w: terminal}
		for i, width := range []uint16{200, 40, 80} {
			resize(t, terminal, width)
			b.set(int64(i+1), 10, "1/10", strings.Repeat("x", 300))
			pause()
		}
		b.clear()
	})
	var widths []int
	for _, line := range redrawn.FindAllStringSubmatch(text, -1) {
		widths = append(widths, uniseg.StringWidth(line[1]))
	}
	if want := []int{199, 39, 79, 0}; fmt.Sprint(widths) != fmt.Sprint(want) {
		t.Errorf("the lines have %v columns, want %v", widths, want)
	}
}

// A dumb terminal, such as Emacs's shell, cannot redraw a line.
func TestDumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	for name, show := range shows {
		if text := onTerminal(t, 80, show); strings.ContainsAny(strings.ReplaceAll(text, "\r\n", "\n"), "\r\x1b") {
			t.Errorf("%s: %q is not for a dumb terminal", name, text)
		}
	}
}

func TestErrorReplacesTheBar(t *testing.T) {
	text := onTerminal(t, 80, func(terminal *os.File) {
		downloading(words.English, terminal)(1, 10)
		PrintError(terminal, words.English, io.ErrUnexpectedEOF)
	})
	if !strings.HasSuffix(text, eraseLine+"lesson: unexpected EOF\r\n") {
		t.Errorf("the terminal shows %q", text)
	}
}
