// Command bench measures how fast the networks train and run, and what memory that takes,
// on the project's CPU backend, on GoMLX's own Go backend and, where there is one, with
// PyTorch:
//
//	go run ./tests/bench
//
// Every measurement is a process of its own, which prints one line of JSON: this program
// again, or torch_step.py. The processes take turns – A, B, C, A, B, C – so that a machine
// that grows slower does so for all of them, and ratios are taken within a turn.
//
// Tables go to standard output and progress to standard error. -json has all that was
// measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/residual-go/residual/pkg/printable"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil:
	case interrupted:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "bench: "+printable.Line(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 2 && args[0] == childFlag {
		return child(args[1], stdout)
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout)
		return nil
	}
	if err != nil {
		return err
	}
	// For the peak, which is measured in this process.
	runtime.GOMAXPROCS(o.threads)
	b, err := newBench(ctx, o, stderr)
	if err != nil {
		return err
	}
	return b.run(stdout)
}
