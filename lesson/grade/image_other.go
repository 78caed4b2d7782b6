//go:build !linux

package grade

// memorySize returns 0: unknown.
func memorySize(string) uint64 { return 0 }
