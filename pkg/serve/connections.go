package serve

import (
	"net"
	"net/http"
	"sync"
)

// connections are those on which nothing was sent yet. Browsers open some in advance, and
// http.Server.Shutdown would wait five seconds for them.
type connections struct {
	mu  sync.Mutex
	new map[net.Conn]bool
}

func newConnections() *connections { return &connections{new: map[net.Conn]bool{}} }

// changed is an http.Server's ConnState.
func (c *connections) changed(connection net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew {
		c.new[connection] = true
	} else {
		delete(c.new, connection)
	}
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for connection := range c.new {
		connection.Close()
	}
}
