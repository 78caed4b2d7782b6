package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// The names of files in the folder that pack prepares.
const (
	binaryName  = "gpu-bench"
	archiveName = "cifar10-jpeg.tar.gz"
	unpackName  = "unpack"
)

// sizeWarning is the size in bytes above which pack warns that the folder is hard to copy.
const sizeWarning = 64 << 20

// pack prepares the folder for the machine with the GPU, which needs only Python besides. It prints
// how to use the folder, and uses it if this machine has a GPU.
func pack(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	out := flags.String("out", filepath.Join("bin", binaryName), "the folder to write; an existing one is replaced")
	tags := flags.String("tags", "", "build tags")
	data := flags.String("data", os.Getenv("RESIDUAL_TEST_DATA"), "folder with "+archiveName+" and unpack.go, which turns it into CIFAR-10's files")
	peer := flags.String("peer", os.Getenv("RESIDUAL_TEST_PEER"), "folder with torch_cifar.py, which trains with PyTorch by the fast recipe")
	onlyPack := flags.Bool("n", false, "only pack, even if this machine has a GPU")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		fmt.Fprintf(stderr, "this is %s/%s: the programs built here run only on such a machine\n", runtime.GOOS, runtime.GOARCH)
	}
	if err := os.RemoveAll(*out); err != nil {
		return fmt.Errorf("clear the folder: %w", err)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return fmt.Errorf("create the folder: %w", err)
	}
	fmt.Fprintln(stderr, "building", filepath.Join(*out, binaryName))
	if err := build(ctx, filepath.Join(*out, binaryName), "1", "build", "-tags="+*tags, "./tests/gpu"); err != nil {
		return err
	}
	if err := build(ctx, filepath.Join(*out, testsName), "1", "test", "-c", "-tags="+*tags, "./tests/suite/xla"); err != nil {
		return err
	}
	for _, path := range []string{"tests/gpu/run.sh", "tests/gpu/machine.py", "tests/gpu/torch_peer.py", "tests/gpu/jax_peer.py", "tests/gpu/seeded.py", "tests/bench/torch_step.py"} {
		if err := copyFile(path, filepath.Join(*out, filepath.Base(path))); err != nil {
			return err
		}
	}
	if err := packImages(ctx, *data, *out, stderr); err != nil {
		return err
	}
	if err := packImageNet(*data, *out, stderr); err != nil {
		return err
	}
	if err := packPeer(*peer, *out, stderr); err != nil {
		return err
	}
	var needs strings.Builder
	if err := requires(filepath.Join(*out, binaryName), &needs); err != nil {
		return err
	}
	if err := shrink(*out); err != nil {
		return err
	}
	if err := report(*out, needs.String(), stdout); err != nil {
		return err
	}
	if _, err := exec.LookPath("nvidia-smi"); err != nil || *onlyPack {
		return nil
	}
	cmd := exec.CommandContext(ctx, filepath.Join(*out, "run.sh"), "-out", filepath.Join(filepath.Dir(*out), "gpu-results"))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// Interrupted rather than killed, so that it can end its processes first.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.Run()
}

// build runs go with args to build a program, with cgo "1" or "0". The last argument is the package.
func build(ctx context.Context, out, cgo string, args ...string) error {
	last := len(args) - 1
	cmd := exec.CommandContext(ctx, "go", slices.Concat(args[:last], []string{"-trimpath", "-ldflags=-s -w", "-o", out}, args[last:])...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s (XLA needs cgo, and cgo a C compiler): %w: %s", args[last], err, output)
	}
	return nil
}

// shrink compresses the programs to a third of their size. run.sh decompresses them.
func shrink(out string) error {
	for _, name := range []string{binaryName, testsName, unpackName} {
		content, err := os.ReadFile(filepath.Join(out, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("pack: %w", err)
		}
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		if _, err := writer.Write(content); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if err := writer.Close(); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(out, name+".gz"), packed.Bytes(), 0o644); err != nil {
			return fmt.Errorf("pack: %w", err)
		}
		if err := os.Remove(filepath.Join(out, name)); err != nil {
			return fmt.Errorf("pack: %w", err)
		}
	}
	return nil
}

// packImages adds the images and the program that unpacks them.
func packImages(ctx context.Context, data, out string, log io.Writer) error {
	if data == "" {
		fmt.Fprintln(log, "no images: set RESIDUAL_TEST_DATA to a folder with", archiveName, "to train on them")
		return nil
	}
	archive := filepath.Join(data, archiveName)
	if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(log, "no images:", data, "has no", archiveName)
		return nil
	}
	if err := copyFile(archive, filepath.Join(out, archiveName)); err != nil {
		return err
	}
	return build(ctx, filepath.Join(out, unpackName), "0", "build", filepath.Join(data, "unpack.go"))
}

