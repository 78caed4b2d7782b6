//go:build !linux && !darwin

package kernel

// hasBF16 returns false, because there is no known way to ask these systems.
func hasBF16() bool { return false }
