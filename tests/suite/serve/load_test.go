package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/serve"
)

// expected is an image with its correct answer.
type expected struct {
	content []byte
	guesses map[int]float64 // probability by class
}

// album returns images with their answers, each computed alone by a separate network.
func album(t *testing.T, n int) []expected {
	t.Helper()
	network := network(t)
	all := make([]expected, n)
	for i := range all {
		content, err := photo(i, 20+i%13, 18+i%17)
		if err != nil {
			t.Fatal(err)
		}
		m, err := picture.Decode(bytes.NewReader(content), picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := network.Explain(served.Transform.Apply(m), served.Transform.Height, served.Transform.Width)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = expected{content, map[int]float64{}}
		for _, g := range e.Top(0, e.Classes()) {
			all[i].guesses[g.Class] = g.Probability
		}
	}
	return all
}

// difference is the largest difference between an answer and the expected one, over all
// classes.
func (e expected) difference(guesses map[int]float64) float64 {
	if len(guesses) != len(e.guesses) {
		return math.Inf(1)
	}
	largest := 0.0
	for class, p := range e.guesses {
		largest = max(largest, math.Abs(p-guesses[class]))
	}
	return largest
}

// ask sends an image of length bytes and returns the status, the Retry-After header and the
// probabilities by class.
func ask(client *http.Client, url string, body io.Reader, length int) (status int, retry string, guesses map[int]float64, err error) {
	request, err := http.NewRequest("POST", url+"predict?top=100", body)
	if err != nil {
		return 0, "", nil, err
	}
	request.ContentLength = int64(length)
	response, err := client.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Guesses []struct {
			Index       int
			Probability float64
		}
		Error string
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, "", nil, fmt.Errorf("%s: %w", response.Status, err)
	}
	guesses = map[int]float64{}
	for _, g := range answer.Guesses {
		guesses[g.Index] = g.Probability
	}
	if (answer.Error == "") != (response.StatusCode == http.StatusOK) {
		return 0, "", nil, fmt.Errorf("%s with the error %q", response.Status, answer.Error)
	}
	return response.StatusCode, response.Header.Get("Retry-After"), guesses, nil
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// memory returns the heap in use after a garbage collection, in MiB.
func memory() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc) / (1 << 20)
}

