package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// peer is a training or inference step in PyTorch. It goes to Python through a pipe, so
// that the bench runs from any folder.
//
//go:embed torch_step.py
var peer string

// torch is what takes the place of a backend's name for PyTorch.
const torch = "torch"

// processes starts the processes that measure.
type processes struct {
	self         string // this program
	python       string
	channelsLast bool
}

// run measures s in a process of its own.
func (p processes) run(ctx context.Context, s spec) (result, error) {
	var cmd *exec.Cmd
	if s.Backend == torch {
		cmd = exec.CommandContext(ctx, p.python, p.peerArgs(s)...)
		cmd.Stdin = strings.NewReader(peer)
	} else {
		config, err := json.Marshal(s)
		if err != nil {
			return result{}, err
		}
		cmd = exec.CommandContext(ctx, p.self, childFlag, string(config))
	}
	threads := fmt.Sprint(s.Threads)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+threads, "OMP_NUM_THREADS="+threads)
	output, err := outputOf(cmd)
	if err != nil {
		return result{}, fmt.Errorf("measure %s of %s with %s: %w", modeName(s.Mode), s.Network, label(s.Backend), err)
	}
	return parseResult(output, s)
}

// peerArgs is the command line of torch_step.py.
func (p processes) peerArgs(s spec) []string {
	args := []string{"-", s.Network, "--batch", fmt.Sprint(s.Batch), "--threads", fmt.Sprint(s.Threads),
		"--steps", fmt.Sprint(s.Steps), "--seconds", fmt.Sprint(s.Seconds)}
	if s.Mode == evalMode {
		args = append(args, "--eval")
	}
	if p.channelsLast {
		args = append(args, "--channels-last")
	}
	return args
}

// outputOf returns what the command prints. Its error has the last line of what the
// command had to say about it, where programs put the reason.
func outputOf(cmd *exec.Cmd) ([]byte, error) {
	output, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if reason := lastLine(exit.Stderr); reason != "" {
			return nil, fmt.Errorf("%w: %s", err, reason)
		}
	}
	return output, err
}

func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:]))
}

// parseResult reads the line that a process printed, and sees that it is about s.
func parseResult(output []byte, s spec) (result, error) {
	var r result
	line := lastLine(output)
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return r, fmt.Errorf("%s printed %.80q, want a line of JSON: %w", label(s.Backend), line, err)
	}
	asked := spec{Backend: r.Backend, Network: r.Network, Mode: r.Mode, Batch: r.Batch, Threads: r.Threads,
		WarmUps: s.WarmUps, Steps: s.Steps, Seconds: s.Seconds}
	switch {
	case asked != s:
		return r, fmt.Errorf("%s measured %+v, want %+v", label(s.Backend), asked, s)
	case r.Steps < s.Steps || !(r.Seconds > 0) || r.Parameters < 1:
		return r, fmt.Errorf("%s reports %d steps of %g seconds and %d parameters", label(s.Backend), r.Steps, r.Seconds, r.Parameters)
	}
	r.ImagesPerSecond = float64(r.Batch) / r.Seconds
	return r, nil
}

// torchVersion asks Python for PyTorch's version.
func torchVersion(ctx context.Context, python string) (string, error) {
	output, err := outputOf(exec.CommandContext(ctx, python, "-c", "import torch; print(torch.__version__)"))
	return lastLine(output), err
}

// label is how a backend is called in words and tables.
func label(backend string) string {
	if backend == torch {
		return "PyTorch"
	}
	return backend
}

// sameNetwork reports an error if not all results have as many parameters as the first:
// then they are about different networks, and no ratio means anything.
func sameNetwork(results []result) error {
	i := slices.IndexFunc(results, func(r result) bool { return r.Parameters != results[0].Parameters })
	if i < 0 {
		return nil
	}
	a, b := results[0], results[i]
	return fmt.Errorf("%s has %d parameters with %s and %d with %s: these are not one network",
		a.Network, a.Parameters, label(a.Backend), b.Parameters, label(b.Backend))
}
