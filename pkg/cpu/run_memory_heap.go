//go:build !unix || race

package cpu

// allocate returns memory from Go's heap: on systems without mmap, and for the race detector, which
// does not watch any other memory.
func allocate(size int) (*arena, error) {
	b := newBlock(size)
	return &arena{base: b.pointer(), bytes: b.bytes, release: func() {}}, nil
}
