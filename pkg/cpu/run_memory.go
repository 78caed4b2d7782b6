package cpu

import (
	"runtime"
	"sync"
	"unsafe"
)

// arena is the memory of one execution for everything except inputs, outputs and constants.
type arena struct {
	base    unsafe.Pointer
	bytes   []byte
	release func()
	once    sync.Once
}

// newArena returns an arena of the given size, which may be 0. It is freed by free or, at the latest,
// when it is garbage-collected.
func newArena(size int) (*arena, error) {
	if size == 0 {
		return &arena{release: func() {}}, nil
	}
	a, err := allocate(size)
	if err != nil {
		return nil, err
	}
	runtime.SetFinalizer(a, (*arena).free)
	return a, nil
}

func (a *arena) free() { a.once.Do(a.release) }

// floatsAt returns the n floats at p.
func floatsAt(p unsafe.Pointer, n int) []float32 { return unsafe.Slice((*float32)(p), n) }
