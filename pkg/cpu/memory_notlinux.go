//go:build unix && !linux && !race

package cpu

func adviseLargePages([]byte) {}
