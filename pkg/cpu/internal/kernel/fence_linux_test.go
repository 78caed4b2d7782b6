package kernel

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"
)

// memories are the kinds of memory that the tests use.
var memories = []memoryKind{heap, fenced}

// fenced places arrays directly after or before a page that can be neither read nor written.
var fenced = memoryKind{"fenced", func(t *testing.T, rng *rand.Rand) func(int) ([]float32, int) {
	const size = 1 << 20 // bytes between the fences; most are never touched
	page := syscall.Getpagesize()
	// No test uses more arrays at a time.
	var regions [8][]byte
	for i := range regions {
		all, err := syscall.Mmap(-1, 0, page+size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Munmap(all); err != nil {
				t.Error(err)
			}
		})
		for _, fence := range [][]byte{all[:page], all[page+size:]} {
			if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
				t.Fatal(err)
			}
		}
		regions[i] = all[page : page+size]
	}
	next := 0
	return func(n int) ([]float32, int) {
		region := regions[next%len(regions)]
		next++
		all := unsafe.Slice((*float32)(unsafe.Pointer(&region[0])), size/4)
		// Guard only a few floats on the other side: filling and checking the whole region
		// would take too long.
		const around = 32
		if rng.IntN(2) == 0 {
			return all[:n+around], 0
		}
		return all[len(all)-n-around:], around
	}
}}
