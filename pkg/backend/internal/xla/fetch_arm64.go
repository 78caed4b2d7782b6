//go:build linux && cgo && !noxla

package xla

import "errors"

// fetchCUDA returns an error: go-xla's installer knows amd64 alone.
func fetchCUDA(string) error {
	return errors.New("go-xla has no CUDA plugin for arm64; install jax's with pip, and name its folder: --backend xla:/path/to/site-packages")
}
