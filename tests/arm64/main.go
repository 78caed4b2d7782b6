// Command arm64 runs tests on an emulated arm64 machine, with QEMU's user mode.
//
//	go run ./tests/arm64           the library, and its parity with PyTorch, in about half an hour on two cores
//	go run ./tests/arm64 -short    the short tests of the CPU backend, with its NEON kernels, in three minutes
//
// If the emulator is missing, short tests, which make test runs, are skipped with a line that says so. The
// others install it first, on Debian and Ubuntu, for root; elsewhere they fail.
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

// packages are the Debian packages of the emulator, and of the disassembler that a test of package kernel
// uses to check the NEON instructions that Go's assembler does not know.
var packages = []string{"qemu-user", "binutils-aarch64-linux-gnu"}

const (
	backend = "./pkg/cpu/..."
	kernels = "./pkg/cpu/internal/kernel"
	library = "./pkg/..."
	parity  = "./tests/suite/parity" // with PyTorch's values
)

// oldest is a processor without any extension of ARMv8.0, as in a Raspberry Pi 3.
const oldest = "cortex-a53"

// unfit are the tests that start their own program again, which the emulator cannot do.
var unfit = []string{
	"TestFontVariable",                                  // pkg/figure
	"TestPrepareSweeps",                                 // pkg/atomicfile
	"TestNothingIsPrinted",                              // pkg/backend/internal/quiet
	"TestFetchAfterAKill", "TestFetchWithFileSizeLimit", // pkg/cifar
	"TestResumeSweeps", "TestFullDiskKeepsEarlierCheckpoints", // pkg/run
	"TestKilledAndResumedGivesTheSameBits", "TestStartedKilledAndResumedGivesTheSameBits",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	short := flag.Bool("short", false, "only the short tests of the CPU backend")
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
	if err := setup(ctx, !short); err != nil {
		if short {
			fmt.Printf("skipping the tests on arm64: %v\n", err)
			return nil
		}
		return err
	}
	if short {
		return test(ctx, nil, "-short", backend)
	}
	if err := test(ctx, []string{"QEMU_CPU=" + oldest}, kernels); err != nil {
		return err
	}
	return test(ctx, nil, "-skip", "^("+strings.Join(unfit, "|")+")$", library, parity)
}

// test runs go test for arm64, with variables added to the environment.
func test(ctx context.Context, variables []string, args ...string) error {
	variables = append(variables, "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	args = append([]string{"test", "-tags", "noxla", "-exec", emulator, "-timeout", "90m"}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), variables...), os.Stdout, os.Stderr
	fmt.Println(strings.Join(append(variables, cmd.Args...), " "))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the tests on an emulated arm64: %w", err)
	}
	return nil
}

// setup looks for the emulator and, with install, installs it if it is missing. It does not insist on the
// disassembler.
func setup(ctx context.Context, install bool) error {
	if _, err := exec.LookPath(emulator); err == nil {
		return nil
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%s runs on Linux only", emulator)
	}
	if !install {
		return fmt.Errorf("no %s; on Debian and Ubuntu: apt-get install %s", emulator, strings.Join(packages, " "))
	}
	if err := debian.Install(ctx, packages...); err != nil {
		return fmt.Errorf("no %s: %w", emulator, err)
	}
	if _, err := exec.LookPath(emulator); err != nil {
		return errors.New("apt-get installed " + emulator + ", but it is not in PATH")
	}
	return nil
}
