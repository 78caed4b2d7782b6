// Package serve classifies photographs over HTTP: a page for people, JSON for programs. It is
// meant to run on the user's own machine, and is built so that no request can harm it:
//
//   - One goroutine owns the network and takes waiting images in batches.
//   - The requests in progress or waiting are bounded, in number and in bytes. Beyond the
//     limits the answer is 503, before the body of the request is read.
//   - One client has at most seven eighths of this. Bodies have to arrive at 16 KiB a second, and
//     one that has stalled makes room when its client sends another.
//   - Images are decoded a few at a time, large ones one at a time, and only up to a maximum
//     number of pixels.
//   - Other sites cannot use the server through the user's browser: requests from their pages
//     are refused (cross-origin protection), and so are requests that reach the server under a
//     foreign name (DNS rebinding).
//   - It writes no files and keeps no images.
//
// The guards are hand-written on top of net/http: checking the Host header, limiting requests
// by bytes, number and client, and closing unused connections at shutdown take a few lines
// each, and a web framework would bring all three as separate dependencies.
//
// Requests:
//
//	GET /          the page
//	GET /model     {"name": …, "classes": […], "transform": {…}, "bytes": …}: the network, and
//	               the maximum size of an image in bytes
//	GET /healthz   ok
//	POST /predict  an image as the body, or as a file in a form (multipart/form-data), with a
//	               Content-Length; ?top=N asks for N guesses instead of 5, and ?cam=1 for the
//	               class activation map of the first guess
//
// POST /predict answers
//
//	{"guesses": [{"class": "cat", "index": 3, "probability": 0.9}, …],
//	 "cam": "data:image/png;base64,…", "milliseconds": 12.3}
//
// with "first_of_frames": true if the image has several frames or pages (only the first is used),
// or, with status 400 or above, {"error": "…"}.
//
// # Where to find what
//
//	serve.go          the server and its limits
//	predict.go        the answer to a request
//	queue.go          the goroutine that owns the network, and its batches
//	admission.go      the bounds on requests
//	guard.go          which requests are refused, and error replies
//	connections.go    closing unused connections at shutdown
//	page.go, page     the page
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/predict"
)

// Model describes the network that is served.
type Model struct {
	// Name is the name of the architecture.
	Name string `json:"name"`
	// Data says what the network was trained on, if that is known.
	Data string `json:"data,omitempty"`
	// Classes are the class names, one for each logit, in their order.
	Classes []string `json:"classes"`
	// Transform turns a photograph into the network's input. It must be valid.
	Transform picture.Transform `json:"transform"`
}

// Limits bound the work that a Server accepts. A zero field stands for its default.
type Limits struct {
	// Image bounds a single image; by default 32 MiB and 100 million pixels.
	Image picture.Limits
	// Requests is the maximum number of predictions in progress or waiting; 64 by default.
	Requests int
	// Bytes is the maximum size of their bodies taken together; 256 MiB by default.
	Bytes int64
	// Decoders is the maximum number of images that are decoded or drawn at a time; by default
	// the number of processors, up to 4.
	Decoders int
	// Large is the number of pixels from which on images are decoded one at a time; 16 million
	// by default. Decoding can take more than twenty bytes for each pixel, and the decoders
	// have no memory limit of their own.
	Large int
	// BatchSize is the maximum number of images that go through the network at once; 8 by
	// default.
	BatchSize int
	// Arrival is how long a request may take to arrive; 30 seconds by default. The rate at which
	// its body arrives is measured over an eighth of this time.
	Arrival time.Duration
	// Grace is how long requests in progress may take to finish once the server stops; 10
	// seconds by default.
	Grace time.Duration
}

// withDefaults replaces zero fields.
func (l Limits) withDefaults() Limits {
	return Limits{
		Image: picture.Limits{
			Bytes:  cmp.Or(l.Image.Bytes, 32<<20),
			Pixels: cmp.Or(l.Image.Pixels, 100_000_000),
		},
		Requests:  cmp.Or(l.Requests, 64),
		Bytes:     cmp.Or(l.Bytes, 256<<20),
		Decoders:  cmp.Or(l.Decoders, min(runtime.NumCPU(), 4)),
		Large:     cmp.Or(l.Large, 16_000_000),
		BatchSize: cmp.Or(l.BatchSize, 8),
		Arrival:   cmp.Or(l.Arrival, 30*time.Second),
		Grace:     cmp.Or(l.Grace, 10*time.Second),
	}
}

// Server is an [http.Handler] that classifies images. It is safe for concurrent use.
type Server struct {
	model     Model
	limits    Limits
	names     []string
	admission admission
	decoders  chan struct{} // holds an element for every busy decoder
	draining  chan struct{} // holds an element for every refused request that is still read
	large     chan struct{} // holds an element while a large image is decoded
	queue     *queue
	handler   http.Handler
}

// New returns a server for a network, which it calls from one goroutine. It answers requests
// whose Host is localhost, an IP address or one of the given names, with any port. Call Close
// when done.
func New(n predict.Network, m Model, limits Limits, names ...string) *Server {
	limits = limits.withDefaults()
	s := &Server{
		model: m, limits: limits, names: append([]string{"localhost"}, names...),
		admission: newAdmission(limits),
		draining:  make(chan struct{}, limits.Requests),
		decoders:  make(chan struct{}, limits.Decoders),
		large:     make(chan struct{}, 1),
		queue:     newQueue(n, m.Transform.Height, m.Transform.Width, limits.BatchSize, limits.Requests),
	}
	mux := http.NewServeMux()
	for name, content := range assets() {
		mux.Handle("GET "+name, content)
	}
	mux.HandleFunc("GET /model", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, struct {
			Model
			Bytes int64 `json:"bytes"`
		}{m, limits.Image.Bytes})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("POST /predict", s.predict)
	s.handler = s.guard(mux)
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close stops the server's own goroutine. Predictions in progress fail.
func (s *Server) Close() { s.queue.close() }

// Serve accepts connections on the listener until the context is done. It then closes the
// listener, waits up to Limits.Grace for requests in progress, and returns nil.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	unused := newUnusedConnections()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: min(5*time.Second, s.limits.Arrival),
		ReadTimeout:       s.limits.Arrival,
		// From the end of the header: the body arrives, waits its turn and is worked on.
		WriteTimeout:   2*time.Minute + s.limits.Arrival,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
		ConnState:      unused.changed,
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
	unused.close()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // cuts off requests that never arrived completely
	}
	return err
}
