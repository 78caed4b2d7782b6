package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/recipe"
)

// profile measures how the time of a step is spent. For ours it measures how long calls of the device
// take, and for ours and JAX it counts the instructions of the compiled program; for PyTorch it
// measures how long which kernels run. What is too long for a table goes to a file beside the results.
func (d *driver) profile(ctx context.Context) error {
	for _, subject := range d.subjects {
		for _, peer := range []string{ours, jax, eager, compiled} {
			s := spec{peer, subject.network, subject.size, subject.batch, recipe.BFloat16}
			if d.results.count(func(r record) bool {
				return r.Part == profilePart && r.spec == s && (r.Event == windowEvent || r.Event == failedEvent && !d.retrying)
			}) > 0 {
				continue
			}
			left, err := d.possible(profilePart, []spec{s})
			if err != nil {
				return err
			}
			if len(left) == 0 {
				continue
			}
			if err := d.profileOne(ctx, s); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := d.fail(profilePart, s, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (d *driver) profileOne(ctx context.Context, s spec) error {
	name := fmt.Sprintf("%s-%s-%d.txt", s.Peer, s.Network, s.Size)
	var options, variables []string
	dump := ""
	switch s.Peer {
	case ours:
		options = []string{"-profile"}
		fallthrough
	case jax:
		var err error
		if dump, err = os.MkdirTemp("", "gpu-hlo-"); err != nil {
			return fmt.Errorf("create a folder for the compiled programs: %w", err)
		}
		defer os.RemoveAll(dump)
		flags := os.Getenv("XLA_FLAGS") + " --xla_dump_hlo_as_text --xla_dump_to=" + dump
		variables = []string{"XLA_FLAGS=" + strings.TrimSpace(flags)}
	default:
		options = []string{"--profile", filepath.Join(d.out, "kernels-"+name)}
	}
	p, first, err := d.start(ctx, s, options, variables)
	if err != nil {
		return err
	}
	r, err := p.measure(d.seconds)
	p.close()
	if err != nil {
		return err
	}
	if err := errors.Join(d.keepOne(profilePart, s, first), d.keepOne(profilePart, s, r)); err != nil {
		return err
	}
	if dump == "" || s.Peer == ours && !strings.HasPrefix(d.backend, "xla") {
		return nil // no XLA, no dump
	}
	path, err := largestHLO(dump)
	if err != nil {
		return err
	}
	counts, err := keepHLO(path, filepath.Join(d.out, "hlo-"+name+".gz"))
	if err != nil {
		return err
	}
	return d.keepOne(profilePart, s, record{Event: hloEvent, HLO: counts})
}

// largestHLO returns the path of XLA's largest optimised program in dump: the training step.
func largestHLO(dump string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dump, "*after_optimizations.txt"))
	if err != nil {
		return "", fmt.Errorf("find the compiled programs: %w", err)
	}
	largest, size := "", int64(-1)
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
	}
	if largest == "" {
		return "", errors.New("XLA wrote no optimised program: --xla_dump_to had no effect")
	}
	return largest, nil
}

// keepHLO copies the program to a compressed file and returns the counts of its instructions.
func keepHLO(from, to string) (map[string]int, error) {
	text, err := os.ReadFile(from)
	if err != nil {
		return nil, fmt.Errorf("read the compiled program: %w", err)
	}
	file, err := os.Create(to)
	if err != nil {
		return nil, fmt.Errorf("keep the compiled program: %w", err)
	}
	packed := gzip.NewWriter(file)
	_, err = io.Copy(packed, strings.NewReader(string(text)))
	if err := errors.Join(err, packed.Close(), file.Close()); err != nil {
		return nil, fmt.Errorf("keep the compiled program: %w", err)
	}
	return countHLO(string(text)), nil
}
