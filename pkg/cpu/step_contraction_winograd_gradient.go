package cpu

import (
	"math"
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// winogradGradientStep computes the gradient of a convolution with respect to its 3 by 3 taps by
// Winograd's algorithm: if d are 6 by 6 inputs and e the 4 by 4 gradients of the outputs that depend
// on them, the gradient of the taps is
//
//	Gᵀ [Σ (A e Aᵀ) ⊙ (Bᵀ d B)] G
//
// summed over all tiles of all images. This is the derivative of what [winogradStep] computes, and
// takes as many multiplications. Summed over the tiles, the products of all input channels with all
// output channels at each of the 36 places are a matrix product.
//
// In the contraction, the batch is the input channels, and the contracted channels are the images.
// The images are cut into parts that are summed separately and then added, and the channels into
// chunks. The cuts depend only on the shapes.
type winogradGradientStep struct {
	contraction
	tiling       tiling
	shape        kernel.Shape
	in, ker, out int // slots
	zero         int // slot of a pixel of zeros
	sums         int // slot of [part][36][n][width]
	panels       int
	width        int // panels*NR
	parts        int
	rowChunks    int // number of chunks of input channels
	colChunks    int // number of chunks of panels
	tiles        int // number of tiles transformed at a time
	off          []int32
	taps         []int32
	total        addTaps
}

const (
	// Chunks are so small that the sums of one stay in the second-level cache. Every chunk transforms
	// its tiles again, which costs least where there are many channels.
	smallChunk, largeChunk = 32, 64
	// gradientTasks is the least number of tasks, if there are as many images.
	gradientTasks = 16
	// gradientTiles is the number of floats of transformed tiles, half a MiB.
	gradientTiles = 1 << 17
)

func newWinogradGradientStep(c *contraction, k *kernel.Set, p *plan, in, ker, out int) *winogradGradientStep {
	s := &winogradGradientStep{contraction: *c, in: in, ker: ker, out: out, shape: shapeFor(k, c.co)}
	y, x := &c.spatial[0], &c.spatial[1]
	s.tiling = newTiling(y.ker, x.ker)
	s.tiling.large = s.tiling.offsets(tileSide{6, -y.padding, y.in, y.inS}, tileSide{6, -x.padding, x.in, x.inS})
	s.tiling.small = s.tiling.offsets(tileSide{4, 0, y.ker, y.kerS}, tileSide{4, 0, x.ker, x.kerS})
	nr := s.shape.NR
	s.panels = (c.co + nr - 1) / nr
	s.width = s.panels * nr
	chunk := largeChunk
	if c.n*c.co <= largeChunk*largeChunk {
		chunk = smallChunk
	}
	s.rowChunks = (c.n + chunk - 1) / chunk
	s.colChunks = min(s.panels, (s.width+chunk-1)/chunk)
	s.parts = min(c.ci, (gradientTasks+s.rowChunks*s.colChunks-1)/(s.rowChunks*s.colChunks))
	rows, cols := s.rowChunk(), s.colChunk()
	// The number of tiles changes the order of the sums, so it must not depend on the machine.
	s.tiles = max(8, min(gradientTiles/(places*(rows+cols)), 64))
	for t := range s.tiles {
		s.off = append(s.off, int32(t*rows), int32(t*cols))
	}
	for i := range 9 {
		s.taps = append(s.taps, int32(i/3*y.outS+i%3*x.outS))
	}
	s.zero = p.zeros(4 * max(c.n, c.co))
	s.sums = p.temporary(4 * s.parts * places * c.n * s.width)
	s.total = addTaps{s}
	return s
}

// rowChunk returns the largest number of input channels of a chunk, and colChunk that of output channels.
func (s *winogradGradientStep) rowChunk() int { return (s.n + s.rowChunks - 1) / s.rowChunks }

func (s *winogradGradientStep) colChunk() int {
	return (s.panels + s.colChunks - 1) / s.colChunks * s.shape.NR
}

// winogradGradient reports whether winogradGradientStep can compute the contraction and is expected to
// take at most nine tenths of the time.
func (c *contraction) winogradGradient(k *kernel.Set) bool {
	if len(c.spatial) != 2 || c.groups != 1 || c.inN != 1 || c.kerO != 1 || c.outC != 1 || c.kerI > math.MaxInt32 {
		return false
	}
	tiles, direct := c.ci, c.ci
	for _, s := range c.spatial {
		if s.out != 3 || s.stride != 1 || s.kernelDilation != 1 || s.inputDilation != 1 || s.flip {
			return false
		}
		tiles *= (s.ker + 3) / 4
		direct *= 3 * s.ker
	}
	// Each task adds its sums to the total, which costs about as much as a tile.
	return places*gradientTasks+winogradCost(tiles, k, c.n, c.co) < 0.9*float64(direct)
}

func (s *winogradGradientStep) run(r *run) error {
	if err := r.do(s, s.parts*s.rowChunks*s.colChunks); err != nil {
		return err
	}
	return s.last(r)
}

// last adds and transforms the sums of the parts.
func (s *winogradGradientStep) last(r *run) error { return r.do(&s.total, s.n) }

// sum returns where the sums of a part for an input channel are.
func (s *winogradGradientStep) sum(r *run, part, place, channel int) *float32 {
	return (*float32)(unsafe.Add(r.pointer(s.sums), 4*((part*places+place)*s.n+channel)*s.width))
}

func (s *winogradGradientStep) task(r *run, w *scratch, i int) {
	part := i / s.rowChunks / s.colChunks
	s.add(r, w, i, part*s.ci/s.parts, (part+1)*s.ci/s.parts)
}

// add adds the images [from, to) of the part and chunks of task i. If these are not all images of the part,
// they must be whole blocks of s.tiles tiles, in order.
func (s *winogradGradientStep) add(r *run, w *scratch, i, from, to int) {
	rowChunk, colChunk, part := i%s.rowChunks, i/s.rowChunks%s.colChunks, i/s.rowChunks/s.colChunks
	mr, nr, k := s.shape.MR, s.shape.NR, r.kernels()
	row, rowEnd := rowChunk*s.n/s.rowChunks, (rowChunk+1)*s.n/s.rowChunks
	panel, panelEnd := colChunk*s.panels/s.colChunks, (colChunk+1)*s.panels/s.colChunks
	col, colEnd := panel*nr, min(panelEnd*nr, s.co)
	rows, cols := s.rowChunk(), s.colChunk()
	per := s.tiling.perImage()
	start := part * s.ci / s.parts * per

	inputPlane, deltaPlane := planeSize(s.tiles*rows), planeSize(s.tiles*cols)
	room := w.room(places*(inputPlane+deltaPlane) + roomOf(r))
	inputs, room := room[:places*inputPlane], room[places*inputPlane:]
	deltas, room := room[:places*deltaPlane], room[places*deltaPlane:]
	if colEnd-col < (panelEnd-panel)*nr {
		clear(deltas) // the columns that are not there
	}
	a, m := &w.args.tile, &w.args.cols
	a.Room, a.Outside = &room[0], (*float32)(r.pointer(s.zero))
	m.Off, m.LDC = &s.off[0], s.width
	for first := from * per; first < to*per; first += s.tiles {
		n := min(s.tiles, to*per-first)
		for t := range n {
			image, at := (first+t)/per, (first+t)%per
			a.Pixels, a.Off = (*float32)(unsafe.Add(r.pointer(s.in), 4*(image*s.inC+row))), &s.tiling.large[at*36]
			a.Planes, a.Plane, a.N = &inputs[t*rows], inputPlane, rowEnd-row
			k.WinogradInput(a)
			a.Pixels, a.Off = (*float32)(unsafe.Add(r.pointer(s.ker), 4*(image*s.kerI+col))), &s.tiling.small[at*16]
			a.Planes, a.Plane, a.N = &deltas[t*cols], deltaPlane, colEnd-col
			k.WinogradDelta(a)
		}
		m.N, m.Add = n, first > start
		for place := range places {
			for p := panel; p < panelEnd; p++ {
				m.B = &deltas[place*deltaPlane+(p-panel)*nr]
				for c := row; c < rowEnd; c += mr {
					m.A = &inputs[place*inputPlane+c-row]
					m.C = (*float32)(unsafe.Add(unsafe.Pointer(s.sum(r, part, place, c)), 4*p*nr))
					s.shape.Cols[min(mr, rowEnd-c)-1](m)
				}
			}
		}
	}
}

// addTaps adds the parts of an input channel, in order, and transforms the sums.
type addTaps struct{ *winogradGradientStep }

func (p *addTaps) task(r *run, w *scratch, channel int) {
	k := r.kernels()
	for place := range places {
		to := p.sum(r, 0, place, channel)
		for part := 1; part < p.parts; part++ {
			k.Add(to, to, p.sum(r, part, place, channel), p.width)
		}
	}
	a := &w.args.tile
	a.Pixels, a.Off, a.Outside = (*float32)(unsafe.Add(r.pointer(p.out), 4*channel*p.outN)), &p.taps[0], nil
	a.Planes, a.Plane, a.N = p.sum(r, 0, 0, channel), p.n*p.width, p.co
	a.Room = &w.room(roomOf(r))[0]
	k.WinogradSum(a)
}
