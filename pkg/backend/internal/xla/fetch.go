//go:build linux && (amd64 || arm64) && cgo && !noxla

package xla

// Fetch downloads the plugin of kind "cpu" or "cuda" into folder. The CPU plugin for amd64 and the
// CUDA plugin come from the Python package index and are checked against a SHA-256; the CPU plugin
// for arm64 comes from GitHub, with no checksum. Run Fetch in a process of its own: go-xla's installer
// writes to standard output, cannot be interrupted, and leaves the folder incomplete if it fails.
func Fetch(kind, folder string) error {
	if kind == "cpu" {
		return fetchCPU(folder)
	}
	return fetchCUDA(folder)
}
