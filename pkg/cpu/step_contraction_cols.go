package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// colsStep computes a contraction whose input has a contiguous batch. The gradient of a
// convolution with respect to its kernel is such a contraction: there the batch is the channels
// of the input, the taps are the pixels of the output's gradient, and the contracted channels
// are the images. It is a sum of outer products, one for each pixel. Its only tables say where in
// the input the neighbours of a pixel are.
//
// The pixels are cut into segments that stay in the cache, and the images into parts that are
// summed separately and then added. The cuts depend only on the shapes.
type colsStep struct {
	*colsTables
	in, ker, out int // slots
	packed       int // slot of the kernel's segments, in panels
	sums         int // slot of the parts' sums, or -1 if they are written to the output directly

	pack  packSegments
	total addParts
}

// colsTables holds what depends only on the sizes of a contraction, as rowsTables does.
type colsTables struct {
	contraction
	shape     kernel.Shape
	places    []int // offsets of the output positions
	tiles     []tile
	taps      []int // offsets of the taps in the kernel
	panels    int
	perPeriod int       // number of contracted channels in a period, which share a table
	rows      int       // number of taps of one contracted channel
	segments  []segment // of a period
	entries   []int32   // pairs of offsets, in the input and in a packed segment
	parts     int
	cuts      int // number of ranges that the tiles at all positions are divided into, for tasks
	positions int
}

// tile is n elements of the batch, starting at from.
type tile struct{ from, n int }

// segment is n rows of the kernel, starting at from. The entries [first[q], first[q+1]) belong to
// output position q.
type segment struct {
	from, n int
	first   []int
}

const (
	segmentRows = 256
	maxParts    = 16
	// maxSums limits the memory for the sums of parts, in floats.
	maxSums = 1 << 20
)

func newColsStep(c *contraction, k *kernel.Set, p *plan, in, ker, out int) *colsStep {
	key := fmt.Sprint(*c)
	if p.cols[key] == nil {
		p.cols[key] = newColsTables(c, k, p.granularity)
	}
	s := &colsStep{colsTables: p.cols[key], in: in, ker: ker, out: out, sums: -1}
	width := s.panels * s.shape.NR
	s.packed = p.temporary(4 * c.groups * c.ci * s.rows * width)
	if s.parts > 1 || width != c.co {
		s.sums = p.temporary(4 * c.groups * s.parts * s.positions * c.n * width)
	}
	s.pack, s.total = packSegments{s}, addParts{s}
	return s
}

func newColsTables(c *contraction, k *kernel.Set, g granularity) *colsTables {
	s := &colsTables{contraction: *c, shape: shapeFor(k, c.co)}
	positions := positions(c.spatial)
	s.positions = len(positions)
	s.taps = c.kernelOffsets()
	s.rows = len(s.taps)
	s.panels = (c.co + s.shape.NR - 1) / s.shape.NR
	for _, q := range positions {
		s.places = append(s.places, q.out)
	}
	count := (c.n + s.shape.MR - 1) / s.shape.MR
	for i := range count {
		from, to := i*c.n/count, (i+1)*c.n/count
		s.tiles = append(s.tiles, tile{from, to - from})
	}
	s.perPeriod = c.period(s.rows)
	total := s.perPeriod * s.rows
	for from := 0; from < total; from += segmentRows {
		s.addSegment(positions, from, min(segmentRows, total-from))
	}
	s.entries = append(s.entries, 0, 0) // task takes the address of a range's first entry, even of an empty range at the end

	size := s.positions * c.n * s.panels * s.shape.NR * c.groups
	s.parts = min(c.ci/s.perPeriod, maxParts, max(1, maxSums/size))
	const tasksPerCore = 12
	units := s.positions * len(s.tiles)
	s.cuts = max(1, min(units, (g.tasks(tasksPerCore)+s.parts*c.groups-1)/(s.parts*c.groups)))
	return s
}

// period returns the number of contracted channels, of so many rows each, that share a table:
// enough to fill a segment, but no more than int32 offsets can reach.
func (c *contraction) period(rows int) int {
	best := 1
	for d := 1; d <= c.ci; d++ {
		if c.ci%d != 0 {
			continue
		}
		if d > 1 && !c.reachesChannels(d) {
			break
		}
		best = d
		if d*rows >= segmentRows {
			break
		}
	}
	return best
}

// reachesChannels reports whether int32 offsets reach everywhere in n contracted channels.
func (c *contraction) reachesChannels(n int) bool {
	in := (n - 1) * c.inC
	for _, s := range c.spatial {
		in += (s.in - 1) * s.inS
	}
	return in <= math.MaxInt32
}

// addSegment makes the table of n rows of the kernel, starting at from.
func (s *colsTables) addSegment(positions []position, from, n int) {
	g := segment{from: from, n: n}
	for _, q := range positions {
		g.first = append(g.first, len(s.entries)/2)
		for r := from; r < from+n; r++ {
			if at := q.in[r%s.rows]; at >= 0 {
				s.entries = append(s.entries, int32(r/s.rows*s.inC+at), int32((r-from)*s.shape.NR))
			}
		}
	}
	g.first = append(g.first, len(s.entries)/2)
	s.segments = append(s.segments, g)
}

