package cpu

// chainStep runs several steps together. A task runs them one after another on a few images of the batch,
// whose data are then still in the second-level cache. On its own, each step would read all images from
// main memory, and wait for the last task of the step before. See plan.chain for which steps these are.
type chainStep struct {
	members []member
	n       int // images
	atATime int // images that pass through all members before the next ones
	perTask int // images, a multiple of atATime
}

// member is a step that can be part of a chain. Instead of run, the chain calls first, then compute for all images, then
// last.
type member interface {
	step
	// split says how a batch of n images can be divided, and whether it can.
	split(p *plan, n int) (division, bool)
	// first runs the jobs that come before all images, such as packing weights.
	first(r *run) error
	// compute computes the images [from, to) of n.
	compute(r *run, w *scratch, from, to, n int)
	// last combines what was computed for parts of the batch.
	last(r *run) error
}

// division says how the work of a member can be divided by images.
type division struct {
	// quantum divides the first and the last index of every range of images.
	quantum int
	// order is the size of the blocks of images that must each be computed in order. Different blocks may be
	// computed at the same time.
	order int
	// shared is the number of floats that all images need, such as weights or sums.
	shared int
	// A member reads and writes only those parts of the local slots that belong to the images. It reads
	// other slots, and writes the slots of sums over all images, as a whole.
	local, reads, sums []int
}

func (c *chainStep) run(r *run) error {
	for _, m := range c.members {
		if err := m.first(r); err != nil {
			return err
		}
	}
	if err := r.do(c, (c.n+c.perTask-1)/c.perTask); err != nil {
		return err
	}
	for _, m := range c.members {
		if err := m.last(r); err != nil {
			return err
		}
	}
	return nil
}

func (c *chainStep) task(r *run, w *scratch, i int) {
	end := min((i+1)*c.perTask, c.n)
	for from := i * c.perTask; from < end; from += c.atATime {
		to := min(from+c.atATime, end)
		for _, m := range c.members {
			start := r.now()
			m.compute(r, w, from, to, c.n)
			r.worked(m, start)
		}
	}
}

// divide divides a step whose task is a number of elements of a batch of n images.
func divide(size, perTask, n int) (division, bool) {
	if size%n != 0 {
		return division{}, false
	}
	q := 1
	for q < n && q*(size/n)%perTask != 0 {
		q++
	}
	return division{quantum: q, order: q}, true
}

// tasksOf runs the tasks of perTask elements for the images [from, to) of n.
func tasksOf(t tasker, r *run, w *scratch, size, perTask, from, to, n int) {
	unit := size / n
	for i := from * unit / perTask; i*perTask < to*unit; i++ {
		t.task(r, w, i)
	}
}

func (l *loop) split(p *plan, n int) (division, bool) {
	if l.part.outer > 1 {
		return division{}, false
	}
	d, ok := divide(l.size, l.perTask, n)
	used := func(refs ...ref) {
		for _, f := range refs {
			switch f.kind {
			case refMemory:
				d.local = append(d.local, l.slots[f.index])
			case refRow:
				d.reads = append(d.reads, l.slots[f.index])
			}
		}
	}
	for _, in := range l.program {
		used(in.dst, in.a, in.b, in.c)
	}
	for _, e := range l.expands {
		d.reads = append(d.reads, e.slot)
	}
	for _, r := range l.roots {
		used(r.from, r.with)
		if r.tensor.kind == kindReduce {
			d.sums = append(d.sums, r.slot)
		}
	}
	return d, ok
}

func (l *loop) first(*run) error { return nil }

func (l *loop) compute(r *run, w *scratch, from, to, n int) {
	tasksOf(l, r, w, l.size, l.perTask, from, to, n)
}

func (s *momentsStep) split(p *plan, n int) (division, bool) {
	d, ok := divide(s.rows*s.features, s.perTask*s.features, n)
	d.local, d.sums = []int{s.in}, []int{s.mean, s.variance}
	return d, ok
}

func (s *momentsStep) first(*run) error { return nil }

func (s *momentsStep) compute(r *run, w *scratch, from, to, n int) {
	tasksOf(s, r, w, s.rows*s.features, s.perTask*s.features, from, to, n)
}

// batched reports whether images, the distance between n images in a slot, divides the slot's floats into n
// pieces.
func (p *plan) batched(slot, images, n int) bool { return p.slots[slot].bytes == 4*images*n }

func (s *winogradStep) split(p *plan, n int) (division, bool) {
	if s.n != n || s.chunks > 1 || !p.batched(s.in, s.inN, n) || !p.batched(s.out, s.outN, n) {
		return division{}, false
	}
	return division{quantum: 1, order: 1, shared: s.tapsSize(), local: []int{s.in, s.out}, reads: []int{s.ker}}, true
}

func (s *winogradStep) compute(r *run, w *scratch, from, to, _ int) {
	per := s.tiling.perImage()
	for t := from * per; t < to*per; t += s.rows {
		s.block(r, w, t, min(t+s.rows, to*per), 0)
	}
}

func (s *winogradStep) last(*run) error { return nil }

func (s *winogradGradientStep) split(p *plan, n int) (division, bool) {
	per := s.tiling.perImage()
	if s.ci != n || n%s.parts != 0 || !p.batched(s.in, s.inC, n) || !p.batched(s.ker, s.kerI, n) {
		return division{}, false
	}
	d := division{quantum: 1, order: n / s.parts, shared: places * s.n * s.width, local: []int{s.in, s.ker}, sums: []int{s.out}}
	for d.quantum < d.order && d.quantum*per%s.tiles != 0 {
		d.quantum++
	}
	return d, d.order%d.quantum == 0
}

func (s *winogradGradientStep) first(*run) error { return nil }

func (s *winogradGradientStep) compute(r *run, w *scratch, from, to, n int) {
	chunks := s.rowChunks * s.colChunks
	for per := n / s.parts; from < to; from += per - from%per {
		for i := range chunks {
			s.add(r, w, from/per*chunks+i, from, min(to, from+per-from%per))
		}
	}
}

func (s *rowsStep) split(p *plan, n int) (division, bool) {
	if s.groups > 1 || s.n != n || !p.batched(s.in, s.inN, n) || !p.batched(s.out, s.outN, n) {
		return division{}, false
	}
	return division{quantum: s.images, order: 1, shared: s.panels * s.panelSize, local: []int{s.in, s.out}, reads: []int{s.ker}}, true
}

func (s *rowsStep) compute(r *run, w *scratch, from, to, _ int) {
	per := len(s.units) * s.chunks
	for i := from / s.images * per; i < to/s.images*per; i++ {
		s.task(r, w, i)
	}
}

func (s *rowsStep) last(*run) error { return nil }
