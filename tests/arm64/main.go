// Command arm64 runs tests on an emulated arm64 machine, QEMU's user mode.
//
//	go run ./tests/arm64           the packages that can run there, which takes half an hour
//	go run ./tests/arm64 -short    only the CPU backend and its NEON kernels, in three minutes
//
// If the emulator is missing, it is installed on Debian and Ubuntu, for root. Elsewhere short tests are
// skipped, with a line that says so, and the others fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/residual-go/residual/tests/internal/debian"
)

const emulator = "qemu-aarch64"

// packages are the Debian packages of the emulator, and of the disassembler with which a test of package
// kernel checks the NEON instructions that Go's assembler lacks.
var packages = []string{"qemu-user", "binutils-aarch64-linux-gnu"}

// backend is the CPU backend.
const backend = "./pkg/cpu/..."

// unfit are the packages whose tests start programs, which are then of this machine's kind or cannot be
// started, or have nothing to compute.
var unfit = []string{}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	short := flag.Bool("short", false, "only the CPU backend and its NEON kernels")
	flag.Parse()
	if err := run(ctx, *short); err != nil {
		fmt.Fprintln(os.Stderr, "arm64: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, short bool) error {
	if runtime.GOARCH == "arm64" {
		fmt.Println("skipping the emulator of arm64: this machine is one, so go test tests it")
		return nil
	}
	if err := setup(ctx); err != nil {
		if short {
			fmt.Printf("skipping the tests on arm64: %v\n", err)
			return nil
		}
		return err
	}
	args := []string{"test", "-tags", "noxla", "-exec", emulator, "-timeout", "90m"}
	if short {
		args = append(args, "-short", backend)
	} else {
		list, err := all(ctx)
		if err != nil {
			return err
		}
		args = append(args, list...)
	}
	test := exec.CommandContext(ctx, "go", args...)
	test.Env, test.Stdout, test.Stderr = environment(), os.Stdout, os.Stderr
	fmt.Println("GOARCH=arm64", strings.Join(test.Args[:min(len(test.Args), 9)], " "))
	if err := test.Run(); err != nil {
		return fmt.Errorf("the tests: %w", err)
	}
	return nil
}

// environment returns the environment in which Go builds for arm64.
func environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
}

// setup installs the emulator if it is missing. It does not insist on the disassembler.
func setup(ctx context.Context) error {
	if _, err := exec.LookPath(emulator); err == nil {
		return nil
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%s runs on Linux only", emulator)
	}
	if err := debian.Install(ctx, packages...); err != nil {
		return fmt.Errorf("no %s: %w", emulator, err)
	}
	if _, err := exec.LookPath(emulator); err != nil {
		return errors.New("apt-get installed " + emulator + ", but it is not in PATH")
	}
	return nil
}

// all returns the packages of the library and the lessons that can be tested.
func all(ctx context.Context) ([]string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-tags", "noxla", "./pkg/...")
	list.Env, list.Stderr = environment(), os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	var chosen []string
	for name := range strings.Lines(string(out)) {
		chosen = append(chosen, strings.TrimSpace(name))
	}
	return chosen, nil
}
