package cpu

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// arguments holds the arguments of micro-kernels. Being part of a worker's scratch memory, they
// need not be allocated for each call.
type arguments struct {
	rows kernel.Rows
	cols kernel.Cols
	tile kernel.Tile
	taps [9]int32 // the offsets of a tile of taps
}

// rowsStep computes a contraction whose input has contiguous channels. It is a matrix product
// that never builds its left operand: a row is an output position, and tables of offsets, made
// once, say where in the input the row's runs of channels are. The weights are first packed into
// panels, in the order in which they are read.
//
// Output positions are divided into classes by the taps that fall on elements of the input rather
// than on padding or the gaps of a dilated input. Where gaps or padding are frequent, each class
// reads only the taps it needs. This makes the gradient of a strided convolution as cheap as the
// convolution itself.
type rowsStep struct {
	*rowsTables
	in, ker, out int // slots
	packed, zero int // slots: the panels, and a run of zeros
	pack         packPanels
}

// rowsTables holds what depends only on the sizes of a contraction. Steps of the same sizes share
// it: most layers of a network have one of a few sizes.
type rowsTables struct {
	contraction
	shape     kernel.Shape
	live      []int // the taps that fall on the input at some output position
	tapKer    []int // offsets of live taps in the kernel
	panels    int
	panelSize int
	images    int // number of images that a table covers
	classes   []class
	units     []unit
	chunks    int // number of chunks that the panels are divided into, for more tasks
	taps      int // number of live taps
}

// class is the output positions, in all images of a table, that need the same taps.
type class struct {
	taps  []int   // indices of live taps
	parts []part  // stretches of consecutive taps
	rows  int     // number of positions
	off   []int32 // [tiles][taps][MR]
	place []int32 // [tiles][MR], in the output
}

// part is a stretch of a class's taps whose weights are contiguous in the packed panels: count taps of
// the class, starting at first, which are live taps packed, packed+1, ….
type part struct{ first, count, packed int }

// unit is the tiles [from, to) of a class. A tile is MR rows.
type unit struct{ class, from, to int }

// position is an output position: its offset and, for every tap, the offset in the input or -1 for
// padding and gaps.
type position struct {
	out int
	in  []int
}

// positions lists the output positions of one image with the given axes.
func positions(axes []spatialAxis) []position {
	list := []position{{0, []int{0}}}
	for _, s := range axes {
		var next []position
		for _, p := range list {
			for o := range s.out {
				q := position{out: p.out + o*s.outS}
				for _, in := range p.in {
					for k := range s.ker {
						i := o*s.stride + k*s.kernelDilation - s.padding
						at := -1
						if in >= 0 && i >= 0 && i%s.inputDilation == 0 && i/s.inputDilation < s.in {
							at = in + i/s.inputDilation*s.inS
						}
						q.in = append(q.in, at)
					}
				}
				next = append(next, q)
			}
		}
		list = next
	}
	return list
}

// kernelOffsets returns the offset of every tap in the kernel.
func (c *contraction) kernelOffsets() []int {
	list := []int{0}
	for _, s := range c.spatial {
		var next []int
		for _, at := range list {
			for k := range s.ker {
				if s.flip {
					k = s.ker - 1 - k
				}
				next = append(next, at+k*s.kerS)
			}
		}
		list = next
	}
	return list
}

func newRowsStep(c *contraction, k *kernel.Set, p *plan, in, ker, out int) *rowsStep {
	key := fmt.Sprint(*c)
	if p.rows[key] == nil {
		p.rows[key] = newRowsTables(c, k, p.granularity)
	}
	s := &rowsStep{rowsTables: p.rows[key], in: in, ker: ker, out: out}
	if s.taps > 0 {
		s.packed = p.temporary(4 * s.groups * s.panels * s.panelSize)
		s.zero = p.zeros(4 * c.ci)
		s.pack = packPanels{s}
	}
	return s
}

func newRowsTables(c *contraction, k *kernel.Set, g granularity) *rowsTables {
	s := &rowsTables{contraction: *c, shape: shapeFor(k, c.co)}
	positions, offsets := positions(c.spatial), c.kernelOffsets()
	valid := 0
	used := make([]bool, len(offsets))
	for _, q := range positions {
		for t, at := range q.in {
			if at >= 0 {
				used[t] = true
				valid++
			}
		}
	}
	for t := range offsets {
		if used[t] {
			s.live, s.tapKer = append(s.live, t), append(s.tapKer, offsets[t])
		}
	}
	s.taps = len(s.live)
	s.panels = (c.co + s.shape.NR - 1) / s.shape.NR
	s.panelSize = s.taps * c.ci * s.shape.NR

	// If many taps fall on padding or gaps, it pays to separate classes. The table then covers
	// as many images as possible, because each class has few rows per image.
	sorted := s.taps > 0 && valid*100 < len(positions)*s.taps*93 && (c.n >= 8 || c.dilatedInput())
	s.images = s.tableImages(len(positions), valid, sorted)
	s.classify(positions, sorted)
	s.cut(g)
	return s
}

