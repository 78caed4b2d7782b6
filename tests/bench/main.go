// Command bench measures how fast the networks train and infer, and how much memory they take, on
// the project's CPU backend, on GoMLX's Go backend and, if it is installed, with PyTorch:
//
//	go run ./tests/bench
//
// More than one PyTorch, and more than one way to run it, can be compared with at once:
//
//	go run ./tests/bench -torch /usr/bin/python3 -torch ~/new/bin/python -torch ~/new/bin/python,channels-last
//
// The AVX2 kernels are measured on a processor with AVX-512 beside a PyTorch that does not use it either:
//
//	go run ./tests/bench -backends cpu:kernel=avx2 -torch /usr/bin/python3,avx2
//
// Each measurement is a process of its own, either this program again or torch_step.py, which prints
// one line of JSON. The processes take turns – A, B, C, A, B, C – so that a machine that slows down
// affects them all. Ratios are computed within a turn.
//
// With -backends cpu:profile, a table says where the time of a step goes.
//
// Tables go to standard output and progress to standard error. -json writes all measurements. -from draws the
// figure from such a file, with -lang zh in Chinese, and tests/notebooks then puts that one into README.zh.md:
//
//	go run ./tests/bench -json speed.json
//	go run ./tests/bench -from speed.json -lang zh -figures figures/zh
//	go run ./tests/notebooks zh
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"runtime"

	"github.com/residual-go/residual/tests/internal/measure"
)

func main() {
	measure.Main("bench", "interrupted", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	})
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
	if o.from != "" {
		return redraw(o, stdout)
	}
	// This process measures the machine's peak GFLOPS, so it needs the same number of threads.
	runtime.GOMAXPROCS(o.threads)
	b, err := newBench(ctx, o, stderr)
	if err != nil {
		return err
	}
	return b.run(stdout)
}
