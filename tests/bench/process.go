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

// peer is the program torch_step.py. It is passed to Python through a pipe, so that the benchmark runs in
// any folder.
//
//go:embed torch_step.py
var peer string

// torch stands for PyTorch in place of a backend's name.
const torch = "torch"

// processes starts the measuring processes.
type processes struct {
	self         string // this program
	python       string
	channelsLast bool
	compile      bool
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

// peerArgs returns the arguments of torch_step.py.
func (p processes) peerArgs(s spec) []string {
	args := []string{"-", s.Network, "--batch", fmt.Sprint(s.Batch), "--threads", fmt.Sprint(s.Threads),
		"--steps", fmt.Sprint(s.Steps), "--seconds", fmt.Sprint(s.Seconds)}
	if s.Mode == evalMode {
		args = append(args, "--eval")
	}
	if p.channelsLast {
		args = append(args, "--channels-last")
	}
	if p.compile {
		args = append(args, "--compile")
	}
	return args
}

// outputOf returns the output of the command. Its error contains the last line of standard error, where
// programs give the reason.
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

// parseResult decodes the line that a process printed, and checks that it is a result of s.
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

// torchVersion returns the version of Python's PyTorch.
func torchVersion(ctx context.Context, python string) (string, error) {
	output, err := outputOf(exec.CommandContext(ctx, python, "-c", "import torch; print(torch.__version__)"))
	return lastLine(output), err
}

// label returns the name of a contender in messages and tables.
func label(backend string) string {
	if backend == torch {
		return "PyTorch"
	}
	return backend
}

// sameNetwork returns an error if the results differ in the number of parameters, since comparing
// different networks would mean nothing.
func sameNetwork(results []result) error {
	i := slices.IndexFunc(results, func(r result) bool { return r.Parameters != results[0].Parameters })
	if i < 0 {
		return nil
	}
	a, b := results[0], results[i]
	return fmt.Errorf("%s has %d parameters with %s but %d with %s: the networks differ",
		a.Network, a.Parameters, label(a.Backend), b.Parameters, label(b.Backend))
}
