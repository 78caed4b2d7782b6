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

// An XLA plugin may crash its process. So doctor starts a backend in a child process. It also runs
// the installer in one, so that Ctrl-C can end it.

// doctorStartCommand is the hidden command of the child process that starts a backend and lists its
// devices.
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

// doctorFetchCommand is the hidden command of the child process that downloads a plugin into a folder.
func doctorFetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "fetch PLUGIN FOLDER",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE:   func(_ *cobra.Command, args []string) error { return backend.Fetch(args[0], args[1]) },
	}
}

// childProcess returns a command that runs this program again and ends with ctx.
func childProcess(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.CommandContext(ctx, self, args...), nil
}

// childError returns the error that a child process of this program printed last or, if it printed
// none, err.
func childError(stderr string, err error) error {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if text, ours := strings.CutPrefix(lines[len(lines)-1], "lesson: "); ours {
		return childMessage(text)
	}
	return err
}

// childMessage is an error as a child process of this program has worded it, advice included.
type childMessage string

func (m childMessage) Error() string { return string(m) }

// tryBackend starts the backend of the given name in a child process and returns its devices.
func tryBackend(ctx context.Context, name string) ([]string, error) {
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	child, err := childProcess(ctx, "doctor", "start", name)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	if ctx.Err() == context.DeadlineExceeded {
		return nil, fmt.Errorf("backend %s did not start within %v; choose another with --backend, or GOMLX_BACKEND", backend.Resolve(name), patience)
	}
	if err != nil {
		said := childError(stderr.String(), nil)
		if said == nil {
			said = fmt.Errorf("backend %s crashed while starting (%w); choose another with --backend, or GOMLX_BACKEND", backend.Resolve(name), err)
		}
		return nil, said
	}
	var devices []string
	if err := json.Unmarshal(out, &devices); err != nil {
		return nil, fmt.Errorf("start backend %s: read the child's output: %w", backend.Resolve(name), err)
	}
	return devices, nil
}

// installPlugin runs doctor --install.
func installPlugin(cmd *cobra.Command, w io.Writer, name string) error {
	path, err := backend.Install(cmd.Context(), name, func(ctx context.Context, name, folder string) error {
		child, err := childProcess(ctx, "doctor", "fetch", name, folder)
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
			return childError(stderr.String(), err)
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w; nothing was installed or changed", run.ErrInterrupted)
	}
	if err != nil {
		return err
	}
	ending(w, []string{path}, "go run ./lesson doctor")
	return nil
}

// progress passes on the output of go-xla's installer. On a terminal it keeps rewriting one line;
// elsewhere it prints finished lines, and unfinished ones every few seconds.
type progress struct {
	w        io.Writer
	terminal bool
	line     []byte
	said     time.Time
}

// control matches an escape sequence.
var control = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[A-Za-z]|[0-9])")

// Write handles a piece of the installer's output. It never fails.
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

// say shows a line. Unless it is done, like that of a progress bar, the next one replaces it.
func (p *progress) say(text string, done bool) {
	const interval = 10 * time.Second // between unfinished lines
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

// end clears the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
