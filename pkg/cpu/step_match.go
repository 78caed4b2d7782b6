package cpu

import (
	"unsafe"

	"github.com/gomlx/compute/dtypes"
)

// matchStep compares integers of type Int32 or Int64 for equality.
type matchStep struct {
	a, b, out int  // slots
	equal     bool // otherwise for inequality
	dtype     dtypes.DType
	size      int
}

func (s *matchStep) run(r *run) error { return r.do(s, (s.size+taskSize-1)/taskSize) }

func (s *matchStep) task(r *run, _ *scratch, i int) {
	from, to := i*taskSize, min((i+1)*taskSize, s.size)
	dst := unsafe.Slice((*bool)(unsafe.Add(r.pointer(s.out), from)), to-from)
	if s.dtype == dtypes.Int32 {
		match[int32](dst, r.pointer(s.a), r.pointer(s.b), from, s.equal)
	} else {
		match[int64](dst, r.pointer(s.a), r.pointer(s.b), from, s.equal)
	}
}

func match[T int32 | int64](dst []bool, a, b unsafe.Pointer, from int, equal bool) {
	x := unsafe.Slice(element((*T)(a), from), len(dst))
	y := unsafe.Slice(element((*T)(b), from), len(dst))
	for i := range dst {
		dst[i] = (x[i] == y[i]) == equal
	}
}
