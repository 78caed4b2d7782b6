// Command gpu measures how fast networks train on one NVIDIA GPU, how much memory they take, and how
// accurate they become, and compares them with PyTorch and JAX on the same card:
//
//	make bench-gpu
//
// The machine with the GPU needs neither Go nor a network. All it needs is a folder that this program
// prepares on a machine with Go:
//
//	go run ./tests/gpu pack       # bin/gpu-bench: this program, the peers, the images
//	bin/gpu-bench/run.sh          # on the machine with the GPU; see run.sh -h
//	go run ./tests/gpu table DIR  # print the tables of the results in DIR again
//
// The part record trains the course's recorded runs (recording.go, full.go).
//
// Each measurement is a process: ours, PyTorch's or JAX's. It compiles its training step, takes
// steps for a while whenever it is told to, and prints a line of JSON about them (see [peer]).
// Processes to be compared are alive at the same time and take turns, so that a drifting clock rate
// affects them all. Each result is appended to results.jsonl at once, and an interrupted run
// resumes where it stopped.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/residual-go/residual/tests/internal/measure"
)

func main() {
	measure.Main("gpu", "interrupted; run the same command again to resume", func(ctx context.Context) error {
		return command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	})
}

// command runs the subcommand that the first argument names. The last four are the processes of a
// measurement.
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
	case "full":
		return full(ctx, args, stdout)
	}
	return fmt.Errorf("unknown command %q; the commands are pack, run and table", name)
}
