//go:build linux && !amd64 && !arm64

package grade

// filterCalls does nothing: the filter is written for amd64 and arm64.
func filterCalls() bool { return false }
