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
	"strings"
	"time"

	"github.com/gomlx/compute"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/run"
)

// An XLA plugin may crash its process, and go-xla's installer cannot be interrupted. So doctor runs
// this program again, with one of the hidden commands below, to start a backend or to download a
// plugin.

// doctorStartCommand is the hidden command that starts a backend and prints its devices.
func doctorStartCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "start BACKEND",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := newBackend(args[0])
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

// doctorFetchCommand is the hidden command that downloads a plugin into a folder.
func doctorFetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "fetch PLUGIN FOLDER",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE:   func(_ *cobra.Command, args []string) error { return backend.Fetch(args[0], args[1]) },
	}
}

// childProcess returns a command that runs this program again and is killed when ctx is done.
func childProcess(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.CommandContext(ctx, program, args...), nil
}

// childError returns the error that a child process printed last on standard error, or err if it
// printed none.
func childError(stderr string, err error) error {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if text, ok := strings.CutPrefix(lines[len(lines)-1], "lesson: "); ok {
		return childMessage(text)
	}
	return err
}

// childMessage is the message of an error in a child process. It includes all advice.
type childMessage string

func (m childMessage) Error() string { return string(m) }

// tryBackend starts the backend of the given name in a child process and returns its devices.
func tryBackend(ctx context.Context, name string) ([]string, error) {
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	child, err := childProcess(ctx, "doctor", "start", name)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	if ctx.Err() == context.DeadlineExceeded {
		return nil, fmt.Errorf("backend %s did not start within %v; choose another with --backend or GOMLX_BACKEND", backend.Resolve(name), limit)
	}
	if err != nil {
		crash := fmt.Errorf("backend %s crashed while starting (%w); choose another with --backend or GOMLX_BACKEND", backend.Resolve(name), err)
		return nil, childError(stderr.String(), crash)
	}
	var devices []string
	if err := json.Unmarshal(out, &devices); err != nil {
		return nil, fmt.Errorf("start backend %s: read the child's output: %w", backend.Resolve(name), err)
	}
	return devices, nil
}

// installPlugin is doctor --install.
func installPlugin(cmd *cobra.Command, w io.Writer, name string) error {
	path, err := backend.Install(cmd.Context(), name, func(ctx context.Context, name, folder string) error {
		child, err := childProcess(ctx, "doctor", "fetch", name, folder)
		if err != nil {
			return err
		}
		var stderr bytes.Buffer
		progress := newInstalling(w)
		child.Stdout, child.Stderr = progress, &stderr
		child.Env = append(os.Environ(), "TMPDIR="+folder+".tmp") // Install removes it together with the folder
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
	ending(language(cmd), w, []string{path}, "go run ./lesson doctor")
	return nil
}