func (s *colsStep) run(r *run) error {
	periods := s.ci / s.perPeriod
	if err := r.do(&s.pack, s.groups*periods*len(s.segments)); err != nil {
		return err
	}
	if err := r.do(s, s.groups*s.parts*s.cuts); err != nil {
		return err
	}
	if s.sums < 0 {
		return nil
	}
	return r.do(&s.total, s.groups*s.positions)
}

// packSegments copies the kernel to [group][period][segment][panel][rows][NR], with zeros in place
// of missing columns.
type packSegments struct{ *colsStep }

func (p *packSegments) task(r *run, _ *scratch, i int) {
	g, period, segment := i/len(p.segments)/(p.ci/p.perPeriod), i/len(p.segments)%(p.ci/p.perPeriod), i%len(p.segments)
	seg := &p.segments[segment]
	nr := p.shape.NR
	src := floatsAt(r.pointer(p.ker), p.kerSize)
	for panel := range p.panels {
		n := min(nr, p.co-panel*nr)
		dst := floatsAt(p.segment(r, g, period, segment, panel), seg.n*nr)
		if n < nr {
			clear(dst)
		}
		base := g*p.kerG + panel*nr*p.kerO
		for row := range seg.n {
			at := seg.from + row
			from := base + (period*p.perPeriod+at/p.rows)*p.kerI + p.taps[at%p.rows]
			to := dst[row*nr : row*nr+n]
			if p.kerO == 1 {
				copy(to, src[from:from+n])
				continue
			}
			for j := range to {
				to[j] = src[from+j*p.kerO]
			}
		}
	}
}

// segment returns where a panel of a segment is packed.
func (s *colsStep) segment(r *run, g, period, segment, panel int) unsafe.Pointer {
	row := (g*(s.ci/s.perPeriod)+period)*s.perPeriod*s.rows + s.segments[segment].from
	at := (row*s.panels + panel*s.segments[segment].n) * s.shape.NR
	return unsafe.Add(r.pointer(s.packed), 4*at)
}

// target returns where the sums of a part for a position are written, and the stride of their rows.
func (s *colsStep) target(r *run, g, part, position int) (unsafe.Pointer, int) {
	if s.sums < 0 {
		return unsafe.Add(r.pointer(s.out), 4*(g*s.outG+s.places[position])), s.outN
	}
	width := s.panels * s.shape.NR
	at := ((g*s.parts+part)*s.positions + position) * s.n * width
	return unsafe.Add(r.pointer(s.sums), 4*at), width
}

func (s *colsStep) task(r *run, w *scratch, i int) {
	cut := i % s.cuts
	i /= s.cuts
	part, g := i%s.parts, i/s.parts
	periods := s.ci / s.perPeriod
	units := s.positions * len(s.tiles)
	from, to := cut*units/s.cuts, (cut+1)*units/s.cuts
	nr := s.shape.NR
	a := &w.args.cols
	first := part * periods / s.parts
	for period := first; period < (part+1)*periods/s.parts; period++ {
		in := unsafe.Add(r.pointer(s.in), 4*(g*s.inG+period*s.perPeriod*s.inC))
		for k := range s.segments {
			seg := &s.segments[k]
			for panel := range s.panels {
				a.B = (*float32)(s.segment(r, g, period, k, panel))
				a.Add = period > first || k > 0
				for u := from; u < to; u++ {
					position, tile := u/len(s.tiles), s.tiles[u%len(s.tiles)]
					c, ldc := s.target(r, g, part, position)
					a.A = (*float32)(unsafe.Add(in, 4*tile.from*s.inN))
					a.C = (*float32)(unsafe.Add(c, 4*(tile.from*ldc+panel*nr)))
					a.LDC = ldc
					a.Off = &s.entries[2*seg.first[position]]
					a.N = seg.first[position+1] - seg.first[position]
					s.shape.Cols[tile.n-1](a)
				}
			}
		}
	}
}

// addParts adds the parts of each position, in order, and copies the sum to the output.
type addParts struct{ *colsStep }

func (p *addParts) task(r *run, _ *scratch, i int) {
	g, position := i/p.positions, i%p.positions
	width := p.panels * p.shape.NR
	first, _ := p.target(r, g, 0, position)
	size := p.n * width
	for part := 1; part < p.parts; part++ {
		next, _ := p.target(r, g, part, position)
		r.kernels().Add((*float32)(first), (*float32)(first), (*float32)(next), size)
	}
	out := unsafe.Add(r.pointer(p.out), 4*(g*p.outG+p.places[position]))
	for m := range p.n {
		copy(floatsAt(unsafe.Add(out, 4*m*p.outN), p.co), floatsAt(unsafe.Add(first, 4*m*width), p.co))
	}
}
