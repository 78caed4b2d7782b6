package cpu

import (
	"sync"

	"github.com/pkg/errors"
)

// meeting is where the replicas of an execution wait for each other. They have the same
// steps, so they come to the same places in the same order.
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

// errOtherFailed is what a replica ends with because another has failed.
var errOtherFailed = errors.New("another device failed")

// join waits until all replicas have come. The last one does the work, while the others
// still wait. If a replica has failed or does so while others wait, all get an error.
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

// fail says that a replica will not come any more. The first one's error is kept.
func (m *rendezvous) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = err
		m.changed.Broadcast()
	}
}
