package serve

import (
	"net"
	"net/http"
	"sync"
)

// unusedConnections are open connections without a request so far. Browsers open some in
// advance, and http.Server.Shutdown would wait five seconds for each.
type unusedConnections struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newUnusedConnections() *unusedConnections {
	return &unusedConnections{conns: map[net.Conn]bool{}}
}

// changed is an http.Server's ConnState hook.
func (u *unusedConnections) changed(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew {
		u.conns[conn] = true
	} else {
		delete(u.conns, conn)
	}
}

func (u *unusedConnections) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for conn := range u.conns {
		conn.Close()
	}
}