// packImageNet adds the ImageNet weights that the article's program starts from, and the programs and
// photographs needed to decode and calibrate them.
func packImageNet(data, out string, log io.Writer) error {
	from, into := filepath.Join(data, imageNetName), filepath.Join(out, imageNetName)
	if _, err := os.Stat(filepath.Join(from, imageNetWeights)); data == "" || errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(log, "no ImageNet weights: set RESIDUAL_TEST_DATA to a folder with", filepath.Join(imageNetName, imageNetWeights), "to record the article's program")
		return nil
	}
	photos, err := filepath.Glob(filepath.Join(from, "photos", "*.JPEG"))
	if err != nil {
		return fmt.Errorf("find the photographs: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(into, "photos"), 0o755); err != nil {
		return fmt.Errorf("create the folder of the ImageNet weights: %w", err)
	}
	for _, name := range []string{imageNetWeights, "decode.py", "calibrate.py", "LICENSE-pqf"} {
		if err := copyFile(filepath.Join(from, name), filepath.Join(into, name)); err != nil {
			return err
		}
	}
	for _, photo := range photos {
		if err := copyFile(photo, filepath.Join(into, "photos", filepath.Base(photo))); err != nil {
			return err
		}
	}
	return nil
}

// packPeer adds the program that trains with PyTorch and the files it imports.
func packPeer(from, out string, log io.Writer) error {
	if from == "" {
		fmt.Fprintln(log, "no PyTorch training to compare with: set RESIDUAL_TEST_PEER to a folder with torch_cifar.py")
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(from, "*.py"))
	if err != nil || !slices.Contains(paths, filepath.Join(from, filepath.Base(peerProgram))) {
		return fmt.Errorf("%s has no %s; name another folder with -peer", from, filepath.Base(peerProgram))
	}
	into := filepath.Join(out, filepath.Dir(peerProgram))
	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("create the folder of the peer: %w", err)
	}
	for _, path := range paths {
		if err := copyFile(path, filepath.Join(into, filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy into the folder: %w (run this in the root folder of the repository)", err)
	}
	mode := os.FileMode(0o644)
	if strings.HasSuffix(from, ".sh") {
		mode = 0o755
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		return fmt.Errorf("copy into the folder: %w", err)
	}
	return nil
}

// report prints the size of the folder, what it needs on the other machine, and how to run it.
func report(out, needs string, w io.Writer) error {
	var size int64
	err := filepath.WalkDir(out, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("measure the folder: %w", err)
	}
	fmt.Fprintf(w, "%s is complete: %.1f MiB\n", out, float64(size)/(1<<20))
	if size > sizeWarning {
		fmt.Fprintf(w, "that is more than %d MiB: some ways to copy it may refuse\n", sizeWarning>>20)
	}
	_, err = fmt.Fprintf(w, "%scopy it to the machine with the GPU and run, with a python3 that has PyTorch and JAX:\n\n  %s/run.sh -minutes 9\n\nrepeat until it no longer reports that the time is up\n", needs, out)
	return err
}

// requires prints the system that the program at path needs.
func requires(path string, w io.Writer) error {
	program, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read the program's requirements: %w", err)
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read the program's requirements: %w", err)
	}
	symbols, err := program.ImportedSymbols()
	if err != nil && len(libraries) > 0 {
		return fmt.Errorf("read the program's requirements: %w", err)
	}
	newest := "" // version of glibc
	for _, s := range symbols {
		if version, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok && newer(version, newest) {
			newest = version
		}
	}
	if len(libraries) == 0 {
		_, err = fmt.Fprintln(w, "it needs no libraries: it was built without cgo, so it has no XLA")
	} else {
		_, err = fmt.Fprintf(w, "it needs Linux on x86-64 with glibc %s or newer (%s)\n", newest, strings.Join(libraries, ", "))
	}
	return err
}

// newer reports whether version a is newer than b, as 2.34 is newer than 2.9.
func newer(a, b string) bool {
	numbers := func(version string) (all []int) {
		for part := range strings.SplitSeq(version, ".") {
			n, err := strconv.Atoi(part)
			if err != nil {
				return nil // not a version: PRIVATE
			}
			all = append(all, n)
		}
		return all
	}
	return slices.Compare(numbers(a), numbers(b)) > 0
}
