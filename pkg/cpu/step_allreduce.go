package cpu

import (
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// allReduction has the settings of AllReduce, and the shapes of its operands.
type allReduction struct {
	kind compute.ReduceOpType
	// groups are the replicas that reduce with each other, in increasing order. Every replica
	// is in one.
	groups [][]int
	shapes outputs
}

func (a *allReduction) at(i int) shapes.Shape { return a.shapes[i] }

// AllReduce reduces each operand over the replicas of a group, which all get the result: the
// same bits, as it is reduced in the order of the replicas. A replica that is in no group
// keeps what it has. Operands are integers or floats of 32 or 64 bits, or bfloat16, which is
// reduced in float32.
func (f *function) AllReduce(operands []v, reductionType compute.ReduceOpType, replicaGroups [][]int) ([]v, error) {
	const op = compute.OpTypeAllReduce
	b := f.builder
	switch {
	case b.replicas == 0:
		return nil, errors.Errorf("%s: %s is a computation on one device, not an SPMD one", op, b.Name())
	case f != b.main:
		return nil, errors.Errorf("%s: it is in %q, and can only be in the main function", op, f.Name())
	case len(operands) == 0:
		return nil, errors.Errorf("%s: there are no operands", op)
	}
	groups, err := partners(replicaGroups, b.replicas)
	if err != nil {
		return nil, errors.WithMessagef(err, "%s", op)
	}
	_, own, err := f.unwrap(op, operands)
	if err != nil {
		return nil, err
	}
	a := &allReduction{kind: reductionType, groups: groups}
	// To the reference backend, what comes of the others is another parameter.
	references := make([]v, len(own))
	for i, operand := range own {
		if operand == nil {
			return nil, errors.Errorf("%s: operand #%d is nil", op, i)
		}
		shape, err := f.Shape(operand)
		if err != nil {
			return nil, errors.WithMessagef(err, "%s: operand #%d", op, i)
		}
		if combiner(asFloat32(shape).DType, reductionType) == nil {
			return nil, errors.Errorf("%s: operand #%d is %s, of which there is no %s", op, i, shape, reductionType)
		}
		if references[i], err = f.reference.Parameter(fmt.Sprintf("%s %d.%d", op, len(b.nodes), i), shape, nil); err != nil {
			return nil, errors.WithMessagef(err, "%s: operand #%d", op, i)
		}
		a.shapes = append(a.shapes, asFloat32(shape))
	}
	b.meets = true
	return f.record(&node{op: op, inputs: own, attributes: a}, references)
}

// partners returns the groups in increasing order, and each replica that is in none as a
// group of its own.
func partners(groups [][]int, replicas int) ([][]int, error) {
	var all [][]int
	in := make([]bool, replicas)
	for _, group := range groups {
		if len(group) == 0 {
			return nil, errors.New("a replica group is empty")
		}
		group = slices.Sorted(slices.Values(group))
		for _, replica := range group {
			if replica < 0 || replica >= replicas {
				return nil, errors.Errorf("there is no replica %d for a replica group: %d devices have replicas 0 to %d",
					replica, replicas, replicas-1)
			}
			if in[replica] {
				return nil, errors.Errorf("replica %d is in two replica groups, or in one twice", replica)
			}
			in[replica] = true
		}
		all = append(all, group)
	}
	for replica := range in {
		if !in[replica] {
			all = append(all, []int{replica})
		}
	}
	return all, nil
}

// combine reduces n elements at x into those at dst.
type combine func(dst, x unsafe.Pointer, n int)

// combiner returns how two tensors of the type are reduced, or nil for what is not there.
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

func (g *graph) allReduce(a *allReduction, in []*tensor) []*tensor {
	t := g.make(kindAllReduce, 0, a.shapes[0], a, in...)
	picked := make([]*tensor, len(in))
	for i := range picked {
		picked[i] = g.pick(t, i)
	}
	return picked
}

// allReduceStep is where the replicas of an execution meet, and reduce tensors over them.
type allReduceStep struct {
	groups   [][]int
	operands []reduced
}

// reduced is a tensor that is reduced over the replicas.
type reduced struct {
	in, out int // slots
	size    int
	bytes   int
	combine combine
}

func newAllReduceStep(t *tensor, in []int) *allReduceStep {
	a := t.attributes.(*allReduction)
	s := &allReduceStep{groups: a.groups}
	for _, user := range t.users { // outputs that nobody wants have none
		i := user.attributes.(pick).output
		s.operands = append(s.operands, reduced{in[i], user.slot, a.shapes[i].Size(), byteSize(a.shapes[i]), combiner(a.shapes[i].DType, a.kind)})
	}
	return s
}

func (s *allReduceStep) run(r *run) error { return r.meeting.join(s.reduce) }

// reduce does the work of all replicas, in the order in which a group has them.
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

// meeting is where the replicas of an execution wait for each other. They have the same
// steps, so they come to the same places in the same order.
type meeting struct {
	runs []*run // by replica

	mu      sync.Mutex
	changed sync.Cond
	waiting int
	round   int
	failed  error
}

func newMeeting(runs []*run) *meeting {
	m := &meeting{runs: runs}
	m.changed.L = &m.mu
	return m
}

// errLeft is what a replica ends with because another has failed.
var errLeft = errors.New("another device failed")

// join waits until all replicas have come. The last one does the work, while the others
// still wait. If a replica has failed or does so while others wait, all get an error.
func (m *meeting) join(work func(runs []*run)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return errLeft
	}
	if m.waiting++; m.waiting < len(m.runs) {
		for round := m.round; m.round == round; m.changed.Wait() {
			if m.failed != nil {
				return errLeft
			}
		}
		return nil
	}
	m.waiting = 0
	m.round++
	defer m.changed.Broadcast()
	work(m.runs)
	return nil
}

// fail says that a replica will not come any more. The first one's error is kept.
func (m *meeting) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = err
		m.changed.Broadcast()
	}
}
