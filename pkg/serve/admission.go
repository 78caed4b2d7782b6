package serve

import "sync"

// admission lets in so many requests at a time, with so many bytes together.
type admission struct {
	mu       sync.Mutex
	requests int   // that may still come in
	bytes    int64 // that these may have
}

// enter reports whether a request of the given size may come in. If so, leave must be
// called with the same size at its end.
func (a *admission) enter(bytes int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.requests < 1 || a.bytes < bytes {
		return false
	}
	a.requests--
	a.bytes -= bytes
	return true
}

func (a *admission) leave(bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	a.bytes += bytes
}
