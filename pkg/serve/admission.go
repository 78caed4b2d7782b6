package serve

import "sync"

// admission bounds the requests in progress, in number and in bytes.
type admission struct {
	mu       sync.Mutex
	requests int   // how many more may enter
	bytes    int64 // how many bytes more
}

// enter reports whether a request of the given size may proceed. If so, leave must be called
// with the same size when the request is done.
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
