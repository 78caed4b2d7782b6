//go:build unix && !race

package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// allocate returns memory from the operating system, outside Go's heap: hundreds of
// megabytes that the collector would otherwise double its pace by, and gone when they are
// freed.
func allocate(size int) (*arena, error) {
	bytes, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return &arena{base: unsafe.Pointer(unsafe.SliceData(bytes)), bytes: bytes, release: func() { _ = unix.Munmap(bytes) }}, nil
}
