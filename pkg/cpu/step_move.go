package cpu

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/gomlx/compute/shapes"
)

// simplify merges axes where possible, drops those of size 1, and sorts the rest by their stride in
// the output, the smallest last.
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

// moveStep executes moves.
type moveStep struct {
	inputs []int // slots
	fill   int   // slot of the fill value, or -1
	out    int   // slot
	width  int   // bytes per element
	size   int   // elements of the output
	boxes  []strided
	tasks  []moveTask
	fills  fillTask
}

// moveTask is a range of the outermost axis of a box.
type moveTask struct{ box, from, to int }

func newMoveStep(m *moves, shape shapes.Shape, inputs []int, out int) *moveStep {
	s := &moveStep{inputs: inputs, fill: -1, out: out, width: shape.DType.Size(), size: shape.Size()}
	if m.filled {
		s.fill = inputs[len(inputs)-1]
	}
	for i, c := range m.copies {
		b := c.simplify()
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

// fillTask writes the fill value to the whole output.
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

// fillWith fills n elements at dst with the one at src.
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

// element returns the address of the element i after p.
func element[T any](p *T, i int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), i*int(unsafe.Sizeof(*p))))
}

// copyBox copies the elements of a box: n along an axis, and all along the axes within it.
func copyBox[T any](src, dst *T, b *strided, axis, n, from, to int) {
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
		// A transposition. Tiles make both sides use every cache line they fetch.
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
