//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

import (
	"runtime"

	"github.com/gomlx/go-xla/installer"
	"github.com/gomlx/go-xla/pjrt"
)

// CPUVersion is the release of github.com/gomlx/pjrt-cpu-binaries that go-xla is tested with.
var CPUVersion = pjrt.DefaultCPUVersion

// Fetch downloads the plugin of kind "cpu" or "cuda" into folder with go-xla's installer. The CPU
// plugin comes from GitHub, with no checksum; the CUDA plugin comes from PyPI and is checked against
// PyPI's SHA-256. Run Fetch in a process of its own: it writes to standard output, cannot be
// interrupted, and leaves the folder incomplete if it fails.
func Fetch(kind, folder string) error {
	if kind == "cpu" {
		// No cache: nothing would notice that a cached file is not an archive.
		return installer.CPUInstall(runtime.GOOS+"_"+runtime.GOARCH, CPUVersion, folder, false, installer.Verbose)
	}
	return fetchCUDA(folder)
}
