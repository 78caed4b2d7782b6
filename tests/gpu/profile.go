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
	"github.com/residual-go/residual/tests/internal/measure"
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
	path, err := trainingStep(dump, s)
	if err != nil {
		return err
	}
	text, err := keepHLO(path, filepath.Join(d.out, "hlo-"+name+".gz"))
	if err != nil {
		return err
	}
	return d.keepOne(profilePart, s, record{Event: hloEvent, HLO: countHLO(text), Products: countProducts(text)})
}

// trainingStep returns the path of the optimised program in dump that takes the training steps of s.
// A process compiles many programs, and the largest is often the one that draws the initial weights.
// The training step has the most convolutions and matrix products: for nearly every layer, one forward
// and two backward. If there are several such programs, for example for different numbers of steps,
// trainingStep returns the last. If no program has at least two products per layer, it returns an error;
// evaluation has one per layer.
func trainingStep(dump string, s spec) (string, error) {
	layers, err := productLayers(s)
	if err != nil {
		return "", err
	}
	paths, err := filepath.Glob(filepath.Join(dump, "*after_optimizations.txt"))
	if err != nil {
		return "", fmt.Errorf("find the compiled programs: %w", err)
	}
	if len(paths) == 0 {
		return "", errors.New("XLA wrote no optimised program: --xla_dump_to had no effect")
	}
	found, most := "", 0
	for _, path := range paths { // sorted by name, which begins with the program's number
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read a compiled program: %w", err)
		}
		if n := countProducts(string(text)); n >= most {
			found, most = path, n
		}
	}
	if most < 2*layers {
		return "", fmt.Errorf("none of the %d programs that XLA compiled is a training step: %s has %d convolutions and linear layers, and no program more than %d convolutions and matrix products, want about %d",
			len(paths), s.Network, layers, most, 3*layers-1)
	}
	return found, nil
}

// productLayers returns the number of convolutions and linear layers of the network.
func productLayers(s spec) (int, error) {
	config, err := measure.Network(s.Network)
	if err != nil {
		return 0, err
	}
	summary, err := config.Summary(s.Size, s.Size)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, layer := range summary.Layers {
		if layer.MultiplyAdds > 0 {
			n++
		}
	}
	return n, nil
}

// keepHLO copies the program to a compressed file and returns its text.
func keepHLO(from, to string) (string, error) {
	text, err := os.ReadFile(from)
	if err != nil {
		return "", fmt.Errorf("read the compiled program: %w", err)
	}
	file, err := os.Create(to)
	if err != nil {
		return "", fmt.Errorf("keep the compiled program: %w", err)
	}
	packed := gzip.NewWriter(file)
	_, err = io.Copy(packed, strings.NewReader(string(text)))
	if err := errors.Join(err, packed.Close(), file.Close()); err != nil {
		return "", fmt.Errorf("keep the compiled program: %w", err)
	}
	return string(text), nil
}
