package cpu

import (
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// winogradStep computes a convolution with 3 by 3 taps by Winograd's minimal filtering
// algorithm F(2×2, 3×3): a tile of 2 by 2 outputs is
//
//	Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A
//
// for taps g and 4 by 4 inputs d. It takes 16 multiplications where the definition takes 36.
// Summed over the input channels, the products at each of the 16 places of the transformed tiles
// form a matrix product. See Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
// 2015 (https://arxiv.org/abs/1509.09308).
//
// Larger tiles would save more multiplications, but their transforms multiply by numbers of very
// different magnitude, which costs precision. The transforms of F(2×2, 3×3) only add and halve.
//
// A task is a block of tiles. It handles the transformed tiles row by row, so that its data stay
// in the second-level cache while the transformed taps pass through it.
type winogradStep struct {
	contraction
	shape        kernel.Shape
	in, ker, out int   // slots
	packed, zero int   // slots of the transformed taps, in panels, and of a pixel of zeros
	offsets      []int // offsets of the taps in the kernel
	panels       int
	high, wide   int // number of tiles in an image, vertically and horizontally
	groups       int // number of groups of MR tiles
	blocks       int // number of blocks of groups
	chunks       int // number of chunks of panels
	rows         int // largest number of tiles in a block
	width        int // largest number of output channels in a chunk
	off, place   []int32
	pack         transformTaps
}

const (
	// A block has up to granularity.groups groups of tiles. If that makes too few tasks, the
	// output channels are cut into chunks too, at the price of transforming the block's tiles
	// once per chunk, and blocks shrink down to minGroups.
	minGroups            = 2
	minChunk             = 128
	winogradTasksPerCore = 8
	// transformRows is the number of input channels whose taps are transformed at a time.
	transformRows = 16
)

// newWinogradStep returns the step for a contraction of the form that contraction.winograd checks.
func newWinogradStep(c *contraction, k *kernel.Set, p *plan, in, ker, out int) *winogradStep {
	s := &winogradStep{contraction: *c, in: in, ker: ker, out: out, offsets: c.kernelOffsets()}
	s.shape = shapeFor(k, c.co)
	mr, nr := s.shape.MR, s.shape.NR
	s.panels = (c.co + nr - 1) / nr
	s.high, s.wide = (c.spatial[0].out+1)/2, (c.spatial[1].out+1)/2
	s.groups = (c.n*s.high*s.wide + mr - 1) / mr
	tasks, most := p.granularity.tasks(winogradTasksPerCore), p.granularity.groups
	s.chunks = max(1, min((tasks*most+s.groups-1)/s.groups, c.co/minChunk))
	perBlock := max(minGroups, min(s.groups*s.chunks/tasks, most))
	s.blocks = (s.groups + perBlock - 1) / perBlock
	s.rows = (s.groups + s.blocks - 1) / s.blocks * mr
	s.width = (s.panels + s.chunks - 1) / s.chunks * nr
	for m := range mr {
		s.off, s.place = append(s.off, int32(m*c.ci)), append(s.place, int32(m*s.width))
	}
	s.packed = p.temporary(4 * 16 * c.ci * s.panels * nr)
	s.zero = p.zeros(4 * c.ci)
	s.pack = transformTaps{s}
	return s
}

// winograd reports whether winogradStep can compute the contraction and is expected to take at most
// nine tenths of the time. The unit of cost is the product of the channels of one pixel, or of one
// place in a transformed tile, with the matrix of one tap. The constants express all other work
// in this unit. They were measured with AVX2 for batches of 1 to 64 and 32 to 512 channels.
func (c *contraction) winograd(lanes int) bool {
	if len(c.spatial) != 2 || c.groups != 1 || c.inC != 1 || c.outC != 1 {
		return false
	}
	tiles, direct := c.n, c.n
	for _, s := range c.spatial {
		if s.ker != 3 || s.stride != 1 || s.kernelDilation != 1 || s.inputDilation != 1 {
			return false
		}
		tiles *= (s.out + 1) / 2
		inside := 0 // taps that are not in the padding, which rowsStep can skip
		for k := range s.ker {
			inside += max(0, min(s.out, s.in+s.padding-k)-max(0, s.padding-k))
		}
		direct *= inside
	}
	const (
		vectors = 1.6 // the transforms of a tile, per vector of channels
		taps    = 50  // the transform of the taps, in tiles
		panels  = 336 // what rowsStep does instead: packing the taps
	)
	ci, co := float64(c.ci), float64(c.co)
	cost := 16 * (float64(tiles)*(1+vectors*float64(lanes)*(1/ci+1/co)) + taps)
	return cost < 0.9*float64(direct+panels)
}

func (s *winogradStep) run(r *run) error {
	if err := r.do(&s.pack, s.panels*s.pack.parts()); err != nil {
		return err
	}
	return r.do(s, s.blocks*s.chunks)
}

// transformTaps computes G g Gᵀ, with
//
//	G = 1  0  0
//	    ½  ½  ½
//	    ½ −½  ½
//	    0  0  1
//
// in panels of NR output channels, [16][panel][ci][NR], with zeros in place of missing channels.
type transformTaps struct{ *winogradStep }

// parts returns the number of tasks per panel.
func (p *transformTaps) parts() int { return (p.ci + transformRows - 1) / transformRows }

func (p *transformTaps) task(r *run, w *scratch, i int) {
	panel, from := i/p.parts(), i%p.parts()*transformRows
	nr := p.shape.NR
	rows := min(transformRows, p.ci-from)
	size := rows * nr
	k := r.kernels()

	// Pieces 0 to 8 are the taps. Pieces 9 to 11 and 12 to 14 are the inner rows of G g, doubled.
	room := w.room(18 * size)
	piece := func(i int) *float32 { return &room[i*size] }
	sum, half, quarter := piece(15), piece(16), piece(17)
	k.Fill(half, 0.5, size)
	k.Fill(quarter, 0.25, size)
	src := floatsAt(r.pointer(p.ker), p.kerSize)[panel*nr*p.kerO+from*p.kerI:]
	for t, offset := range p.offsets {
		packMatrix(room[t*size:(t+1)*size], src[offset:], rows, min(nr, p.co-panel*nr), nr, p.kerI, p.kerO)
	}
	for x := range 3 {
		k.Add(sum, piece(x), piece(6+x), size)
		k.Add(piece(9+x), sum, piece(3+x), size)
		k.Sub(piece(12+x), sum, piece(3+x), size)
	}
	to := unsafe.Add(r.pointer(p.packed), 4*(panel*p.ci+from)*nr)
	for y, first := range [4]int{0, 9, 12, 6} {
		dst := func(x int) *float32 { return (*float32)(unsafe.Add(to, 4*(4*y+x)*p.panels*p.ci*nr)) }
		a, b, c := piece(first), piece(first+1), piece(first+2)
		k.Add(sum, a, c, size)
		k.Add(dst(1), sum, b, size)
		k.Sub(dst(2), sum, b, size)
		scale := half
		if y == 0 || y == 3 {
			copy(unsafe.Slice(dst(0), size), unsafe.Slice(a, size))
			copy(unsafe.Slice(dst(3), size), unsafe.Slice(c, size))
		} else {
			k.Mul(dst(0), a, half, size)
			k.Mul(dst(3), c, half, size)
			scale = quarter
		}
		k.Mul(dst(1), dst(1), scale, size)
		k.Mul(dst(2), dst(2), scale, size)
	}
}

func (s *winogradStep) task(r *run, w *scratch, i int) {
	block, chunk := i/s.chunks, i%s.chunks
	first, last := block*s.groups/s.blocks, (block+1)*s.groups/s.blocks
	b := winogradBlock{
		winogradStep: s, r: r, k: r.kernels(), args: &w.args.rows,
		from: first * s.shape.MR, to: min(last*s.shape.MR, s.n*s.high*s.wide), groups: last - first,
		first: chunk * s.panels / s.chunks, last: (chunk + 1) * s.panels / s.chunks,
	}
	tiles, sums := 4*s.rows*s.ci, 4*s.rows*s.width
	strip := 2 * (min(s.wide, s.rows) + 1) * s.ci
	room := w.room(tiles + 3*sums + strip)
	b.tiles, room = room[:tiles], room[tiles:]
	upper, lower, m := room[:sums], room[sums:2*sums], room[2*sums:3*sums]
	b.strip = room[3*sums:]

	// If m are the products, Aᵀ m is
	//
	//	m₀ + (m₁ + m₂)
	//	     (m₁ − m₂) − m₃
	//
	// The inner products come first. The kernel then adds the outer ones, m₀ and −m₃: transform
	// changes the sign of its last row.
	b.transform(1)
	b.multiply(1, m, false)
	b.transform(2)
	b.multiply(2, lower, false)
	b.k.Add(&upper[0], &m[0], &lower[0], sums)
	b.k.Sub(&lower[0], &m[0], &lower[0], sums)
	b.transform(0)
	b.multiply(0, upper, true)
	b.transform(3)
	b.multiply(3, lower, true)
	b.store(0, upper, m)
	b.store(1, lower, m)
}

// winogradBlock is the work of a task: a block of tiles and a chunk of panels of output channels.
type winogradBlock struct {
	*winogradStep
	r                *run
	k                *kernel.Set
	args             *kernel.Rows
	from, to, groups int       // the tiles [from, to), and their number of groups
	first, last      int       // the panels [first, last)
	tiles            []float32 // a row of the transformed tiles: [4][rows][ci]
	strip            []float32 // pixels under a row of tiles
}

// row returns the image and the row and column of tile t, counted over all images, and how many
// tiles of the block, from t on, are in the same row.
func (b *winogradBlock) row(t int) (image, y, x, n int) {
	x, y, image = t%b.wide, t/b.wide%b.high, t/b.wide/b.high
	return image, y, x, min(b.to-t, b.wide-x)
}

// input returns where a row of the input is, and the distance of its pixels in bytes. A row outside
// the image is one pixel of zeros, repeated.
func (b *winogradBlock) input(image, y int) (unsafe.Pointer, int) {
	s := &b.spatial[0]
	if y -= s.padding; y < 0 || y >= s.in {
		return b.r.pointer(b.zero), 0
	}
	return unsafe.Add(b.r.pointer(b.in), 4*(image*b.inN+y*s.inS)), 4 * b.spatial[1].inS
}

// transform computes row i of Bᵀ d B of all tiles, with
//
//	Bᵀ = 1  0 −1  0
//	     0  1  1  0
//	     0 −1  1  0
//	     0  1  0 −1
//
// and the sign of the last row changed. Bᵀ d is computed pixel by pixel, one row of tiles at a time,
// and stored with the even pixels first. Pixels at the same place of adjacent tiles are then
// contiguous, so that all tiles of the row are multiplied by B at once.
func (b *winogradBlock) transform(i int) {
	op, above, below := b.k.Sub, 0, 2
	switch i {
	case 1:
		op, above, below = b.k.Add, 1, 2
	case 2:
		above, below = 2, 1
	case 3:
		above, below = 3, 1
	}
	ci, padding, in := b.ci, b.spatial[1].padding, b.spatial[1].in
	plane := b.rows * ci
	for t := b.from; t < b.to; {
		image, y, x, n := b.row(t)
		p, pS := b.input(image, 2*y+above)
		q, qS := b.input(image, 2*y+below)
		for j := range 2 * (n + 1) {
			to := b.strip[(j/2+j%2*(n+1))*ci:][:ci]
			if from := 2*x + j - padding; from < 0 || from >= in {
				clear(to)
			} else {
				op(&to[0], (*float32)(unsafe.Add(p, from*pS)), (*float32)(unsafe.Add(q, from*qS)), ci)
			}
		}
		even, odd := b.strip, b.strip[(n+1)*ci:]
		to := b.tiles[(t-b.from)*ci:]
		b.k.Sub(&to[0], &even[0], &even[ci], n*ci)
		b.k.Add(&to[plane], &odd[0], &even[ci], n*ci)
		b.k.Sub(&to[2*plane], &even[ci], &odd[0], n*ci)
		b.k.Sub(&to[3*plane], &odd[0], &odd[ci], n*ci)
		t += n
	}
}

// multiply computes the products of row i of the transformed tiles and taps, summed over the input
// channels, in m: [4][rows][width]. It adds them to m if add is set.
func (b *winogradBlock) multiply(i int, m []float32, add bool) {
	mr, nr := b.shape.MR, b.shape.NR
	a := b.args
	a.Zero, a.Off, a.Taps, a.Run = (*float32)(b.r.pointer(b.zero)), &b.off[0], 1, b.ci
	a.COff, a.Add = &b.place[0], add
	for j := range 4 {
		for panel := b.first; panel < b.last; panel++ {
			a.B = (*float32)(unsafe.Add(b.r.pointer(b.packed), 4*((4*i+j)*b.panels+panel)*b.ci*nr))
			for g := range b.groups {
				tile := j*b.rows + g*mr
				a.A = &b.tiles[tile*b.ci]
				a.C = &m[tile*b.width+(panel-b.first)*nr]
				b.shape.Rows(a)
			}
		}
	}
}

// store writes row i of the outputs of all tiles, two pixels for each tile. The argument m is row
// i of the product Aᵀ m, as four planes m₀ to m₃, and the pixels are
//
//	m₀ + (m₁ + m₂), (m₁ − m₂) − m₃
//
// sums is scratch space for the parentheses.
func (b *winogradBlock) store(i int, m, sums []float32) {
	plane := b.rows * b.width
	b.k.Add(&sums[0], &m[plane], &m[2*plane], plane)
	b.k.Sub(&sums[plane], &m[plane], &m[2*plane], plane)
	channel := b.first * b.shape.NR
	co := min(b.last*b.shape.NR, b.co) - channel
	v, h := &b.spatial[0], &b.spatial[1]
	for t := b.from; t < b.to; {
		image, y, x, n := b.row(t)
		if y = 2*y + i; y < v.out {
			to := unsafe.Add(b.r.pointer(b.out), 4*(image*b.outN+y*v.outS+2*x*h.outS+channel))
			for j := range n {
				at := (t - b.from + j) * b.width
				b.k.Add((*float32)(unsafe.Add(to, 4*2*j*h.outS)), &m[at], &sums[at], co)
				if 2*(x+j)+1 < h.out {
					b.k.Sub((*float32)(unsafe.Add(to, 4*(2*j+1)*h.outS)), &sums[plane+at], &m[3*plane+at], co)
				}
			}
		}
		t += n
	}
}
