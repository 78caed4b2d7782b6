package cpu

import (
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// combine sets dst[i] = op(dst[i], x[i]) for n elements.
type combine func(dst, x unsafe.Pointer, n int)

// combiner returns the reduction of two tensors of type d, or nil if it is not supported.
func combiner(d dtypes.DType, kind compute.ReduceOpType) combine {
	switch d {
	case dtypes.Float32:
		return combinerOf[float32](kind)
	case dtypes.Float64:
		return combinerOf[float64](kind)
	case dtypes.Int32:
		return combinerOf[int32](kind)
	case dtypes.Int64:
		return combinerOf[int64](kind)
	case dtypes.Uint32:
		return combinerOf[uint32](kind)
	case dtypes.Uint64:
		return combinerOf[uint64](kind)
	}
	return nil
}

func combinerOf[T float32 | float64 | int32 | int64 | uint32 | uint64](kind compute.ReduceOpType) combine {
	var op func(a, b T) T
	switch kind {
	case compute.ReduceOpSum:
		op = func(a, b T) T { return a + b }
	case compute.ReduceOpProduct:
		op = func(a, b T) T { return a * b }
	case compute.ReduceOpMax:
		op = func(a, b T) T { return max(a, b) }
	case compute.ReduceOpMin:
		op = func(a, b T) T { return min(a, b) }
	default:
		return nil
	}
	return func(dst, x unsafe.Pointer, n int) {
		to, from := unsafe.Slice((*T)(dst), n), unsafe.Slice((*T)(x), n)
		for i := range to {
			to[i] = op(to[i], from[i])
		}
	}
}

// allReduceStep reduces tensors over the replicas of an execution, which meet there.
type allReduceStep struct {
	groups   [][]int
	operands []reduced
}

// reduced is one tensor that is reduced over the replicas.
type reduced struct {
	in, out int // slots
	size    int
	bytes   int
	combine combine
}

func newAllReduceStep(t *tensor, in []int) *allReduceStep {
	a := t.attributes.(*allReduction)
	s := &allReduceStep{groups: a.groups}
	for _, user := range t.users { // only the outputs that are used
		i := user.attributes.(pick).output
		s.operands = append(s.operands, reduced{in[i], user.slot, a.shapes[i].Size(), byteSize(a.shapes[i]), combiner(a.shapes[i].DType, a.kind)})
	}
	return s
}

func (s *allReduceStep) run(r *run) error { return r.rendezvous.join(s.reduce) }

// reduce does the work of all replicas, in the order of the replicas in each group.
func (s *allReduceStep) reduce(runs []*run) {
	for _, o := range s.operands {
		in := func(replica int) unsafe.Pointer { return runs[replica].pointer(o.in) }
		out := func(replica int) unsafe.Pointer { return runs[replica].pointer(o.out) }
		for _, group := range s.groups {
			first := group[0]
			copyBytes(out(first), in(first), o.bytes)
			for _, other := range group[1:] {
				o.combine(out(first), in(other), o.size)
			}
			for _, other := range group[1:] {
				copyBytes(out(other), out(first), o.bytes)
			}
		}
	}
}

func copyBytes(dst, src unsafe.Pointer, n int) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice((*byte)(src), n))
}
