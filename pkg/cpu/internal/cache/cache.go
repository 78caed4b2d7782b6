// Package cache says how large the processor's caches are.
package cache

import (
	"encoding/binary"
	"sync"
)

// SecondLevel returns the size in bytes of the second-level cache that one core has, or 0 if it is not
// known. If cores share a cache, it is the share of one of them; if there are fast and slow cores, it is
// that of the fast ones.
var SecondLevel = sync.OnceValue(secondLevel)

// sysctl returns what secondLevel should, as macOS describes it: raw returns the bytes of a variable.
// Performance level 0 is that of the fast cores; Macs with processors of Intel have no levels.
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
