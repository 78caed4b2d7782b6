//go:build linux && !amd64 && !arm64

package grade

// filterCalls knows no numbers of system calls here.
func filterCalls() bool { return false }
