package cpu

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// moves is how a tensor is put together of others, of any type of whole bytes: transposed,
// cut out, turned round, repeated, one behind the other, or with something around it.
type moves struct {
	// filled says that the last input, a scalar, is everywhere where nothing else is.
	filled bool
	copies []strided
	// reversed has the axes that are turned round, if that is all there is to it.
	reversed []int
}

// strided copies a box of elements.
type strided struct {
	input    int
	fromAt   int // the first element
	toAt     int
	sizes    []int
	from, to []int // strides
}

// movable reports whether tensors of the shape are moved here.
func movable(shape shapes.Shape) bool {
	if shape.DType.IsPacked() {
		return false
	}
	switch shape.DType.Size() {
	case 1, 2, 4, 8:
		return true
	}
	return false
}

// move lowers the operations that only move.
func (g *graph) move(n *node, in []*tensor, shape shapes.Shape) *tensor {
	x := in[0]
	switch n.op {
	case compute.OpTypeTranspose:
		return g.transpose(x, n.attributes.(transposition).axes)
	case compute.OpTypeReverse:
		axes := n.attributes.(reversal).axes
		c := whole(x.shape, strides(shape))
		c.from = slices.Clone(c.from)
		for _, axis := range axes {
			c.fromAt += (x.shape.Dimensions[axis] - 1) * c.from[axis]
			c.from[axis] = -c.from[axis]
		}
		return g.make(kindMove, 0, shape, &moves{copies: []strided{c}, reversed: axes}, x)
	case compute.OpTypeSlice:
		s := n.attributes.(slicing)
		c := whole(shape, strides(shape))
		own := strides(x.shape)
		for i := range own {
			step := or(s.strides, i, 1)
			c.fromAt += s.starts[i] * own[i]
			c.from[i] = own[i] * step
		}
		return g.make(kindMove, 0, shape, &moves{copies: []strided{c}}, x)
	case compute.OpTypeConcatenate:
		if len(in) == 1 {
			return x
		}
		axis, to := n.attributes.(concatenation).axis, strides(shape)
		m := &moves{}
		at := 0
		for i, part := range in {
			c := whole(part.shape, to)
			c.input, c.toAt = i, at*to[axis]
			m.copies = append(m.copies, c)
			at += part.shape.Dimensions[axis]
		}
		return g.make(kindMove, 0, shape, m, in...)
	default:
		return g.pad(x, in[1], n.attributes.(padding).axes)
	}
}

// whole copies all of a tensor of the given shape.
func whole(shape shapes.Shape, to []int) strided {
	return strided{sizes: slices.Clone(shape.Dimensions), from: strides(shape), to: slices.Clone(to)}
}

// transpose puts x's axis order[i] in place i.
func (g *graph) transpose(x *tensor, order []int) *tensor {
	dims, own := make([]int, len(order)), strides(x.shape)
	from := make([]int, len(order))
	still, last := true, -1
	for i, axis := range order {
		dims[i], from[i] = x.shape.Dimensions[axis], own[axis]
		if dims[i] != 1 {
			still = still && axis > last
			last = axis
		}
	}
	if still {
		return g.reshape(x, dims...)
	}
	shape := shapes.Make(x.shape.DType, dims...)
	c := strided{sizes: dims, from: from, to: strides(shape)}
	return g.make(kindMove, 0, shape, &moves{copies: []strided{c}}, x)
}

// pad puts fill before, after and between the elements of x; a negative number of them cuts
// elements away.
func (g *graph) pad(x, fill *tensor, pads []compute.PadAxis) *tensor {
	dims := slices.Clone(x.shape.Dimensions)
	for i, p := range pads {
		dims[i] += p.Start + p.End + max(0, dims[i]-1)*p.Interior
	}
	shape := shapes.Make(x.shape.DType, dims...)
	to := strides(shape)
	c := whole(x.shape, to)
	for i, p := range pads {
		step := 1 + p.Interior
		first := 0
		if p.Start < 0 { // elements i with i·step + Start ≥ 0
			first = (-p.Start + step - 1) / step
		}
		last := x.shape.Dimensions[i] - 1
		if room := dims[i] - 1 - p.Start; room < last*step {
			last = room / step
			if room < 0 {
				last = -1
			}
		}
		c.sizes[i] = max(0, last-first+1)
		c.fromAt += first * c.from[i]
		c.toAt += (p.Start + first*step) * to[i]
		c.to[i] = to[i] * step
	}
	m := &moves{filled: true}
	if !slices.Contains(c.sizes, 0) {
		m.copies = []strided{c}
	}
	return g.make(kindMove, 0, shape, m, x, fill)
}

// repeat is a broadcast in memory.
func (g *graph) repeat(x *tensor, shape shapes.Shape, place []int) *tensor {
	if !movable(shape) {
		panic("repeat: type " + shape.DType.String())
	}
	c := whole(shape, strides(shape))
	own := strides(x.shape)
	clear(c.from)
	for i, axis := range place {
		if x.shape.Dimensions[i] != 1 {
			c.from[axis] = own[i]
		}
	}
	return g.make(kindMove, 0, shape, &moves{copies: []strided{c}}, x)
}

