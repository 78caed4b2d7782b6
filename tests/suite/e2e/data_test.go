package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/shapes10"
)

// archive is the name of CIFAR-10's archive in the cache.
const archive = "cifar-10-binary.tar.gz"

// serve starts a server that the place downloads CIFAR-10 from, and returns the folder of the
// place's cache.
func (p *place) serve(handler http.HandlerFunc) (cache string) {
	p.t.Helper()
	server := httptest.NewServer(handler)
	p.t.Cleanup(server.Close)
	cache = p.path("cache")
	p.set("RESIDUAL_CACHE", cache)
	p.set("RESIDUAL_CIFAR10_URL", server.URL+"/"+archive)
	return cache
}

func TestFetchWithoutServer(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, name := range []string{"cifar10", "cifar100"} {
		r := p.fails([]string{"127.0.0.1:1", "by hand: put cifar-" + name[len("cifar"):] + "-binary.tar.gz into"}, "data", "fetch", "--data", name)
		if r.stdout != "" {
			t.Errorf("fetch %s: want nothing on stdout, got:\n%s", name, r.stdout)
		}
		// There is no fallback for data that was asked for by name.
		p.fails([]string{"127.0.0.1:1"}, "data", "verify", "--data", name)
	}
}

func TestFetchGarbage(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cache := p.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(bytes.Repeat([]byte("<html>log in to this network</html>"), 1000))
	})
	p.fails([]string{"SHA-256", "not the official archive", "by hand"}, "data", "fetch")
	if entries, err := filepath.Glob(filepath.Join(cache, "cifar*")); err != nil || len(entries) > 0 {
		t.Errorf("the cache has %q (%v), want nothing left of the download", entries, err)
	}
	has(t, p.ok("doctor"), "CIFAR-10: not downloaded")
}

func TestFetchRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.serve(http.NotFound)
	p.fails([]string{"404 Not Found", "by hand"}, "data", "fetch")
}

// The server breaks off in the middle: what has arrived is kept, and the next fetch asks for the
// rest.
func TestFetchCutOff(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const half = 300_000
	var asked atomic.Value
	asked.Store("")
	cache := p.serve(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Header.Get("Range"))
		w.Header().Set("Content-Length", fmt.Sprint(2*half))
		w.Write(make([]byte, half))
		// The handler returns early, so the server closes the connection.
	})
	p.fails([]string{fmt.Sprintf("%d bytes are kept", half), "run again to resume"}, "data", "fetch")
	if info, err := os.Stat(filepath.Join(cache, archive+".part")); err != nil || info.Size() != half {
		t.Fatalf("the part: %v (%v), want %d bytes", info, err, half)
	}
	p.fails(nil, "data", "fetch")
	if got, want := asked.Load(), fmt.Sprintf("bytes=%d-", half); got != want {
		t.Errorf("the second fetch asks for range %q, want %q", got, want)
	}
}

// The server stops sending, and the user presses Ctrl-C.
func TestFetchStalled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no way to send Ctrl-C to another process")
	}
	p := newPlace(t)
	const half = 300_000
	quiet := make(chan struct{})
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(2*half))
		w.Write(make([]byte, half))
		w.(http.Flusher).Flush()
		close(quiet)
		<-r.Context().Done()
	})
	var stderr bytes.Buffer
	cmd := p.command("data", "fetch")
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-quiet
	part := p.path("cache", archive+".part")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(part); err == nil && info.Size() == half {
			break
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			t.Fatalf("%s never reaches %d bytes", part, half)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d after Ctrl-C, want 130", code)
	}
	has(t, stderr.String(), fmt.Sprintf("%d bytes are kept", half), "run again to resume")
	if got := strings.Count(stderr.String(), "\n"); got != 1 {
		t.Errorf("want one line on stderr, got:\n%s", stderr.String())
	}
}

func TestVerifyAndShow(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	// The folder's name alone does not make it CIFAR-10.
	writeCIFAR10(t, p.path("CIFAR-10"), 4)
	const name = "images in CIFAR-10 (CIFAR-10 layout)"
	has(t, p.ok("data", "verify", "--data", "CIFAR-10"), "Data: "+name+"; 20 training and 4 test images", "airplane",
		"All records are complete and all labels are in range.")
	counts := decode[struct {
		Data           string
		Classes        []string
		Training, Test []int
	}](t, p.ok("data", "verify", "--data", "CIFAR-10", "--json"))
	sum := 0
	for _, n := range counts.Training {
		sum += n
	}
	if counts.Data != name || len(counts.Classes) != 10 || sum != 20 || len(counts.Test) != 10 {
		t.Errorf("data verify --json gives %+v, want 20 training images of %s in 10 classes", counts, name)
	}
	out := p.ok("data", "show", "--data", "CIFAR-10", "--figures", "out")
	has(t, out, "Data: "+name, "out/images.png", "Try next:")
	checkFigures(t, p.path("out"), "data: "+name, "images")
	has(t, p.ok("data", "show", "--data", "CIFAR-10", "--subset", "1/class"), name+", first 1 per class; 10 training")
}

func TestDamagedFolders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string
	}{
		{"truncated record", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "data_batch_3.bin"), 3073+100); err != nil {
				t.Fatal(err)
			}
		}, []string{"data_batch_3.bin", "cut short"}},
		{"label out of range", func(t *testing.T, dir string) {
			path := filepath.Join(dir, "test_batch.bin")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content[3073] = 77
			writeFile(t, path, content)
		}, []string{"test_batch.bin", "label 77", "0 to 9"}},
		{"missing file", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "data_batch_5.bin")); err != nil {
				t.Fatal(err)
			}
		}, []string{"data_batch_5.bin", "is missing"}},
		{"empty file", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "data_batch_1.bin"), nil)
		}, []string{"data_batch_1.bin", "empty"}},
		{"nothing", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "notes.txt"), []byte("hello"))
		}, []string{"images", "no CIFAR data"}},
		{"Python pickles", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"batches.meta", "data_batch_1", "data_batch_2", "test_batch"} {
				writeFile(t, filepath.Join(dir, name), []byte("\x80\x02}q\x01."))
			}
		}, []string{"images", "Python pickles", archive}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			writeCIFAR10(t, p.path("images"), 2)
			test.damage(t, p.path("images"))
			for _, command := range [][]string{{"data", "verify"}, {"data", "show"}, {"train"}} {
				if r := p.fails(test.want, append(command, "--data", "images")...); r.stdout != "" {
					t.Errorf("lesson %s: want nothing on stdout, got:\n%s", strings.Join(command, " "), r.stdout)
				}
			}
		})
	}
}

// Without a network --data auto uses the built-in images, and says so clearly.
func TestAutoFallsBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	out := p.ok("data", "show", "--subset", "2/class")
	has(t, out, strings.Repeat("*", 40), "CIFAR-10 is not available", "127.0.0.1:1", "Results on it are not results on CIFAR-10",
		"Data: "+shapes10.Name+", first 2 per class; 20 training and 20 test images")
	checkFigures(t, p.path("runs", "figures"), "drawn shapes, not CIFAR-10", "images-builtin")

	// With --json the notice goes to standard error.
	r := p.run("data", "verify", "--json")
	has(t, r.stderr, "CIFAR-10 is not available")
	if got := decode[struct{ Data string }](t, r.stdout); got.Data != shapes10.Name {
		t.Errorf("verified %q, want %q", got.Data, shapes10.Name)
	}
}