// dilatedInput reports whether the input is dilated along any axis.
func (c *contraction) dilatedInput() bool {
	return slices.ContainsFunc(c.spatial, func(s spatialAxis) bool { return s.inputDilation > 1 })
}

// shapeFor returns the micro-kernel for the given number of output channels: the widest, unless a
// narrower one computes fewer unused columns.
func shapeFor(k *kernel.Set, co int) kernel.Shape {
	best := k.Shapes[0]
	for _, s := range k.Shapes[1:] {
		if (co+s.NR-1)/s.NR*s.NR < (co+best.NR-1)/best.NR*best.NR {
			best = s
		}
	}
	return best
}

// tableImages returns the number of images that a table of offsets covers: a divisor of the batch
// size, so that one table serves the whole batch.
func (s *rowsTables) tableImages(positions, valid int, sorted bool) int {
	const minRows, maxEntries = 192, 1 << 20
	images := 1
	for d := 1; d <= s.n; d++ {
		if s.n%d != 0 {
			continue
		}
		if d > 1 && (sorted && d*valid > maxEntries || !s.reaches(d)) {
			break
		}
		images = d
		if !sorted && d*positions >= minRows {
			break
		}
	}
	return images
}

// reaches reports whether int32 offsets reach everywhere in the given number of images.
func (c *contraction) reaches(images int) bool {
	in, out := (images-1)*c.inN, (images-1)*c.outN
	for _, s := range c.spatial {
		in, out = in+(s.in-1)*s.inS, out+(s.out-1)*s.outS
	}
	return max(in, out) <= math.MaxInt32
}

// classify divides the positions into classes, or makes all of them one class if sorted is false.
func (s *rowsTables) classify(positions []position, sorted bool) {
	index := map[string]int{}
	var members [][]position
	for _, q := range positions {
		key := ""
		var taps []int
		if sorted {
			b := make([]byte, len(s.live))
			for i, t := range s.live {
				if q.in[t] >= 0 {
					b[i] = 1
					taps = append(taps, i)
				}
			}
			key = string(b)
		} else {
			for i := range s.live {
				taps = append(taps, i)
			}
		}
		at, ok := index[key]
		if !ok {
			at = len(s.classes)
			index[key] = at
			s.classes = append(s.classes, class{taps: taps})
			members = append(members, nil)
		}
		members[at] = append(members[at], q)
	}
	for i := range s.classes {
		s.classes[i].fill(s, members[i])
	}
}

// fill makes the tables of a class from its positions in one image.
func (c *class) fill(s *rowsTables, members []position) {
	for i := 0; i < len(c.taps); {
		j := i + 1
		for j < len(c.taps) && c.taps[j] == c.taps[j-1]+1 {
			j++
		}
		c.parts = append(c.parts, part{i, j - i, c.taps[i]})
		i = j
	}
	mr := s.shape.MR
	c.rows = s.images * len(members)
	tiles := (c.rows + mr - 1) / mr
	c.off = make([]int32, tiles*len(c.taps)*mr)
	c.place = make([]int32, tiles*mr)
	for r := range tiles * mr {
		tile, row := r/mr, r%mr
		for i, t := range c.taps {
			at := int32(-1)
			if r < c.rows {
				if in := members[r%len(members)].in[s.live[t]]; in >= 0 {
					at = int32(r/len(members)*s.inN + in)
				}
			}
			c.off[(tile*len(c.taps)+i)*mr+row] = at
		}
		if r < c.rows {
			c.place[r] = int32(r/len(members)*s.outN + members[r%len(members)].out)
		}
	}
}

// cut divides the work into units: enough tiles to use each panel of weights often, but few enough
// for their input to stay in the cache.
func (s *rowsTables) cut(g granularity) {
	const tasksPerCore, leastPerCore = 12, 4
	least, most := 4, 48 // tiles
	width := s.ci
	if len(s.spatial) == 0 {
		width = max(width, 64)
	}
	blocks, tiles := s.groups*(s.n/s.images), max(least, min(most, g.cacheable/(max(1, width)*s.shape.MR)))
	// With so many cores that each would get few tasks, units are smaller.
	for tiles > least && blocks*s.unitsOf(tiles)*s.panels < g.tasks(leastPerCore) {
		tiles = max(least, tiles/2)
	}
	for i := range s.classes {
		n := (s.classes[i].rows + s.shape.MR - 1) / s.shape.MR
		for from := 0; from < n; from += tiles {
			s.units = append(s.units, unit{i, from, min(from+tiles, n)})
		}
	}
	s.chunks = 1
	for rows := blocks * len(s.units); rows*s.chunks < g.tasks(tasksPerCore) && s.chunks < s.panels; {
		s.chunks = min(2*s.chunks, s.panels)
	}
}

// unitsOf returns the number of units of the given number of tiles.
func (s *rowsTables) unitsOf(tiles int) int {
	n, rows := 0, tiles*s.shape.MR
	for i := range s.classes {
		n += (s.classes[i].rows + rows - 1) / rows
	}
	return n
}

