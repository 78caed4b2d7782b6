//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

import (
	"runtime"

	"github.com/gomlx/go-xla/installer"
	"github.com/gomlx/go-xla/pjrt"
)

// CPUVersion is the release of github.com/gomlx/pjrt-cpu-binaries that go-xla was tested with.
var CPUVersion = pjrt.DefaultCPUVersion

// Fetch has go-xla's installer put the plugin of kind "cpu" or "cuda" into folder: from GitHub,
// without a checksum but that of the connection, or from PyPI, with the SHA-256 that PyPI gives.
// It writes to standard output, and is to be run by a process of its own: it cannot be
// interrupted, and leaves a half-written folder if it fails.
func Fetch(kind, folder string) error {
	if kind == "cpu" {
		// Not kept in a cache: nothing would find out that what is in there is no archive.
		return installer.CPUInstall(runtime.GOOS+"_"+runtime.GOARCH, CPUVersion, folder, false, installer.Verbose)
	}
	return fetchCUDA(folder)
}
