package cpu

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"
)

// tasker runs task i of a job. How work is divided into tasks depends on shapes and on the machine's
// granularity, but never changes the order of a sum. A goroutine that finishes a task takes the next one,
// so slow cores run fewer tasks.
type tasker interface {
	task(r *run, s *scratch, i int)
}

// workers is a pool of goroutines. A goroutine that submits a job works on it too, so any number of
// executables can share the pool.
type workers struct {
	jobs    chan *job
	ended   chan struct{}
	once    sync.Once
	mu      sync.Mutex
	started int
	free    sync.Pool // of *job, for reuse
}

// job is the tasks 0 to n-1 of a tasker. Goroutines take them one by one, in order.
type job struct {
	tasker tasker
	run    *run
	n      int64
	next   atomic.Int64
	done   atomic.Int64
	refs   atomic.Int32 // number of goroutines that may still use the job
	ended  chan struct{}
	failed atomic.Pointer[error]
	busy   atomic.Int64 // nanoseconds, if the backend has a profile
}

// scratch is a goroutine's own memory. Its contents last for one task.
type scratch struct {
	floats []float32
	args   arguments
}

// room returns n floats, aligned to cache lines and not cleared.
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

// grow starts workers until there are n.
func (w *workers) grow(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ; w.started < n; w.started++ {
		go w.work()
	}
}

// work is the loop of a worker.
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

// unref makes a job reusable once no goroutine uses it any more.
func (w *workers) unref(j *job) {
	if j.refs.Add(-1) == 0 {
		j.tasker, j.run = nil, nil
		w.free.Put(j)
	}
}

// do runs the tasks 0 to n-1 on all cores and waits for them. It returns a panic in a task as an
// error; other tasks may then be skipped.
func (w *workers) do(r *run, s *scratch, t tasker, n int) error {
	helpers := min(runtime.GOMAXPROCS(0), n) - 1
	start := r.now()
	if helpers <= 0 {
		err := runSerially(r, s, t, n)
		r.measured(t, start, r.now().Sub(start))
		return err
	}
	w.grow(helpers)
	j := w.free.Get().(*job)
	j.tasker, j.run, j.n = t, r, int64(n)
	j.next.Store(0)
	j.done.Store(0)
	j.failed.Store(nil)
	j.refs.Store(int32(1 + helpers))
	j.busy.Store(0)
	for range helpers {
		select {
		case w.jobs <- j:
		default: // the queue is full: all workers are busy with other executables
			j.refs.Add(-1)
		}
	}
	if !j.work(s) {
		// Other goroutines run the last tasks. Tasks are short, so spin before sleeping.
		for range 2000 {
			if j.done.Load() == j.n {
				break
			}
		}
		<-j.ended
	}
	failed := j.failed.Load()
	r.measured(t, start, time.Duration(j.busy.Load()))
	w.unref(j)
	if failed != nil {
		return *failed
	}
	return nil
}

// work takes tasks until there are none left, and reports whether this goroutine finished the last
// one. If another goroutine does, it sends on ended.
func (j *job) work(s *scratch) (last bool) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return last
		}
		if j.failed.Load() == nil {
			start := j.run.now()
			if err := runTask(j.run, s, j.tasker, int(i)); err != nil {
				failed := err // so that only failed escapes to the heap
				j.failed.CompareAndSwap(nil, &failed)
			}
			j.busy.Add(int64(j.run.now().Sub(start)))
		}
		last = j.done.Add(1) == j.n
		if last && !j.ownedBy(s) {
			j.ended <- struct{}{}
		}
	}
}

// ownedBy reports whether s is the scratch of the goroutine that submitted the job.
func (j *job) ownedBy(s *scratch) bool { return j.run.scratch == s }

// runSerially runs all tasks on the calling goroutine.
func runSerially(r *run, s *scratch, t tasker, n int) error {
	for i := range n {
		if err := runTask(r, s, t, i); err != nil {
			return err
		}
	}
	return nil
}

// runTask runs one task and returns a panic as an error.
func runTask(r *run, s *scratch, t tasker, i int) (err error) {
	defer recoverAsError(&err)
	t.task(r, s, i)
	return nil
}

// recoverAsError, when deferred, turns a panic into an error.
func recoverAsError(err *error) {
	if caught := recover(); caught != nil {
		*err = errors.Errorf("panic: %v\n%s", caught, debug.Stack())
	}
}
