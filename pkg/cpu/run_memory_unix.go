//go:build unix && !race

package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// allocate returns memory from the operating system, outside Go's heap. It is often hundreds of
// megabytes, which would otherwise count towards the garbage collector's heap target and so let
// the heap grow by as much again. free returns it to the system at once.
func allocate(size int) (*arena, error) {
	bytes, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return &arena{base: unsafe.Pointer(unsafe.SliceData(bytes)), bytes: bytes, release: func() { _ = unix.Munmap(bytes) }}, nil
}
