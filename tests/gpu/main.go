// Command gpu measures how fast networks train on one NVIDIA GPU, how much of its memory
// that takes and how accurate they become, beside PyTorch and JAX on the same card:
//
//	make bench-gpu
//
// The machine with the GPU needs no Go and no network. What it needs is a folder, which
// this program makes where there is Go:
//
//	go run ./tests/gpu pack       # bin/gpu-bench: this program, the peers, the images
//	bin/gpu-bench/run.sh          # there; see run.sh -h
//	go run ./tests/gpu table DIR  # the tables once more, from the results in DIR
//
// Every measurement is a process, ours as PyTorch's and JAX's, that compiles its training
// step, takes it for a while whenever it is told to, and prints a line of JSON about that
// (see [peer]). Those that are compared are alive at the same time and take turns, so that
// a clock that drifts does so for all of them. What they print is appended to
// results.jsonl at once: a run that was cut off goes on where it stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/residual-go/residual/pkg/printable"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case interrupted:
		fmt.Fprintln(os.Stderr, "gpu: interrupted; the same command goes on")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "gpu: "+printable.Line(err.Error()))
		os.Exit(1)
	}
}

// command does what the first argument names. The last three are processes of a measurement.
func command(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "pack":
		return pack(ctx, args, stdout, stderr)
	case "run":
		return drive(ctx, args, stdout, stderr)
	case "table":
		return tables(args, stdout)
	case "backend":
		return describe(args, stdout)
	case "step":
		return step(ctx, args, stdin, stdout)
	case "train":
		return train(ctx, args, stdout)
	}
	return fmt.Errorf("unknown command %q; there are pack, run and table", name)
}
