package cpu

import (
	"sync"

	"github.com/pkg/errors"
)

// rendezvous is where the replicas of an execution wait for each other. All replicas have the same
// steps, so they arrive at the same steps in the same order.
type rendezvous struct {
	runs []*run // by replica

	mu      sync.Mutex
	changed sync.Cond
	waiting int
	round   int
	failed  error
}

func newRendezvous(runs []*run) *rendezvous {
	m := &rendezvous{runs: runs}
	m.changed.L = &m.mu
	return m
}

// errOtherFailed is the error of a replica that stops because another one failed.
var errOtherFailed = errors.New("another device failed")

// join waits until all replicas have arrived. The last one does the work while the others wait. If
// a replica has failed, or fails while others wait, join returns an error to all of them.
func (m *rendezvous) join(work func(runs []*run)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return errOtherFailed
	}
	if m.waiting++; m.waiting < len(m.runs) {
		for round := m.round; m.round == round; m.changed.Wait() {
			if m.failed != nil {
				return errOtherFailed
			}
		}
		return nil
	}
	m.waiting = 0
	m.round++
	defer m.changed.Broadcast()
	work(m.runs)
	return nil
}

// fail reports that a replica failed and will not arrive. The first error is kept.
func (m *rendezvous) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = err
		m.changed.Broadcast()
	}
}
