//go:build !linux && !darwin

package cache

func secondLevel() int { return 0 }
