package cpu

import (
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// winogradStep computes a convolution with 3 by 3 taps by Winograd's minimal filtering algorithm
// F(4×4, 3×3): a tile of 4 by 4 outputs is
//
//	Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A
//
// for taps g and 6 by 6 inputs d. It takes 36 multiplications where the definition takes 144. Summed
// over the input channels, the products at each of the 36 places of the transformed tiles form a
// matrix product. See Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015
// (https://arxiv.org/abs/1509.09308), and package gen/shape for the points that keep the error small.
//
// A task is a block of tiles. It transforms them, multiplies, and transforms back, so that its data
// stay in the second-level cache while the transformed taps pass through it.
type winogradStep struct {
	contraction
	tiling       tiling
	shape        kernel.Shape
	in, ker, out int   // slots
	packed       int   // slot of the transformed taps, in panels
	zero         int   // slot of a pixel of zeros
	offsets      []int // offsets of the taps in the kernel
	panels       int
	groups       int // number of groups of MR tiles
	blocks       int // number of blocks of groups
	chunks       int // number of chunks of panels
	rows         int // largest number of tiles in a block
	width        int // largest number of output channels in a chunk
	off, place   []int32
	fetches      bool // fetch the output while multiplying: there is room for it in the cache
	pack         transformTaps
}

const (
	places = 36 // of a transformed tile
	// A block has as many groups of tiles as fit in the cache. If that makes too few tasks, the
	// output channels are cut into chunks too, at the price of transforming the block's tiles
	// once per chunk, and blocks shrink down to one group.
	minChunk             = 128
	winogradTasksPerCore = 8
	// transformRows is the number of input channels whose taps are transformed at a time.
	transformRows = 16
)

// newWinogradStep returns the step for a contraction of the form that contraction.winograd checks.
func newWinogradStep(c *contraction, k *kernel.Set, p *plan, in, ker, out int) *winogradStep {
	s := &winogradStep{contraction: *c, in: in, ker: ker, out: out, offsets: c.kernelOffsets()}
	y, x := &c.spatial[0], &c.spatial[1]
	s.tiling = newTiling(y.out, x.out)
	s.tiling.large = s.tiling.offsets(tileSide{6, -y.padding, y.in, y.inS}, tileSide{6, -x.padding, x.in, x.inS})
	s.tiling.small = s.tiling.offsets(tileSide{4, 0, y.out, y.outS}, tileSide{4, 0, x.out, x.outS})
	s.shape = shapeFor(k, c.co)
	mr, nr := s.shape.MR, s.shape.NR
	s.panels = (c.co + nr - 1) / nr
	s.groups = (c.n*s.tiling.perImage() + mr - 1) / mr
	tasks := p.granularity.tasks(winogradTasksPerCore)
	most := max(1, p.granularity.tiles/(places*(c.ci+c.co)*mr))
	s.chunks = max(1, min((tasks*most+s.groups-1)/s.groups, c.co/minChunk))
	perBlock := max(1, min(s.groups*s.chunks/tasks, most))
	s.blocks = (s.groups + perBlock - 1) / perBlock
	s.rows = (s.groups + s.blocks - 1) / s.blocks * mr
	s.width = (s.panels + s.chunks - 1) / s.chunks * nr
	for m := range mr {
		s.off, s.place = append(s.off, int32(m*c.ci)), append(s.place, int32(m*s.width))
	}
	s.packed = p.temporary(4 * s.tapsSize())
	s.fetches = s.chunks == 1 && s.tapsSize() <= p.granularity.cacheable
	s.zero = p.zeros(4 * c.ci)
	s.pack = transformTaps{s}
	return s
}

// winograd reports whether winogradStep can compute the contraction and is expected to take at most
// nine tenths of the time.
func (c *contraction) winograd(k *kernel.Set) bool {
	if len(c.spatial) != 2 || c.groups != 1 || c.inC != 1 || c.outC != 1 {
		return false
	}
	tiles, direct := c.n, c.n
	for _, s := range c.spatial {
		if s.ker != 3 || s.stride != 1 || s.kernelDilation != 1 || s.inputDilation != 1 {
			return false
		}
		tiles *= (s.out + 3) / 4
		inside := 0 // taps that are not in the padding, which rowsStep can skip
		for t := range s.ker {
			inside += max(0, min(s.out, s.in+s.padding-t)-max(0, s.padding-t))
		}
		direct *= inside
	}
	const (
		taps   = 50  // the transform of the taps, in tiles
		panels = 336 // what rowsStep does instead: packing the taps
	)
	return places*taps+winogradCost(tiles, k, c.ci, c.co) < 0.9*float64(direct+panels)
}

// winogradCost returns the cost of transforming and multiplying so many tiles with a and b channels, such
// as those of the input and the output. The unit is the product of the channels of one pixel, or of one
// place in a transformed tile, with the matrix of one tap. The transforms are expressed in this unit by an
// estimate from their number of instructions; the other constants of the cost models were measured with
// AVX2, for tiles of 2 by 2.
func winogradCost(tiles int, k *kernel.Set, a, b int) float64 {
	const vectors = 0.4 // the transforms of a tile, per vector of channels
	return places * float64(tiles) * (1 + vectors*float64(k.Lanes)*(1/float64(a)+1/float64(b)))
}

// tiling says where the tiles of an image are.
type tiling struct {
	high, wide int // number of tiles
	// For each tile, the offsets of the 36 pixels of the larger image, the convolution's input, and of
	// the 16 pixels of the smaller one, its output or the gradient of that.
	large, small []int32
}

// newTiling returns a tiling of an image into tiles of 4 by 4.
func newTiling(height, width int) tiling {
	return tiling{high: (height + 3) / 4, wide: (width + 3) / 4}
}

// perImage returns the number of tiles.
func (t *tiling) perImage() int { return t.high * t.wide }

// tileSide says where the pixels of tiles are along one axis: tile i has n pixels from 4*i+start on. The
// image has size pixels of the given stride.
type tileSide struct{ n, start, size, stride int }

// offsets returns the offsets of the pixels of all tiles in an image, and -1 for those outside it.
func (t *tiling) offsets(y, x tileSide) []int32 {
	list := make([]int32, 0, t.perImage()*y.n*x.n)
	for tile := range t.perImage() {
		top, left := tile/t.wide*4+y.start, tile%t.wide*4+x.start
		for i := range y.n {
			for j := range x.n {
				at := int32(-1)
				if v, h := top+i, left+j; v >= 0 && v < y.size && h >= 0 && h < x.size {
					at = int32(v*y.stride + h*x.stride)
				}
				list = append(list, at)
			}
		}
	}
	return list
}

func (s *winogradStep) run(r *run) error {
	if err := s.first(r); err != nil {
		return err
	}
	return r.do(s, s.blocks*s.chunks)
}

// first transforms the taps.
func (s *winogradStep) first(r *run) error { return r.do(&s.pack, s.panels*s.pack.parts()) }

// transformTaps computes G g Gᵀ in panels of NR output channels, [36][panel][ci][NR], with zeros in place
// of missing channels.
type transformTaps struct{ *winogradStep }

// parts returns the number of tasks per panel.
func (p *transformTaps) parts() int { return (p.ci + transformRows - 1) / transformRows }

func (p *transformTaps) task(r *run, w *scratch, i int) {
	panel, from := i/p.parts(), i%p.parts()*transformRows
	nr := p.shape.NR
	rows := min(transformRows, p.ci-from)
	size := rows * nr
	room := w.room(9*size + roomOf(r))
	src := floatsAt(r.pointer(p.ker), p.kerSize)[panel*nr*p.kerO+from*p.kerI:]
	off := &w.args.taps
	for t, offset := range p.offsets {
		off[t] = int32(t * size)
		packMatrix(room[t*size:(t+1)*size], src[offset:], rows, min(nr, p.co-panel*nr), nr, p.kerI, p.kerO)
	}
	a := &w.args.tile
	a.Pixels, a.Off, a.Outside = &room[0], &off[0], nil
	a.Planes, a.Plane = (*float32)(unsafe.Add(r.pointer(p.packed), 4*(panel*p.ci+from)*nr)), p.panels*p.ci*nr
	a.N, a.Room = size, &room[9*size]
	r.kernels().WinogradTaps(a)
}

// roomOf returns the number of floats that the transforms need as their own room.
func roomOf(r *run) int { return places * r.kernels().Lanes }

// planeSize returns the distance of planes of n floats: an odd number of cache lines, so that the 36 places
// of a tile are not in the same few lines of the first-level cache.
func planeSize(n int) int {
	const line = 16
	return ((n+line-1)/line | 1) * line
}

func (s *winogradStep) task(r *run, w *scratch, i int) {
	block, chunk := i/s.chunks, i%s.chunks
	first, last := block*s.groups/s.blocks, (block+1)*s.groups/s.blocks
	from, to := first*s.shape.MR, min(last*s.shape.MR, s.n*s.tiling.perImage())
	s.block(r, w, from, to, chunk)
}

// tapsSize returns the number of floats of the transformed taps.
func (s *winogradStep) tapsSize() int { return places * s.ci * s.panels * s.shape.NR }

// output returns the memory that the outputs of the tiles [from, to) are in, as a number of floats from the
// first row of pixels to the last, or nothing if it is not to be fetched.
func (s *winogradStep) output(r *run, from, to int) (*float32, int) {
	if !s.fetches {
		return nil, 0
	}
	y, per := &s.spatial[0], s.tiling.perImage()
	last := to - 1
	first := from/per*s.outN + from%per/s.tiling.wide*4*y.outS
	end := last/per*s.outN + min(last%per/s.tiling.wide*4+4, y.out)*y.outS
	return (*float32)(unsafe.Add(r.pointer(s.out), 4*first)), end - first
}

// block computes a chunk of the output channels for the tiles [from, to), at most s.rows.
func (s *winogradStep) block(r *run, w *scratch, from, to, chunk int) {
	mr, nr, k := s.shape.MR, s.shape.NR, r.kernels()
	panel, end := chunk*s.panels/s.chunks, (chunk+1)*s.panels/s.chunks
	co := min(end*nr, s.co) - panel*nr

	tilePlane, sumPlane := planeSize(s.rows*s.ci), planeSize(s.rows*s.width)
	room := w.room(places*(tilePlane+sumPlane) + roomOf(r) + s.width)
	tiles, room := room[:places*tilePlane], room[places*tilePlane:]
	sums, room := room[:places*sumPlane], room[places*sumPlane:]

	a := &w.args.tile
	a.Room, a.Outside = &room[0], (*float32)(r.pointer(s.zero))
	a.Plane, a.N = tilePlane, s.ci
	for t := from; t < to; t++ {
		image, at := t/s.tiling.perImage(), t%s.tiling.perImage()
		a.Pixels, a.Off = (*float32)(unsafe.Add(r.pointer(s.in), 4*image*s.inN)), &s.tiling.large[at*36]
		a.Planes = &tiles[(t-from)*s.ci]
		k.WinogradInput(a)
	}

	m := &w.args.rows
	m.Zero, m.Off, m.Taps, m.Run = (*float32)(r.pointer(s.zero)), &s.off[0], 1, s.ci
	m.COff, m.Add = &s.place[0], false
	output, size := s.output(r, from, to)
	for place := range places {
		// Fetch the output meanwhile. It is written tile by tile, in an order that the processor cannot foresee.
		at, next := place*size/places, (place+1)*size/places
		k.Prefetch(element(output, at), next-at)
		for p := panel; p < end; p++ {
			m.B = (*float32)(unsafe.Add(r.pointer(s.packed), 4*(place*s.panels+p)*s.ci*nr))
			for g := range (to - from + mr - 1) / mr {
				m.A = &tiles[place*tilePlane+g*mr*s.ci]
				m.C = &sums[place*sumPlane+g*mr*s.width+(p-panel)*nr]
				s.shape.Rows(m)
			}
		}
	}

	a.Outside = &room[roomOf(r)]
	a.Plane, a.N = sumPlane, co
	for t := from; t < to; t++ {
		image, at := t/s.tiling.perImage(), t%s.tiling.perImage()
		a.Pixels, a.Off = (*float32)(unsafe.Add(r.pointer(s.out), 4*(image*s.outN+panel*nr))), &s.tiling.small[at*16]
		a.Planes = &sums[(t-from)*s.width]
		k.WinogradOutput(a)
	}
}
