//go:build linux && cgo && !noxla

package xla

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/download"
)

// The CPU plugin for Linux on amd64 is a file in a package of the Python package index,
// fastatomstruct-xla-cpu 2026.6.23, which contains little else. Its description says that it is the
// unmodified build manual-2026-06-23T00-20-00Z of XLA, PJRT API 0.106, from
// github.com/zml/pjrt-artifacts, under Apache-2.0. An archive in the index never changes, so that
// its SHA-256 can be written down here, and the tests of this project run on exactly this build.
const (
	wheel       = "fastatomstruct_xla_cpu-2026.6.23-py3-none-manylinux_2_27_x86_64.whl"
	wheelURL    = "https://files.pythonhosted.org/packages/60/13/7898187ec6cc2b4ac8f50a57119902bf1c817fc86ea17ee76494d4277a76/" + wheel
	wheelSHA256 = "88b1c430b341b4bea40a37420311c9c75db6e22b46d2ff95b6986577bee6afe9"
	wheelMember = "fastatomstruct_xla_cpu/libpjrt_cpu.so"
	wheelLimit  = 1 << 27 // bytes; the wheel has 63 MB
	memberLimit = 1 << 30 // bytes; the plugin has 274 MB
)

// cpuPlugin is the name of the CPU plugin's file, once installed.
const cpuPlugin = "pjrt_c_api_cpu_plugin.so"

// CPUByHand is empty: the error of a failed download says where to put the archive.
func CPUByHand(string) string { return "" }

// fetchCPU downloads the CPU plugin into folder.
func fetchCPU(folder string) error {
	_, err := unpackCPU(context.Background(), folder, os.Stdout)
	return err
}

// CachedCPU returns the path of the CPU plugin in the project's cache. If it is not there,
// CachedCPU downloads it and writes its progress to w; without w it returns an error that wraps
// [fs.ErrNotExist].
func CachedCPU(ctx context.Context, w io.Writer) (string, error) {
	cache, err := download.CacheDir()
	if err != nil {
		return "", err
	}
	// The version is part of the folder's name, so that a later version does not use this plugin.
	folder := filepath.Join(cache, "xla", "cpu-2026.6.23")
	path := filepath.Join(folder, cpuPlugin)
	if _, err := os.Stat(path); err == nil || w == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	return unpackCPU(ctx, folder, w)
}

// unpackCPU downloads the archive to the project's cache, verifies it, and unpacks the plugin into
// folder.
func unpackCPU(ctx context.Context, folder string, w io.Writer) (path string, err error) {
	cache, err := download.CacheDir()
	if err != nil {
		return "", err
	}
	archive := filepath.Join(cache, "xla", wheel)
	var last time.Time
	fetcher := download.Fetcher{Progress: func(done, total int64) {
		end := "\r"
		if done == total {
			end = "\n"
		} else if time.Since(last) < time.Second/5 {
			return
		}
		last = time.Now()
		fmt.Fprintf(w, "XLA's CPU plugin: %d of %d MB%s", done/1e6, max(done, total)/1e6, end)
	}}
	if err := fetcher.Fetch(ctx, download.File{URL: wheelURL, Path: archive, Noun: "archive with XLA's CPU plugin", SHA256: wheelSHA256, Limit: wheelLimit}); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(folder, cpuPlugin)
	files, err := zip.OpenReader(archive)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", archive, err)
	}
	defer files.Close()
	member, err := files.Open(wheelMember)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", archive, err)
	}
	defer member.Close()
	if err := atomicfile.Write(path, func(out io.Writer) error {
		n, err := io.Copy(out, io.LimitReader(member, memberLimit))
		if err == nil && n == memberLimit {
			err = fmt.Errorf("it has more than %d bytes", memberLimit)
		}
		return err
	}); err != nil {
		return "", fmt.Errorf("unpack %s: %w", archive, err)
	}
	return path, nil
}
