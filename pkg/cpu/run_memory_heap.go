//go:build !unix || race

package cpu

// allocate returns memory on Go's heap: where there is no mmap, and for the race detector,
// which does not see any other.
func allocate(size int) (*arena, error) {
	b := newBlock(size)
	return &arena{base: b.pointer(), bytes: b.bytes, release: func() {}}, nil
}
