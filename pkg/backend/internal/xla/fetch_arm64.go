//go:build linux && cgo && !noxla

package xla

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gomlx/go-xla/installer"
	"github.com/gomlx/go-xla/pjrt"
)

// fetchCPU downloads go-xla's build of the CPU plugin from GitHub. It has no checksum.
func fetchCPU(folder string) error {
	// Without the cache, because the installer would not notice a cached file that is not an archive.
	return installer.CPUInstall("linux_arm64", pjrt.DefaultCPUVersion, folder, false, installer.Verbose)
}

// CPUByHand says how to install the CPU plugin into folder without a network.
func CPUByHand(folder string) string {
	return fmt.Sprintf("without a network, unpack the archive for linux_arm64 from https://github.com/gomlx/pjrt-cpu-binaries/releases/tag/%s into %s",
		pjrt.DefaultCPUVersion, folder)
}

// CachedCPU returns an error: no CPU plugin for arm64 with a checksum is known.
func CachedCPU(context.Context, io.Writer) (string, error) {
	return "", errors.New("no verified XLA CPU plugin for linux/arm64 is known")
}

// fetchCUDA returns an error: go-xla's installer supports only amd64.
func fetchCUDA(string) error {
	return errors.New("go-xla has no CUDA plugin for arm64; install jax with pip and use the backend xla:/path/to/site-packages")
}
