//go:build linux && cgo && !noxla

package xla

import "github.com/gomlx/go-xla/installer"

// fetchCUDA fetches jax's newest plugin and NVIDIA's libraries for it, of a CUDA that the driver
// supports.
func fetchCUDA(folder string) error {
	version := "cuda13"
	if supports, err := Driver(); err == nil && supports < 13000 {
		version = "cuda12"
	}
	return installer.CudaInstall(version, "latest", folder, true, installer.Verbose)
}
