package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/gomlx/compute"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

// What a plugin of XLA does to its process cannot be foreseen: it may end it. So doctor starts a
// backend in a process of its own, and installs in one, which Ctrl-C can end.

// doctorStartCommand is what doctor runs itself as, to start a backend and name its devices.
func doctorStartCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "start BACKEND",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := backend.New(args[0])
			if err != nil {
				return err
			}
			defer engine.Finalize()
			devices := []string{}
			for i := range engine.NumDevices() {
				devices = append(devices, engine.DeviceDescription(compute.DeviceNum(i)))
			}
			return printJSON(cmd.OutOrStdout(), devices)
		},
	}
}

// doctorFetchCommand is what doctor runs itself as, to download a plugin into a folder.
func doctorFetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "fetch PLUGIN FOLDER",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE:   func(_ *cobra.Command, args []string) error { return backend.Fetch(args[0], args[1]) },
	}
}

// again is this program as another process, which ends with ctx.
func again(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.CommandContext(ctx, self, args...), nil
}

// lastWords is the error that a process of this program ended with, from what it wrote to
// standard error, or why there is none.
func lastWords(stderr string, err error) error {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if text, ours := strings.CutPrefix(lines[len(lines)-1], "lesson: "); ours {
		return errors.New(text)
	}
	return err
}

// tryBackend starts the backend of the given name in another process, and returns its devices.
func tryBackend(ctx context.Context, name string) ([]string, error) {
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	child, err := again(ctx, "doctor", "start", name)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	if ctx.Err() == context.DeadlineExceeded {
		return nil, fmt.Errorf("backend %s does not start within %v; choose another with --backend, or GOMLX_BACKEND", backend.Resolve(name), patience)
	}
	if err != nil {
		said := lastWords(stderr.String(), nil)
		if said == nil {
			said = fmt.Errorf("backend %s crashed as it was started (%w); choose another with --backend, or GOMLX_BACKEND", backend.Resolve(name), err)
		}
		return nil, said
	}
	var devices []string
	if err := json.Unmarshal(out, &devices); err != nil {
		return nil, fmt.Errorf("start backend %s: its answer: %w", backend.Resolve(name), err)
	}
	return devices, nil
}

// installPlugin is doctor --install.
func installPlugin(cmd *cobra.Command, w io.Writer, name string) error {
	path, err := backend.Install(cmd.Context(), name, func(ctx context.Context, name, folder string) error {
		child, err := again(ctx, "doctor", "fetch", name, folder)
		if err != nil {
			return err
		}
		var stderr bytes.Buffer
		progress := &progress{w: w, terminal: isTerminal(w)}
		child.Stdout, child.Stderr = progress, &stderr
		child.Env = append(os.Environ(), "TMPDIR="+folder+".tmp") // removed with the folder, however it ends
		if err := os.MkdirAll(folder+".tmp", 0o755); err != nil {
			return err
		}
		err = child.Run()
		progress.end()
		if err != nil {
			return lastWords(stderr.String(), err)
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w; nothing is installed, and what was there is still there", run.ErrInterrupted)
	}
	if err != nil {
		return err
	}
	ending(w, []string{path}, "go run ./lesson doctor")
	return nil
}

// progress passes on what go-xla's installer says: on a terminal in one line that changes,
// elsewhere what is done and now and then how far it is.
type progress struct {
	w        io.Writer
	terminal bool
	line     []byte
	said     time.Time
}

// control is a command to a terminal.
var control = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[A-Za-z]|[0-9])")

// Write takes a piece of the installer's output; it never fails.
func (p *progress) Write(piece []byte) (int, error) {
	for _, b := range piece {
		if b != '\r' && b != '\n' {
			p.line = append(p.line, b)
			continue
		}
		p.say(printable.Escape(strings.TrimSpace(control.ReplaceAllString(string(p.line), ""))), b == '\n')
		p.line = p.line[:0]
	}
	return len(piece), nil
}

// say shows a line, which is done or, like the turning wheel, to be written over.
func (p *progress) say(text string, done bool) {
	const interval = 10 * time.Second // between lines in a log about the same download
	switch {
	case text == "":
	case p.terminal && done:
		fmt.Fprintf(p.w, "\r%s\x1b[K\n", text)
	case p.terminal:
		fmt.Fprintf(p.w, "\r%s\x1b[K", text)
	case done || time.Since(p.said) > interval:
		p.said = time.Now()
		fmt.Fprintln(p.w, text)
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
