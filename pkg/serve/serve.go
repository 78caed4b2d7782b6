// Package serve answers what is in photographs over HTTP: with a page for people and JSON
// for programs. It is for one's own machine, and made so that nothing that is sent to it
// does harm:
//
//   - One goroutine has the network, and takes what waits for it in batches.
//   - What can be worked on or wait at a time is bounded, in requests and in bytes. Beyond
//     that the answer is 503, before the request's body is read.
//   - Pictures are decoded a few at a time, large ones one at a time, and only up to a number
//     of pixels.
//   - Pages of other sites can neither ask (their requests have another origin) nor give the
//     server another name and then ask (requests for names that are not its own are refused).
//   - It writes no files and keeps no picture.
//
// The requests:
//
//	GET /          the page
//	GET /model     {"name": …, "classes": […], "transform": {…}, "bytes": …}: what is known of
//	               the network, and how large a picture may be
//	GET /healthz   ok
//	POST /predict  the bytes of a picture, or a form (multipart/form-data) with a file, with
//	               a Content-Length; ?top=N for N guesses, 5 by default, and ?cam=1 for the
//	               class activation map of the first over the picture
//
// The answer to the last is
//
//	{"guesses": [{"class": "cat", "index": 3, "probability": 0.9}, …],
//	 "cam": "data:image/png;base64,…", "milliseconds": 12.3}
//
// or, with a status of 400 or above, {"error": "…"}.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
)

// Network runs a network; it is an [infer.Network], which see. A Server calls it from one
// goroutine.
type Network interface {
	Explain(pixels []byte, height, width int) (*infer.Explanation, error)
}

// Model is what there is to know about a network.
type Model struct {
	// Name is that of the architecture, and Data what it was trained on, if that is known.
	Name string `json:"name"`
	Data string `json:"data,omitempty"`
	// Classes are the names behind the logits.
	Classes []string `json:"classes"`
	// Transform makes a picture the network's input.
	Transform picture.Transform `json:"transform"`
}

// Limits bound what a Server takes on. 0 stands for the default.
type Limits struct {
	// Picture bounds one picture; by default to 32 MiB and 100 million pixels.
	Picture picture.Limits
	// Requests is how many predictions are worked on or wait, at most; 64 by default.
	Requests int
	// Bytes is how large their bodies are together, at most; 256 MiB by default.
	Bytes int64
	// Decoders is how many pictures are decoded or drawn at a time, at most; by default as
	// many as there are processors, but no more than 4.
	Decoders int
	// Large is from how many pixels on a picture is decoded while no other such is; 16 million
	// by default. The decoders may take twenty bytes and more for each pixel, and keep to no
	// limit of their own.
	Large int
	// Batch is how many pictures go through the network at once, at most; 8 by default.
	Batch int
	// Arrival is how long a request may take to arrive; 30 seconds by default.
	Arrival time.Duration
	// Grace is how long requests have to end once the server is to stop; 10 seconds by
	// default.
	Grace time.Duration
}

func (l Limits) orDefault() Limits {
	return Limits{
		Picture: picture.Limits{
			Bytes:  orDefault(l.Picture.Bytes, 32<<20),
			Pixels: orDefault(l.Picture.Pixels, 100_000_000),
		},
		Requests: orDefault(l.Requests, 64),
		Bytes:    orDefault(l.Bytes, 256<<20),
		Decoders: orDefault(l.Decoders, min(runtime.NumCPU(), 4)),
		Large:    orDefault(l.Large, 16_000_000),
		Batch:    orDefault(l.Batch, 8),
		Arrival:  orDefault(l.Arrival, 30*time.Second),
		Grace:    orDefault(l.Grace, 10*time.Second),
	}
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Server answers requests. It is an http.Handler, for many goroutines at a time.
type Server struct {
	model     Model
	limits    Limits
	names     []string
	admission admission
	decoders  chan struct{} // has an element for every decoder at work
	large     chan struct{} // has one while a large picture is decoded
	queue     *queue
	handler   http.Handler
}

// New returns a server for a network. It answers requests that are addressed to localhost,
// to an IP address or to one of the given names, whatever the port. Close ends it.
func New(n Network, m Model, limits Limits, names ...string) *Server {
	limits = limits.orDefault()
	s := &Server{
		model: m, limits: limits, names: append([]string{"localhost"}, names...),
		admission: admission{requests: limits.Requests, bytes: limits.Bytes},
		decoders:  make(chan struct{}, limits.Decoders),
		large:     make(chan struct{}, 1),
		queue:     newQueue(n, m.Transform.Height, m.Transform.Width, limits.Batch, limits.Requests),
	}
	mux := http.NewServeMux()
	for name, content := range assets() {
		mux.Handle("GET "+name, content)
	}
	mux.HandleFunc("GET /model", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, struct {
			Model
			Bytes int64 `json:"bytes"`
		}{m, limits.Picture.Bytes})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("POST /predict", s.predict)
	s.handler = s.guard(mux)
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the server's own goroutine. Requests that are still worked on get an error.
func (s *Server) Close() { s.queue.close() }

// Serve answers the connections of a listener, which it closes, until the context is done.
// Then it takes no more of them and lets requests that are worked on end.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	fresh := newConnections()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: min(5*time.Second, s.limits.Arrival),
		ReadTimeout:       s.limits.Arrival,
		// The answer comes after the request, the work and what waits before it.
		WriteTimeout:   2*time.Minute + s.limits.Arrival,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
		ConnState:      fresh.changed,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.Grace)
	defer cancel()
	fresh.close()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // such as requests that never arrive whole
	}
	return err
}
