package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rivo/uniseg"
)

// onTerminal runs the command in a pseudo-terminal of the given width and returns what is written
// to it.
func (p *place) onTerminal(width uint16, args ...string) string {
	p.t.Helper()
	terminal, err := pty.StartWithSize(p.command(args...), &pty.Winsize{Rows: 24, Cols: width})
	if err != nil {
		p.t.Skipf("no pseudo-terminal: %v", err)
	}
	defer terminal.Close()
	var text bytes.Buffer
	_, _ = io.Copy(&text, terminal) // ends with an error when the command ends
	return text.String()
}

// redrawn matches what is drawn over a line again and again.
var redrawn = regexp.MustCompile(`\r([^\r\n\x1b]*)\x1b\[K`)

// No redraw of a progress bar is wider than the terminal.
func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	archive := make([]byte, 1<<20)
	_, _ = rand.Read(archive)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		for part := range 4 {
			_, _ = w.Write(archive[part<<18 : (part+1)<<18])
			w.(http.Flusher).Flush()
			time.Sleep(60 * time.Millisecond)
		}
	}))
	t.Cleanup(server.Close)
	for _, width := range []uint16{40, 80, 200} {
		p := trained(t)
		p.set("TERM", "xterm")
		p.set("RESIDUAL_CIFAR10_URL", server.URL)
		p.begin("new", tinyRecipe(t, small(t), 2))
		for _, test := range []struct{ args, shows string }{
			{"train --run new --resume", "epoch 1/2"},
			{"eval --run runs/tiny --batch 4", "evaluating"},
			{"data fetch", "downloading"}, // it fails: the archive is not CIFAR-10
		} {
			text := p.onTerminal(width, strings.Fields(test.args)...)
			drawn := redrawn.FindAllStringSubmatch(text, -1)
			shown := false
			for _, line := range drawn {
				shown = shown || strings.Contains(line[1], test.shows)
				if n := uniseg.StringWidth(line[1]); n >= int(width) {
					t.Errorf("lesson %s at %d columns: a line of %d: %q", test.args, width, n, line[1])
				}
			}
			if !shown {
				t.Errorf("lesson %s at %d columns does not show %q: %q", test.args, width, test.shows, text)
			}
		}
		p.set("TERM", "dumb")
		if text := p.onTerminal(width, "eval", "--run", "runs/tiny"); strings.Contains(text, "\x1b") {
			t.Errorf("eval sends control sequences to a dumb terminal: %q", text)
		}
	}
}
