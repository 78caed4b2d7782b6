package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// eventually waits until ready returns true.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body of a refused request was read")
	return 0, io.EOF
}

// Beyond the limits the answer is 503, at once; requests that were admitted still succeed.
func TestBeyondTheLimit(t *testing.T) {
	for name, test := range map[string]struct {
		limits Limits
		length int64 // of the request that exceeds the limit
	}{
		"of requests": {Limits{Requests: 3}, 100},
		"of bytes":    {Limits{Bytes: 1000}, 900},
	} {
		g := &grey{gate: make(chan struct{})}
		s := newServer(t, g, test.limits)
		content := square(t, 4, 70)
		var group sync.WaitGroup
		var codes [3]int
		for i := range codes {
			group.Go(func() {
				codes[i] = do(s, request("POST", "/predict", bytes.NewReader(content))).Code
			})
		}
		eventually(t, "all three are waiting", func() bool {
			s.admission.mu.Lock()
			defer s.admission.mu.Unlock()
			return s.admission.requests == s.limits.Requests-3 && len(g.ran()) == 1
		})
		r := request("POST", "/predict", unread{t})
		r.ContentLength = test.length
		w := do(s, r)
		if got := decode[struct{ Error string }](t, w, 503); got.Error == "" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: error %q, Retry-After %q, want one and 1", name, got.Error, w.Header().Get("Retry-After"))
		}
		close(g.gate)
		group.Wait()
		if codes != [3]int{200, 200, 200} {
			t.Errorf("%s: the admitted requests have statuses %v, want 200", name, codes)
		}
		// Everything that was acquired has been released.
		if s.admission.requests != s.limits.Requests || s.admission.bytes != s.limits.Bytes || len(s.decoders) != 0 {
			t.Errorf("%s: at the end there is room for %d requests and %d bytes, want %d and %d", name,
				s.admission.requests, s.admission.bytes, s.limits.Requests, s.limits.Bytes)
		}
	}
}

// Waiting images go through the network together, up to the batch size, and each gets its own
// answer. Images whose client is gone are skipped.
func TestBatches(t *testing.T) {
	g := &grey{gate: make(chan struct{})}
	q := newQueue(g, 4, 4, 3, 10)
	defer q.close()
	ctx, leave := context.WithCancel(context.Background())
	var group sync.WaitGroup
	ask := func(ctx context.Context, level byte, want int) {
		group.Go(func() {
			a, err := q.ask(ctx, bytes.Repeat([]byte{level}, 4*4*3))
			if ctx.Err() != nil {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("a client that is gone gets %v", err)
				}
				return
			}
			if err != nil {
				t.Error(err)
			} else if got := a.Top(a.image, 1)[0].Class; got != want {
				t.Errorf("level %d is classified as %s, want %s", level, shades[got], shades[want])
			}
		})
	}
	ask(context.Background(), 0, 0)
	eventually(t, "the first is in progress", func() bool { return len(g.ran()) == 1 })
	for i, level := range []byte{255, 64, 200, 128, 10} {
		ask(context.Background(), level, []int{3, 1, 3, 2, 0}[i])
		ask(ctx, level, 0)
	}
	eventually(t, "the others wait", func() bool { return len(q.waiting) == 10 })
	leave()
	close(g.gate)
	group.Wait()
	if got, want := g.ran(), []int{1, 3, 2}; !slices.Equal(got, want) {
		t.Errorf("batch sizes %v, want %v", got, want)
	}
}

// begin serves on a free port until stop or the end of the test.
func begin(t *testing.T, s *Server) (url string, stop func(), ended chan error) {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil).Listener
	ctx, stop := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	t.Cleanup(stop)
	return "http://" + listener.Addr().String(), stop, ended
}

func TestServeFinishesItsRequests(t *testing.T) {
	g := &grey{gate: make(chan struct{})}
	s := newServer(t, g, Limits{})
	url, stop, ended := begin(t, s)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			response, err := client.Post(url+"/predict", "image/png", bytes.NewReader(square(t, 4, 255)))
			if err != nil {
				t.Errorf("a request in progress: %v", err)
				return
			}
			defer response.Body.Close()
			if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 200 || !bytes.Contains(body, []byte("white")) {
				t.Errorf("a request in progress: %v, %s: %s", err, response.Status, body)
			}
		})
	}
	eventually(t, "they are in progress", func() bool {
		s.admission.mu.Lock()
		defer s.admission.mu.Unlock()
		return s.admission.requests == s.limits.Requests-3
	})
	stop()
	eventually(t, "no more are accepted", func() bool {
		_, err := http.Get(url + "/healthz")
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatalf("the server stopped with requests in progress: %v", err)
	default:
	}
	close(g.gate)
	group.Wait()
	if err := <-ended; err != nil {
		t.Errorf("the server stopped with %v", err)
	}
}

// slow is a request with a body of 1000 bytes that arrives whenever it does.
func slow(t *testing.T, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", url+"/predict", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 1000
	return r
}

// A body that never arrives does not keep the server from stopping.
func TestServeStopsDespiteSlowBodies(t *testing.T) {
	s := newServer(t, &grey{}, Limits{Grace: 200 * time.Millisecond})
	url, stop, ended := begin(t, s)
	reader, writer := io.Pipe()
	defer writer.Close()
	go func() { // fails in the end
		if response, err := http.DefaultClient.Do(slow(t, url, reader)); err == nil {
			response.Body.Close()
		}
	}()
	eventually(t, "the slow request has begun", func() bool {
		s.admission.mu.Lock()
		defer s.admission.mu.Unlock()
		return s.admission.requests < s.limits.Requests
	})
	began := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the server stopped with %v", err)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 3*time.Second {
		t.Errorf("stopping took %v, want the grace period of 0.2 seconds", took)
	}
}

// A request whose body takes too long still gets an answer.
func TestServeTimesOutSlowBodies(t *testing.T) {
	s := newServer(t, &grey{}, Limits{Arrival: 100 * time.Millisecond})
	url, stop, ended := begin(t, s)
	reader, writer := io.Pipe()
	go writer.Write([]byte("\x89PNG"))
	response, err := http.DefaultClient.Do(slow(t, url, reader))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %s, want 408", response.Status)
	}
	writer.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the server stopped with %v", err)
	}
}

// A refused request gets its answer before the body has been sent.
func TestServeRefusesBeforeTheBody(t *testing.T) {
	s := newServer(t, &grey{}, Limits{Bytes: 10})
	url, _, _ := begin(t, s)
	reader, writer := io.Pipe()
	defer writer.Close()
	began := time.Now()
	response, err := http.DefaultClient.Do(slow(t, url, reader))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if took := time.Since(began); response.StatusCode != http.StatusServiceUnavailable || took > 5*time.Second {
		t.Errorf("status %s after %v, want 503 at once", response.Status, took)
	}
}
