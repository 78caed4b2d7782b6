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

// torchStep is the program torch_step.py. It is passed to Python through a pipe, so that the benchmark
// runs in any folder.
//
//go:embed torch_step.py
var torchStep string

// processes starts the measuring processes.
type processes struct {
	self  string // this program
	peers peers
}

// run measures s in a process of its own.
func (p processes) run(ctx context.Context, s spec) (result, error) {
	var cmd *exec.Cmd
	peer, ok := p.peers.of(s.Backend)
	if ok {
		cmd = exec.CommandContext(ctx, peer.Python, peer.args(s)...)
		cmd.Stdin = strings.NewReader(torchStep)
	} else {
		config, err := json.Marshal(s)
		if err != nil {
			return result{}, err
		}
		cmd = exec.CommandContext(ctx, p.self, childFlag, string(config))
	}
	threads := fmt.Sprint(s.Threads)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+threads, "OMP_NUM_THREADS="+threads)
	cmd.Env = append(cmd.Env, peer.environment()...)
	output, err := outputOf(cmd)
	if err != nil {
		return result{}, fmt.Errorf("measure %s of %s with %s: %w", modeName(s.Mode), s.Network, label(s.Backend), err)
	}
	return parseResult(output, s)
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
	if r.Backend == torch && base(s.Backend) == torch {
		r.Backend = s.Backend
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

// label returns the name of a contender in messages.
func label(name string) string {
	if how, ok := strings.CutPrefix(name, torch+":"); ok {
		return "PyTorch of " + how
	}
	return name
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
