// Package cache finds out how large the processor's caches are.
package cache

import (
	"encoding/binary"
	"sync"
)

// SecondLevel returns the size in bytes of one core's second-level cache, or 0 if it is not known. If
// cores share a cache, it is the share of one core; if there are fast and slow cores, it is that of a fast
// core.
var SecondLevel = sync.OnceValue(secondLevel)

// sysctl computes the result of secondLevel from macOS's variables; raw returns the bytes of a variable.
// Performance level 0 is that of the fast cores; Macs with Intel processors have no levels.
func sysctl(raw func(name string) ([]byte, error)) int {
	read := func(name string) int {
		value, err := raw(name)
		switch {
		case err == nil && len(value) == 4:
			return int(int32(binary.LittleEndian.Uint32(value)))
		case err == nil && len(value) == 8:
			return int(binary.LittleEndian.Uint64(value))
		}
		return 0
	}
	if size, cores := read("hw.perflevel0.l2cachesize"), read("hw.perflevel0.cpusperl2"); size > 0 && cores > 0 {
		return size / cores
	}
	return max(0, read("hw.l2cachesize"))
}
