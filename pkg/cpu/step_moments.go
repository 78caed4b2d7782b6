package cpu

import (
	"unsafe"
)

// momentsStep computes the mean and the biased variance of every column of a matrix of shape
// [rows, features]. Each task does so for a few rows, which are still in the cache when their
// mean is known; then the moments of all tasks are combined (Chan, Golub and LeVeque 1979). This
// takes one pass over memory and loses no precision when the mean is large.
type momentsStep struct {
	rows, features     int
	in, mean, variance int // slots
	partials           int // slot: [tasks][2][width]
	width, perTask     int
	abreast            int // number of rows that are summed side by side
}

func newMomentsStep(rows, features int, p *plan, in, mean, variance int) *momentsStep {
	s := &momentsStep{rows: rows, features: features, in: in, mean: mean, variance: variance, abreast: abreast(features)}
	s.width = (features + 15) &^ 15
	s.perTask = max(1, taskSize/features)
	s.partials = p.temporary(4 * 2 * s.width * s.tasks())
	return s
}

func (s *momentsStep) tasks() int { return (s.rows + s.perTask - 1) / s.perTask }

// part returns the means and the sums of squared deviations that task i computes.
func (s *momentsStep) part(r *run, i int) (mean, deviations []float32) {
	both := floatsAt(unsafe.Add(r.pointer(s.partials), 4*2*s.width*i), 2*s.width)
	return both[:s.features], both[s.width:][:s.features]
}

func (s *momentsStep) task(r *run, w *scratch, i int) {
	k := r.kernels()
	from := i * s.perTask
	rows := min(s.perTask, s.rows-from)
	x := (*float32)(unsafe.Add(r.pointer(s.in), 4*from*s.features))
	mean, deviations := s.part(r, i)
	clear(mean)
	clear(deviations)
	// Sum several rows side by side. Rows that do not fill the last set are added to the first.
	width := s.features * s.abreast
	sets := rows / s.abreast
	done := sets * s.abreast
	room := w.room(2 * width)
	sums, means := room[:width], room[width:]

	clear(sums)
	k.SumRows(&sums[0], x, width, sets)
	if done < rows {
		k.SumRows(&sums[0], element(x, done*s.features), s.features, rows-done)
	}
	k.SumRows(&mean[0], &sums[0], s.features, s.abreast)
	for j := range mean {
		mean[j] /= float32(rows)
	}
	for i := range s.abreast {
		copy(means[i*s.features:], mean)
	}
	clear(sums)
	k.MomentRows(&sums[0], &means[0], x, width, sets)
	if done < rows {
		k.MomentRows(&sums[0], &mean[0], element(x, done*s.features), s.features, rows-done)
	}
	k.SumRows(&deviations[0], &sums[0], s.features, s.abreast)
}

func (s *momentsStep) run(r *run) error {
	if err := r.do(s, s.tasks()); err != nil {
		return err
	}
	return s.last(r)
}

// last combines the moments of the tasks in order.
func (s *momentsStep) last(r *run) error {
	mean, variance := floatsAt(r.pointer(s.mean), s.features), floatsAt(r.pointer(s.variance), s.features)
	first, deviations := s.part(r, 0)
	copy(mean, first)
	copy(variance, deviations)
	n := float32(min(s.perTask, s.rows))
	for i := 1; i < s.tasks(); i++ {
		m := float32(min(s.perTask, s.rows-i*s.perTask))
		other, deviations := s.part(r, i)
		for j, b := range other {
			d := b - mean[j]
			// The conversions keep the compiler from fusing operations on arm64, as it does not on amd64.
			mean[j] += float32(d * (m / (n + m)))
			variance[j] += deviations[j] + float32(d*d*(n*m/(n+m)))
		}
		n += m
	}
	for j := range variance {
		variance[j] /= float32(s.rows)
	}
	return nil
}
