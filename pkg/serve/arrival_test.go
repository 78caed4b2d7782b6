package serve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/picture"
)

// TestShare fills the share of one client: it gets no more, others do.
func TestShare(t *testing.T) {
	for name, test := range map[string]struct {
		limits Limits
		size   int64
		fit    int
	}{
		"of requests": {Limits{Requests: 16}, 1, 14},
		"of bytes":    {Limits{Bytes: 256 << 20}, 32 << 20, 7},
	} {
		a := newAdmission(test.limits.withDefaults())
		from := func(client string) *arrival {
			return &arrival{client: client, size: test.size, progress: time.Now(), setDeadline: func(time.Time) error { return nil }}
		}
		var entered []*arrival
		for range test.fit {
			body := from("a")
			if !a.enter(body) {
				t.Fatalf("%s: refused after %d, want %d", name, len(entered), test.fit)
			}
			entered = append(entered, body)
		}
		if a.enter(from("a")) {
			t.Errorf("%s: a client gets more than its share", name)
		}
		other := from("b")
		if !a.enter(other) {
			t.Errorf("%s: one client keeps out another", name)
		}
		// A body that has arrived is not given up, one that has stalled is.
		for _, body := range entered {
			body.progress = time.Now().Add(-time.Hour)
		}
		for _, body := range entered[1:] {
			a.arrived(body)
		}
		next := from("a")
		if !a.enter(next) || !entered[0].isCut || entered[0].admitted {
			t.Errorf("%s: a stalled body does not make room for the next of its client", name)
		}
		if a.enter(from("a")) {
			t.Errorf("%s: a body that has arrived makes room", name)
		}
		for _, body := range append(entered, other, next) {
			a.leave(body)
		}
		if limits := test.limits.withDefaults(); a.requests != limits.Requests || a.bytes != limits.Bytes || len(a.clients) != 0 {
			t.Errorf("%s: at the end there is room for %d requests and %d bytes with %d clients, want %d, %d and none",
				name, a.requests, a.bytes, len(a.clients), limits.Requests, limits.Bytes)
		}
	}
}

func TestClientOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:80": "192.0.2.7", "[::ffff:192.0.2.7]:80": "192.0.2.7", "[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "@": "",
	} {
		if got := clientOf(address); got != want {
			t.Errorf("%s belongs to %q, want %q", address, got, want)
		}
	}
}

// post opens a connection from the given local address and sends the head of a request and the
// first part of its body.
func post(t *testing.T, url, from string, length int, part []byte) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Skipf("connect from %s: %v", from, err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n", length)
	if _, err := conn.Write(part); err != nil {
		t.Fatal(err)
	}
	return conn
}

// status reads the answer on a connection and returns its status.
func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("no answer: %v", err)
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("an incomplete answer: %v", err)
	}
	return response.StatusCode
}

// Many half-sent bodies lock out nobody: neither other clients nor their own.
func TestHalfSentBodies(t *testing.T) {
	s := newServer(t, &grey{}, Limits{})
	url, _, _ := begin(t, s)
	content := square(t, 4, 255)
	for range 64 {
		post(t, url, "127.0.0.1", len(content), content[:len(content)/2])
	}
	eventually(t, "the share is full", func() bool {
		s.admission.mu.Lock()
		defer s.admission.mu.Unlock()
		return s.admission.requests == s.limits.Requests/8
	})
	began := time.Now()
	if got := status(t, post(t, url, "127.0.0.2", len(content), content)); got != http.StatusOK {
		t.Errorf("another client gets status %d, want 200", got)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("another client waited %v", took)
	}
	time.Sleep(s.admission.stalled)
	if got := status(t, post(t, url, "127.0.0.1", len(content), content)); got != http.StatusOK {
		t.Errorf("the same client gets status %d, want 200", got)
	}
	if took := time.Since(began); took > 3500*time.Millisecond {
		t.Errorf("the same client waited %v", took)
	}
}

// A body that arrives too slowly is given up long before the limit, one that is fast enough is not.
func TestRateOfBodies(t *testing.T) {
	s := newServer(t, &grey{}, Limits{Arrival: 8 * time.Second}) // a window of 1 second
	url, _, _ := begin(t, s)
	content := append(square(t, 4, 255), make([]byte, 100_000)...) // decoders ignore what follows
	for name, test := range map[string]struct {
		part  int
		every time.Duration
		want  int
	}{
		"one that stops":       {0, 0, http.StatusRequestTimeout},
		"one that trickles":    {1, 100 * time.Millisecond, http.StatusRequestTimeout},
		"one that just passes": {20_000, 500 * time.Millisecond, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			conn := post(t, url, "127.0.0.1", len(content), content[:10])
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				for rest := content[10:]; test.part > 0 && len(rest) > 0 && ctx.Err() == nil; time.Sleep(test.every) {
					n := min(len(rest), test.part)
					if _, err := conn.Write(rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
			}()
			if got := status(t, conn); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the answer took %v, which is hardly less than the limit of 8s", took)
			}
		})
	}
}

// A client that writes its whole image before it reads gets its refusal, and not a reset.
func TestRefusalOfAClientThatWritesFirst(t *testing.T) {
	g := &grey{gate: make(chan struct{})}
	open := sync.OnceFunc(func() { close(g.gate) })
	defer open()
	s := newServer(t, g, Limits{Requests: 1, Image: picture.Limits{Bytes: 10 << 20}})
	url, _, _ := begin(t, s)
	content := square(t, 4, 255)
	first := post(t, url, "127.0.0.1", len(content), content)
	eventually(t, "the only place is taken", func() bool { return len(g.ran()) == 1 })
	for size, want := range map[int]int{9 << 20: http.StatusServiceUnavailable, 11 << 20: http.StatusRequestEntityTooLarge} {
		if got := status(t, post(t, url, "127.0.0.1", size, bytes.Repeat([]byte{1}, size))); got != want {
			t.Errorf("after writing %d MiB: status %d, want %d", size>>20, got, want)
		}
	}
	open()
	if got := status(t, first); got != http.StatusOK {
		t.Errorf("the admitted request has status %d", got)
	}
	eventually(t, "nothing is read any more", func() bool { return len(s.draining) == 0 })
}