func (s *rowsStep) run(r *run) error {
	if err := s.first(r); err != nil {
		return err
	}
	return r.do(s, s.groups*(s.n/s.images)*len(s.units)*s.chunks)
}

// first packs the weights.
func (s *rowsStep) first(r *run) error {
	if s.taps == 0 {
		return nil
	}
	return r.do(&s.pack, s.groups*s.panels)
}

// packPanels copies the weights into panels of NR output channels, [group][panel][tap][ci][NR],
// with zeros in place of missing channels.
type packPanels struct{ *rowsStep }

func (p *packPanels) task(r *run, _ *scratch, i int) {
	g, panel := i/p.panels, i%p.panels
	nr := p.shape.NR
	dst := floatsAt(unsafe.Add(r.pointer(p.packed), 4*i*p.panelSize), p.panelSize)
	src := floatsAt(r.pointer(p.ker), p.kerSize)[g*p.kerG+panel*nr*p.kerO:]
	n := min(nr, p.co-panel*nr)
	for _, tap := range p.tapKer {
		packMatrix(dst[:p.ci*nr], src[tap:], p.ci, n, nr, p.kerI, p.kerO)
		dst = dst[p.ci*nr:]
	}
}

// packMatrix copies rows of n elements from src, which has the given strides, to dst, whose rows
// have width elements. The rest of each row is set to 0.
func packMatrix(dst, src []float32, rows, n, width, rowStride, colStride int) {
	if n < width {
		clear(dst)
	}
	switch {
	case colStride == 1:
		for i := range rows {
			copy(dst[i*width:i*width+n], src[i*rowStride:i*rowStride+n])
		}
	case rowStride == 1:
		// src is transposed: read a few of its contiguous columns at a time.
		j := 0
		for ; j+4 <= n; j += 4 {
			a, b, c, d := src[j*colStride:][:rows], src[(j+1)*colStride:][:rows], src[(j+2)*colStride:][:rows], src[(j+3)*colStride:][:rows]
			for i := range rows {
				to := dst[i*width+j:][:4]
				to[0], to[1], to[2], to[3] = a[i], b[i], c[i], d[i]
			}
		}
		for ; j < n; j++ {
			for i := range rows {
				dst[i*width+j] = src[j*colStride+i]
			}
		}
	default:
		for i := range rows {
			for j := range n {
				dst[i*width+j] = src[i*rowStride+j*colStride]
			}
		}
	}
}

func (s *rowsStep) task(r *run, w *scratch, i int) {
	chunk := i % s.chunks
	i /= s.chunks
	u := s.units[i%len(s.units)]
	i /= len(s.units)
	block, g := i%(s.n/s.images), i/(s.n/s.images)
	c := &s.classes[u.class]
	mr, nr := s.shape.MR, s.shape.NR
	in := unsafe.Add(r.pointer(s.in), 4*(g*s.inG+block*s.images*s.inN))
	out := unsafe.Add(r.pointer(s.out), 4*(g*s.outG+block*s.images*s.outN))
	if len(c.taps) == 0 {
		if chunk == 0 {
			s.clear(c, u, out)
		}
		return
	}
	// Incomplete tiles are computed in the worker's scratch memory first.
	tile := w.room(mr*nr + mr)
	own := unsafe.Slice((*int32)(unsafe.Pointer(&tile[mr*nr])), mr)
	for m := range own {
		own[m] = int32(m * nr)
	}
	a := &w.args.rows
	a.A, a.Zero, a.Run = (*float32)(in), (*float32)(r.pointer(s.zero)), s.ci
	panels := unsafe.Add(r.pointer(s.packed), 4*g*s.panels*s.panelSize)
	for panel := chunk * s.panels / s.chunks; panel < (chunk+1)*s.panels/s.chunks; panel++ {
		b := unsafe.Add(panels, 4*panel*s.panelSize)
		c0 := unsafe.Add(out, 4*panel*nr)
		cols := min(nr, s.co-panel*nr)
		for t := u.from; t < u.to; t++ {
			whole := cols == nr && (t+1)*mr <= c.rows
			if whole {
				a.C, a.COff = (*float32)(c0), &c.place[t*mr]
			} else {
				a.C, a.COff = &tile[0], &own[0]
			}
			for n, p := range c.parts {
				a.Off = &c.off[(t*len(c.taps)+p.first)*mr]
				a.Taps = p.count
				a.B = (*float32)(unsafe.Add(b, 4*p.packed*s.ci*nr))
				a.Add = n > 0
				s.shape.Rows(a)
			}
			if !whole {
				for m := range min(mr, c.rows-t*mr) {
					copy(floatsAt(unsafe.Add(c0, 4*int(c.place[t*mr+m])), cols), tile[m*nr:])
				}
			}
		}
	}
}

// clear writes zeros to the output positions of a class without taps.
func (s *rowsStep) clear(c *class, u unit, out unsafe.Pointer) {
	mr := s.shape.MR
	for r := u.from * mr; r < min(u.to*mr, c.rows); r++ {
		clear(floatsAt(unsafe.Add(out, 4*int(c.place[r])), s.co))
	}
}