// simplify takes axes that are walked over in one go as one, the innermost of the output
// last.
func (c strided) simplify() strided {
	var order []int
	for i, size := range c.sizes {
		if size != 1 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(c.to[b], c.to[a]) })
	s := strided{input: c.input, fromAt: c.fromAt, toAt: c.toAt}
	for _, i := range order {
		last := len(s.sizes) - 1
		if last >= 0 && s.to[last] == c.to[i]*c.sizes[i] && s.from[last] == c.from[i]*c.sizes[i] {
			s.sizes[last] *= c.sizes[i]
			s.from[last], s.to[last] = c.from[i], c.to[i]
			continue
		}
		s.sizes, s.from, s.to = append(s.sizes, c.sizes[i]), append(s.from, c.from[i]), append(s.to, c.to[i])
	}
	if len(s.sizes) == 0 {
		s.sizes, s.from, s.to = []int{1}, []int{1}, []int{1}
	}
	return s
}

// moveStep does moves.
type moveStep struct {
	inputs []int // slots
	fill   int   // slot, or -1
	out    int
	width  int // bytes of an element
	size   int // elements
	boxes  []box
	tasks  []moveTask
	fills  fillTask
}

// box is a strided copy and how it is cut.
type box struct{ strided }

// moveTask is a range of a box's outermost axis.
type moveTask struct{ box, from, to int }

func newMoveStep(m *moves, shape shapes.Shape, inputs []int, out int) *moveStep {
	s := &moveStep{inputs: inputs, fill: -1, out: out, width: shape.DType.Size(), size: shape.Size()}
	if m.filled {
		s.fill = inputs[len(inputs)-1]
	}
	for i, c := range m.copies {
		b := box{c.simplify()}
		s.boxes = append(s.boxes, b)
		size := 1
		for _, d := range b.sizes {
			size *= d
		}
		step := max(1, b.sizes[0]*taskSize/size)
		for from := 0; from < b.sizes[0]; from += step {
			s.tasks = append(s.tasks, moveTask{i, from, min(from+step, b.sizes[0])})
		}
	}
	s.fills = fillTask{s}
	return s
}

func (s *moveStep) run(r *run) error {
	if s.fill >= 0 {
		if err := r.do(&s.fills, (s.size+taskSize-1)/taskSize); err != nil {
			return err
		}
	}
	return r.do(s, len(s.tasks))
}

// fillTask writes the fill value everywhere.
type fillTask struct{ *moveStep }

func (f *fillTask) task(r *run, _ *scratch, i int) {
	from, to := i*taskSize, min((i+1)*taskSize, f.size)
	src, dst := r.pointer(f.fill), unsafe.Add(r.pointer(f.out), from*f.width)
	switch f.width {
	case 1:
		fillWith[uint8](dst, src, to-from)
	case 2:
		fillWith[uint16](dst, src, to-from)
	case 4:
		fillWith[uint32](dst, src, to-from)
	default:
		fillWith[uint64](dst, src, to-from)
	}
}

func fillWith[T any](dst, src unsafe.Pointer, n int) {
	value := *(*T)(src)
	to := unsafe.Slice((*T)(dst), n)
	for i := range to {
		to[i] = value
	}
}

func (s *moveStep) task(r *run, _ *scratch, i int) {
	t := s.tasks[i]
	b := &s.boxes[t.box]
	src, dst := r.pointer(s.inputs[b.input]), r.pointer(s.out)
	from, to := b.fromAt+t.from*b.from[0], b.toAt+t.from*b.to[0]
	switch s.width {
	case 1:
		copyBox((*uint8)(src), (*uint8)(dst), b, 0, t.to-t.from, from, to)
	case 2:
		copyBox((*uint16)(src), (*uint16)(dst), b, 0, t.to-t.from, from, to)
	case 4:
		copyBox((*uint32)(src), (*uint32)(dst), b, 0, t.to-t.from, from, to)
	default:
		copyBox((*uint64)(src), (*uint64)(dst), b, 0, t.to-t.from, from, to)
	}
}

// element returns the address of the i-th element from p on.
func element[T any](p *T, i int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), i*int(unsafe.Sizeof(*p))))
}

// copyBox copies n of the box's elements along an axis, and all along those within.
func copyBox[T any](src, dst *T, b *box, axis, n, from, to int) {
	fromStep, toStep := b.from[axis], b.to[axis]
	switch left := len(b.sizes) - axis; {
	case left == 1 && fromStep == 1 && toStep == 1:
		copy(unsafe.Slice(element(dst, to), n), unsafe.Slice(element(src, from), n))
	case left == 1:
		for range n {
			*element(dst, to) = *element(src, from)
			from, to = from+fromStep, to+toStep
		}
	case left == 2 && fromStep == 1 && b.from[axis+1] != 1:
		// A transposition: in tiles, so that both sides use the lines they fetch.
		const side = 16
		m := b.sizes[axis+1]
		for i := 0; i < n; i += side {
			for j := 0; j < m; j += side {
				for jj := j; jj < min(j+side, m); jj++ {
					for ii := i; ii < min(i+side, n); ii++ {
						*element(dst, to+ii*toStep+jj*b.to[axis+1]) = *element(src, from+ii+jj*b.from[axis+1])
					}
				}
			}
		}
	default:
		for range n {
			copyBox(src, dst, b, axis+1, b.sizes[axis+1], from, to)
			from, to = from+fromStep, to+toStep
		}
	}
}

// matchStep compares integers.
type matchStep struct {
	a, b, out int
	equal     bool
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
