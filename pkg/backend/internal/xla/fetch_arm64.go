//go:build linux && cgo && !noxla

package xla

import "errors"

// fetchCUDA returns an error: go-xla's installer supports only amd64.
func fetchCUDA(string) error {
	return errors.New("go-xla has no CUDA plugin for arm64; install jax with pip and use the backend xla:/path/to/site-packages")
}
