//go:build linux && cgo && !noxla

package xla

import "github.com/gomlx/go-xla/installer"

// fetchCUDA downloads jax's newest plugin for a CUDA version that the driver supports, and NVIDIA's
// libraries for it.
func fetchCUDA(folder string) error {
	version := "cuda13"
	if supports, err := Driver(); err == nil && supports < 13000 {
		version = "cuda12"
	}
	return installer.CudaInstall(version, "latest", folder, true, installer.Verbose)
}
