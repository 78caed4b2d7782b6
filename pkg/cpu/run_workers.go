package cpu

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/pkg/errors"
)

// tasker does one of a job's tasks. Tasks are cut by the shapes of the work, never by the
// number of workers, so that sums have the same order on any machine.
type tasker interface {
	task(r *run, s *scratch, i int)
}

// workers is a pool of goroutines that stay. Whoever has a job works on it too, so that any
// number of executables can share the pool.
type workers struct {
	jobs    chan *job
	ended   chan struct{}
	once    sync.Once
	mu      sync.Mutex
	started int
	free    sync.Pool // of *job
}

// job is tasks 0 … n-1 of a tasker. Goroutines take them one by one, in order.
type job struct {
	tasker tasker
	run    *run
	n      int64
	next   atomic.Int64
	done   atomic.Int64
	refs   atomic.Int32 // goroutines that may still look at the job
	ended  chan struct{}
	failed atomic.Pointer[error]
}

// scratch is memory that a goroutine has for itself, for the length of a task.
type scratch struct {
	floats []float32
	args   arguments
}

// room returns n floats, aligned to cache lines, with whatever they last held.
func (s *scratch) room(n int) []float32 {
	if len(s.floats) < n {
		block := newBlock(4 * n)
		s.floats = floatsAt(block.pointer(), n)
	}
	return s.floats[:n]
}

func newWorkers() *workers {
	w := &workers{jobs: make(chan *job, 64), ended: make(chan struct{})}
	w.free.New = func() any { return &job{ended: make(chan struct{}, 1)} }
	return w
}

func (w *workers) stop() { w.once.Do(func() { close(w.ended) }) }

// grow sees to it that there are n workers.
func (w *workers) grow(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ; w.started < n; w.started++ {
		go w.work()
	}
}

func (w *workers) work() {
	s := new(scratch)
	for {
		select {
		case j := <-w.jobs:
			j.work(s)
			w.unref(j)
		case <-w.ended:
			return
		}
	}
}

func (w *workers) unref(j *job) {
	if j.refs.Add(-1) == 0 {
		j.tasker, j.run = nil, nil
		w.free.Put(j)
	}
}

// do runs tasks 0 … n-1 on all cores, and returns when they are done. A panic in one of
// them is returned as an error; others may then be left out.
func (w *workers) do(r *run, s *scratch, t tasker, n int) error {
	helpers := min(runtime.GOMAXPROCS(0), n) - 1
	if helpers <= 0 {
		return runSerially(r, s, t, n)
	}
	w.grow(helpers)
	j := w.free.Get().(*job)
	j.tasker, j.run, j.n = t, r, int64(n)
	j.next.Store(0)
	j.done.Store(0)
	j.failed.Store(nil)
	j.refs.Store(int32(1 + helpers))
	for range helpers {
		select {
		case w.jobs <- j:
		default: // all are busy with other executables
			j.refs.Add(-1)
		}
	}
	if !j.work(s) {
		// Others are at the last tasks. These are short: look out for their end before
		// sleeping.
		for range 2000 {
			if j.done.Load() == j.n {
				break
			}
		}
		<-j.ended
	}
	failed := j.failed.Load()
	w.unref(j)
	if failed != nil {
		return *failed
	}
	return nil
}

// work takes tasks until there are none, and reports whether it ended the last. If not,
// whoever did says so on ended.
func (j *job) work(s *scratch) (last bool) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return last
		}
		if j.failed.Load() == nil {
			if err := runTask(j.run, s, j.tasker, int(i)); err != nil {
				failed := err // which is on the heap, and err need not be
				j.failed.CompareAndSwap(nil, &failed)
			}
		}
		last = j.done.Add(1) == j.n
		if last && !j.ownedBy(s) {
			j.ended <- struct{}{}
		}
	}
}

// ownedBy reports whether s is the scratch of the goroutine whose job it is.
func (j *job) ownedBy(s *scratch) bool { return j.run.scratch == s }

// alone runs all tasks on the calling goroutine.
func runSerially(r *run, s *scratch, t tasker, n int) error {
	for i := range n {
		if err := runTask(r, s, t, i); err != nil {
			return err
		}
	}
	return nil
}

// guarded runs one task, and makes an error of a panic.
func runTask(r *run, s *scratch, t tasker, i int) (err error) {
	defer recoverAsError(&err)
	t.task(r, s, i)
	return nil
}

// caught makes an error of a panic.
func recoverAsError(err *error) {
	if caught := recover(); caught != nil {
		*err = errors.Errorf("panic: %v\n%s", caught, debug.Stack())
	}
}
