package serve

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// minRate is the least number of bytes a second at which a body must arrive.
const minRate = 16 << 10

// errMadeRoom is the error of a body that had stalled and made room for another.
var errMadeRoom = errors.New("the image stopped arriving, and others were waiting")

// arrival is a body while it arrives. Reading it fails with os.ErrDeadlineExceeded if it is slower
// than minRate, or not complete within Limits.Arrival.
type arrival struct {
	client   string // whom it comes from
	size     int64  // in bytes
	admitted bool   // guarded by the admission

	body        io.Reader
	setDeadline func(time.Time) error // of reading from the connection
	end         time.Time             // when it must be complete
	window      time.Duration         // the rate is measured over this time

	mu       sync.Mutex
	progress time.Time // when bytes arrived last
	until    time.Time // by when the bytes of this window must arrive
	missing  int64     // how many
	isCut    bool
}

func newArrival(w http.ResponseWriter, r *http.Request, limit time.Duration) *arrival {
	now := time.Now()
	return &arrival{
		client: clientOf(r.RemoteAddr), size: r.ContentLength, body: r.Body,
		setDeadline: http.NewResponseController(w).SetReadDeadline,
		end:         now.Add(limit), window: limit / 8, progress: now,
	}
}

func (a *arrival) Read(p []byte) (int, error) {
	if !a.begin() {
		return 0, errMadeRoom
	}
	n, err := a.body.Read(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	if n > 0 {
		a.progress = time.Now()
		a.missing -= int64(n)
	}
	if a.isCut {
		return 0, errMadeRoom
	}
	return n, err
}

// begin starts another window if the bytes of the last one are there. It returns false if the body
// has been cut.
func (a *arrival) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.isCut {
		return false
	}
	if a.missing <= 0 {
		a.missing = max(1, int64(minRate*a.window.Seconds()))
		a.until = time.Now().Add(a.window)
		if a.until.After(a.end) {
			a.until = a.end
		}
		_ = a.setDeadline(a.until) // an error means that there is no connection, as in tests
	}
	return true
}

// idle returns for how long nothing has arrived.
func (a *arrival) idle() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.progress)
}

// cut makes Read fail, also one that is waiting.
func (a *arrival) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isCut = true
	_ = a.setDeadline(time.Now().Add(-time.Second))
}

// done lifts the deadline: the connection has no more time limit while the image is worked on.
func (a *arrival) done() { _ = a.setDeadline(time.Time{}) }
