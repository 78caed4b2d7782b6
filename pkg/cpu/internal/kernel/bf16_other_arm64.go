//go:build !linux && !darwin

package kernel

// hasBF16 returns false: it is not known how to ask here.
func hasBF16() bool { return false }