// Hundreds of images, many more at a time than the limits allow, together with clients that
// send slowly. Every request gets one answer, 200 or 503, and every 200 is the correct one for
// its image. After a 503 the client tries again.
func TestLoad(t *testing.T) {
	const requests, at, slow = 600, 150, 10
	pictures := album(t, 40)
	for i := range pictures {
		for j := range i {
			if d := pictures[i].difference(pictures[j].guesses); d < 1e-3 {
				t.Fatalf("images %d and %d have answers only %g apart, which proves nothing", i, j, d)
			}
		}
	}
	url, stop := begin(t, serve.Limits{Requests: 24, BatchSize: 4})
	client := newClient(t)
	before, goroutines := memory(), runtime.NumGoroutine()

	var group, dribbling sync.WaitGroup
	for i := range slow {
		dribbling.Go(func() { dribble(t, url, pictures[i]) })
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	most := 0
	// turnedAway sends image i once and reports whether it was refused.
	turnedAway := func(i int) bool {
		want := pictures[i%len(pictures)]
		status, retry, guesses, err := ask(client, url, bytes.NewReader(want.content), len(want.content))
		mu.Lock()
		defer mu.Unlock()
		statuses[status]++
		most = max(most, runtime.NumGoroutine())
		switch {
		case err != nil:
			t.Errorf("request %d: no answer: %v", i, err)
		case status == http.StatusServiceUnavailable:
			if retry != "1" {
				t.Errorf("request %d: 503 with Retry-After %q, want 1", i, retry)
			}
			return true
		case status != http.StatusOK:
			t.Errorf("request %d: status %d, want 200 or 503", i, status)
		default:
			if d := want.difference(guesses); d > 1e-4 {
				t.Errorf("request %d: the answer differs by %g from the correct one", i, d)
			}
		}
		return false
	}
	next := make(chan int)
	for range at {
		group.Go(func() {
			for i := range next {
				for turnedAway(i) {
					time.Sleep(100 * time.Millisecond) // shorter than Retry-After asks for
				}
			}
		})
	}
	for i := range requests {
		next <- i
	}
	close(next)
	group.Wait()
	if statuses[200] != requests || statuses[503] == 0 {
		t.Errorf("answers by status: %v; want %d of 200 and some 503", statuses, requests)
	}
	dribbling.Wait()
	client.CloseIdleConnections()
	// A connection has three goroutines in the client and two in the server, and each request
	// has one that sends it.
	if limit := goroutines + 6*at + 6*slow + 50; most > limit {
		t.Errorf("up to %d goroutines, want at most %d", most, limit)
	}
	if grown := memory() - before; grown > 64 {
		t.Errorf("the heap grew by %.0f MiB", grown)
	} else {
		t.Logf("answers by status: %v; the heap grew by %.1f MiB; up to %d goroutines", statuses, grown, most)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if left := runtime.NumGoroutine(); left > goroutines {
		t.Errorf("%d goroutines at the end, want the %d of the beginning", left, goroutines)
	}
}

// dribble sends an image a few bytes at a time.
func dribble(t *testing.T, url string, want expected) {
	client := newClient(t)
	reader, writer := io.Pipe()
	go func() {
		for part := want.content; len(part) > 0; time.Sleep(20 * time.Millisecond) {
			n := min(len(part), 1+len(want.content)/20)
			if _, err := writer.Write(part[:n]); err != nil {
				return // the server refused it
			}
			part = part[n:]
		}
		writer.Close()
	}()
	defer reader.Close()
	switch status, _, guesses, err := ask(client, url, reader, len(want.content)); {
	case err != nil:
		t.Errorf("a slow client got no answer: %v", err)
	case status == http.StatusOK:
		if d := want.difference(guesses); d > 1e-4 {
			t.Errorf("a slow client's answer differs by %g from the correct one", d)
		}
	case status != http.StatusServiceUnavailable:
		t.Errorf("a slow client got status %d, want 200 or 503", status)
	}
}

// Large images, all at once, take no more memory than the limits allow.
func TestLoadOfLargeImages(t *testing.T) {
	content, err := photo(1, 1000, 750) // 3 MB when decoded
	if err != nil {
		t.Fatal(err)
	}
	url, _ := begin(t, serve.Limits{Requests: 16, Decoders: 2, Bytes: int64(8 * len(content))})
	client := newClient(t)
	before := memory()
	var mu sync.Mutex
	statuses := map[int]int{}
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			status, _, _, err := ask(client, url, bytes.NewReader(content), len(content))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	watching := make(chan float64)
	done := make(chan struct{})
	go func() {
		most := 0.0
		for {
			select {
			case <-done:
				watching <- most
				return
			case <-time.After(20 * time.Millisecond):
				most = max(most, memory())
			}
		}
	}()
	group.Wait()
	close(done)
	// Two are decoded at a time, the others are still files. Without limits 40 decoded images
	// would take 120 MB.
	limit := 2*4*3.0 + 4*8*float64(len(content))/(1<<20) + 20
	most := <-watching - before
	if most > limit {
		t.Errorf("memory grew by up to %.0f MiB, want at most %.0f", most, limit)
	}
	if statuses[200]+statuses[503] != 40 || statuses[200] < 8 || statuses[503] == 0 {
		t.Errorf("answers by status: %v, want 40, at least 8 of them 200 and some 503", statuses)
	}
	t.Logf("answers by status: %v; memory grew by up to %.1f MiB", statuses, most)
}

// Requests in progress are answered before the server stops.
func TestStopUnderLoad(t *testing.T) {
	pictures := album(t, 20)
	url, stop := begin(t, serve.Limits{})
	client := newClient(t)
	address := strings.Trim(strings.TrimPrefix(url, "http://"), "/")

	// These have sent all but their last byte when the server is told to stop.
	connections := make([]net.Conn, len(pictures))
	for i, want := range pictures {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprintf(connection, "POST /predict?top=100 HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s",
			address, len(want.content), want.content[:len(want.content)-1])
		connections[i] = connection
	}
	// Connections are accepted in order: once this one is answered, those have been accepted.
	if status, _, _, err := ask(client, url, bytes.NewReader(pictures[0].content), len(pictures[0].content)); status != 200 {
		t.Fatalf("status %d (%v)", status, err)
	}
	time.Sleep(100 * time.Millisecond) // for their requests to be read
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		connection.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still accepts connections")
		}
	}
	for i, connection := range connections {
		connection.Write(pictures[i].content[len(pictures[i].content)-1:])
	}
	for i, connection := range connections {
		var answer strings.Builder
		if _, err := io.Copy(&answer, connection); err != nil || !strings.HasPrefix(answer.String(), "HTTP/1.1 200") ||
			strings.Count(answer.String(), "probability") != len(served.Classes) {
			t.Errorf("image %d, in progress: %v, %q", i, err, answer.String())
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
