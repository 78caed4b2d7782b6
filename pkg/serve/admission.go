package serve

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// admission bounds the requests in progress, in number and in bytes: of all clients together, and
// of each.
type admission struct {
	mu       sync.Mutex
	requests int   // how many more may enter
	bytes    int64 // how many bytes more

	// What one client may have. It is less than everything, so that others still get in.
	shareRequests int
	shareBytes    int64
	clients       map[string]*client

	// A body of which nothing has come for this long makes room for the next of its client.
	stalled time.Duration
}

// client is what one client has in progress.
type client struct {
	requests int
	bytes    int64
	arriving map[*arrival]bool
}

func newAdmission(l Limits) admission {
	return admission{
		requests: l.Requests, bytes: l.Bytes,
		shareRequests: l.Requests - l.Requests/8,
		// An image of the maximum size fits into the share.
		shareBytes: max(l.Bytes-l.Bytes/8, min(l.Image.Bytes, l.Bytes)),
		clients:    map[string]*client{},
		stalled:    l.Arrival / 30,
	}
}

// enter reports whether the request with this body may proceed. If so, leave must be called when
// the request is done, and arrived when the body is there.
func (a *admission) enter(body *arrival) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.clients[body.client]
	if c == nil {
		c = &client{arriving: map[*arrival]bool{}}
	}
	for other := range c.arriving {
		if a.fits(c, body.size) || body.size > a.shareBytes {
			break
		}
		if other.idle() >= a.stalled {
			other.cut()
			a.release(other)
		}
	}
	if !a.fits(c, body.size) {
		return false
	}
	a.clients[body.client] = c
	a.requests--
	a.bytes -= body.size
	c.requests++
	c.bytes += body.size
	c.arriving[body] = true
	body.admitted = true
	return true
}

func (a *admission) fits(c *client, bytes int64) bool {
	return a.requests >= 1 && a.bytes >= bytes && c.requests < a.shareRequests && c.bytes+bytes <= a.shareBytes
}

// arrived says that the body has been read. It does not make room for others any more.
func (a *admission) arrived(body *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if body.admitted {
		delete(a.clients[body.client].arriving, body)
	}
}

func (a *admission) leave(body *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if body.admitted {
		a.release(body)
	}
}

// release gives back what enter took.
func (a *admission) release(body *arrival) {
	body.admitted = false
	a.requests++
	a.bytes += body.size
	c := a.clients[body.client]
	delete(c.arriving, body)
	c.requests--
	c.bytes -= body.size
	if c.requests == 0 {
		delete(a.clients, body.client)
	}
}

// clientOf returns whom an address of the form host:port belongs to: the host or, for IPv6, its
// network of 64 bits, in which a host may choose its addresses.
func clientOf(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		host, _, _ := net.SplitHostPort(address)
		return host
	}
	addr := at.Addr().Unmap()
	if addr.Is6() {
		if network, err := addr.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
