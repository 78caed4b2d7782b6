package cifar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// site is a server that counts its requests.
type site struct {
	*httptest.Server
	requests atomic.Int32
}

// serve starts a site that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// whole serves the archive correctly and supports ranges.
func whole(archive []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(archive))
	}
}

// fetcher returns a Fetcher that downloads from address into a new folder.
func fetcher(t *testing.T, address, sum string) *Fetcher {
	return &Fetcher{Dir: filepath.Join(t.TempDir(), "cache"), URL: address, stallTimeout: 10 * time.Second, sum: sum}
}

// wantWhole fails unless f fetches a data set that can be read.
func wantWhole(t *testing.T, f *Fetcher) {
	t.Helper()
	dir, err := f.Fetch(context.Background(), CIFAR10)
	if err != nil {
		t.Fatal(err)
	}
	train, _, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if train.Len() != 10 {
		t.Errorf("%d images, want 10", train.Len())
	}
	if cached, ok := f.Cached(CIFAR10); !ok || cached != dir {
		t.Errorf("Cached returns %q, %v; Fetch returned %q", cached, ok, dir)
	}
	for _, name := range namesIn(t, f.Dir) {
		if strings.HasSuffix(name, ".part") || strings.Contains(name, ".tmp-") {
			t.Errorf("%s was left behind", name)
		}
	}
}

func (f *Fetcher) path(name string) string { return filepath.Join(f.Dir, name) }

const (
	archiveName = "cifar-10-binary.tar.gz"
	partName    = archiveName + ".part"
	folderName  = "cifar-10-batches-bin"
)

func TestFetch(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, whole(archive))
	f := fetcher(t, s.URL, sum)
	if _, ok := f.Cached(CIFAR10); ok {
		t.Error("cached before it was fetched")
	}
	var calls int
	var done, total int64
	f.Progress = func(d, n int64) {
		if d <= done {
			t.Errorf("progress from %d to %d", done, d)
		}
		calls++
		done, total = d, n
	}
	wantWhole(t, f)
	if calls == 0 || done != int64(len(archive)) || total != done {
		t.Errorf("%d calls of Progress, the last with %d of %d, want %d", calls, done, total, len(archive))
	}
	wantWhole(t, f)
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests for two fetches, want 1", n)
	}

	// This is not the official archive, so the images must not be called CIFAR-10.
	train, _, err := Read(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if train.Name != "images in cache (CIFAR-10 layout)" {
		t.Errorf("named %q", train.Name)
	}

	// A damaged folder is unpacked again, from the archive that was kept.
	if err := os.Truncate(filepath.Join(f.path(folderName), "data_batch_2.bin"), 5); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Cached(CIFAR10); ok {
		t.Error("a folder with a truncated file counts as cached")
	}
	wantWhole(t, f)
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestFetchCIFAR100(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR100))
	f := fetcher(t, serve(t, whole(archive)).URL, sum)
	dir, err := f.Fetch(context.Background(), CIFAR100)
	if err != nil {
		t.Fatal(err)
	}
	if train, _, err := Read(dir); err != nil || len(train.Classes) != 100 {
		t.Errorf("read: %v", err)
	}
	if _, err := f.Fetch(context.Background(), Kind(9)); err == nil || !strings.Contains(err.Error(), "Kind(9)") {
		t.Errorf("error %v for an invalid kind", err)
	}
}

// TestFetchDeclaredAsCompressed: the server declares a compressed transfer, as some do for
// everything that ends in .gz.
func TestFetchDeclaredAsCompressed(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(archive)
	})
	wantWhole(t, fetcher(t, s.URL, sum))
}

func TestFetchSettings(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, whole(archive))
	cache := filepath.Join(t.TempDir(), "elsewhere")
	t.Setenv("RESIDUAL_CACHE", cache)
	t.Setenv("RESIDUAL_CIFAR10_URL", s.URL)
	f := &Fetcher{sum: sum}
	dir, err := f.Fetch(context.Background(), CIFAR10)
	if err != nil {
		t.Fatal(err)
	}
	if dir != filepath.Join(cache, folderName) || s.requests.Load() != 1 {
		t.Errorf("fetched into %s with %d requests, want 1 request", dir, s.requests.Load())
	}

	t.Setenv("RESIDUAL_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("LocalAppData", "")
	_, err = new(Fetcher).Fetch(context.Background(), CIFAR10)
	wantError(t, err, "RESIDUAL_CACHE")
}

// TestFetchFromPart starts with a .part file from an earlier run.
func TestFetchFromPart(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	junk := bytes.Repeat([]byte("junk"), len(archive))
	ignoresRange := func(w http.ResponseWriter, r *http.Request) { w.Write(archive) }
	otherRange := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			r.Header.Set("Range", "bytes=1-")
		}
		whole(archive)(w, r)
	}
	refusesRange := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) // without the length
			return
		}
		w.Write(archive)
	}
	for name, test := range map[string]struct {
		part     []byte
		handler  http.HandlerFunc
		requests int32
	}{
		"resumed":                 {archive[:len(archive)/3], whole(archive), 1},
		"complete":                {archive, whole(archive), 1},
		"empty":                   {[]byte{}, whole(archive), 1},
		"too long":                {junk, whole(archive), 2},
		"stale":                   {junk[:len(archive)/2], whole(archive), 2},
		"stale, as long":          {junk[:len(archive)], whole(archive), 2},
		"range ignored":           {archive[:len(archive)/3], ignoresRange, 1},
		"too long, range ignored": {junk, ignoresRange, 1},
		"another range":           {archive[:len(archive)/3], otherRange, 2},
		"range refused":           {archive[:len(archive)/3], refusesRange, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.handler)
			f := fetcher(t, s.URL, sum)
			writeFiles(t, f.Dir, map[string][]byte{partName: test.part})
			wantWhole(t, f)
			if n := s.requests.Load(); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
		})
	}
	t.Run("impossibly long", func(t *testing.T) {
		f := fetcher(t, serve(t, whole(archive)).URL, sum)
		writeFiles(t, f.Dir, map[string][]byte{partName: nil})
		if err := os.Truncate(f.path(partName), 1<<40); err != nil {
			t.Skipf("this file system has no sparse files: %v", err)
		}
		wantWhole(t, f)
	})
}

func TestFetchResumesAfterTruncation(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	half := len(archive) / 2
	var ranges []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
			w.Write(archive[:half])
			return
		}
		whole(archive)(w, r)
	})
	f := fetcher(t, s.URL, sum)
	_, err := f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, "CIFAR-10", s.URL, "broke off", fmt.Sprint(half, " bytes are kept"), partName, "run again to resume")
	if fileSize(f.path(partName)) != int64(half) {
		t.Errorf("%d bytes are kept, want %d", fileSize(f.path(partName)), half)
	}
	wantWhole(t, f)
	if want := []string{"", fmt.Sprintf("bytes=%d-", half)}; !slices.Equal(ranges, want) {
		t.Errorf("ranges %q, want %q", ranges, want)
	}
}

func TestFetchWrongBytes(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	wrong := slices.Clone(archive)
	wrong[len(wrong)/2]++
	s := serve(t, whole(wrong))
	f := fetcher(t, s.URL, sum)
	_, err := f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, s.URL, sum, sumOf(wrong), "removed")
	for _, name := range namesIn(t, f.Dir) {
		if !strings.HasSuffix(name, ".lock") {
			t.Errorf("%s was left behind", name)
		}
	}

	pickled := gzipOf(t, tarOf(t, []entry{regular("cifar-10-batches-py/data_batch_1", []byte("x"))}))
	f.URL = serve(t, whole(pickled)).URL
	_, err = f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, "Python pickles", archiveName)
}

func TestFetchServerErrors(t *testing.T) {
	_, sum := smallArchive(t, mustLayout(t, CIFAR10))
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"404":       {http.NotFound, "404 Not Found"},
		"416":       {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(416) }, "416"},
		"206":       {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206) }, "206"},
		"503":       {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, "503"},
		"too large": {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "1099511627776") }, "1099511627776 bytes"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, "redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.handler)
			f := fetcher(t, s.URL, sum)
			_, err := f.Fetch(context.Background(), CIFAR10)
			wantError(t, err, "CIFAR-10", s.URL, test.want, "by hand", archiveName, f.Dir)

			// The bytes of an earlier run are kept.
			writeFiles(t, f.Dir, map[string][]byte{partName: []byte("abc")})
			_, err = f.Fetch(context.Background(), CIFAR10)
			wantError(t, err, test.want)
			if got, _ := os.ReadFile(f.path(partName)); string(got) != "abc" {
				t.Errorf("the part was %q and is now %q", "abc", got)
			}
		})
	}
}

func TestFetchStalls(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	for name, sent := range map[string]int{"at once": 0, "halfway": len(archive) / 2} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if sent > 0 {
					w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
					w.Write(archive[:sent])
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			})
			f := fetcher(t, s.URL, sum)
			f.stallTimeout = 200 * time.Millisecond
			_, err := f.Fetch(context.Background(), CIFAR10)
			wantError(t, err, s.URL, "no data for 200ms")
			if got := fileSize(f.path(partName)); got != int64(sent) {
				t.Errorf("%d bytes are kept, want %d", got, sent)
			}
		})
	}
}

// TestFetchSlowly takes longer than the stall timeout but never stalls.
func TestFetchSlowly(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for chunk := range slices.Chunk(archive, len(archive)/8+1) {
			w.Write(chunk)
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	f := fetcher(t, s.URL, sum)
	f.stallTimeout = 600 * time.Millisecond
	f.Progress = func(_, total int64) {
		if total != -1 {
			t.Errorf("total %d from a server that does not send it", total)
		}
	}
	wantWhole(t, f)
}

func TestFetchCancelled(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		w.Write(archive[:len(archive)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f := fetcher(t, s.URL, sum)
	ctx, cancel := context.WithCancel(context.Background())
	f.Progress = func(done, total int64) { cancel() }
	if _, err := f.Fetch(ctx, CIFAR10); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that wraps context.Canceled", err)
	}
	if fileSize(f.path(partName)) == 0 {
		t.Error("the bytes that had arrived were lost")
	}
}

func TestFetchWithoutNetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String() + "/archive"
	listener.Close() // nobody is listening now
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	f := fetcher(t, strings.Replace(address, "//", "//me:secret@", 1), sum)
	_, err = f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, strings.TrimPrefix(address, "http://"), "refused", "by hand: put "+archiveName+" into "+f.Dir)
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error contains the password: %v", err)
	}

	// What the error suggests works.
	writeFiles(t, f.Dir, map[string][]byte{archiveName: archive})
	wantWhole(t, f)
}

func TestFetchWrongAddress(t *testing.T) {
	for _, address := range []string{"ftp://example.invalid/x", "://", "http://\x7f/"} {
		_, err := fetcher(t, address, strings.Repeat("0", 64)).Fetch(context.Background(), CIFAR10)
		wantError(t, err, "download", "by hand")
	}
}

func TestFetchWrongArchiveByHand(t *testing.T) {
	_, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, http.NotFound)
	f := fetcher(t, s.URL, sum)
	pickled := gzipOf(t, tarOf(t, []entry{regular("cifar-10-batches-py/data_batch_1", []byte("x"))}))
	for want, content := range map[string][]byte{
		"remove it and fetch again": []byte("something else"),
		"Python pickles":            pickled,
	} {
		writeFiles(t, f.Dir, map[string][]byte{archiveName: content})
		_, err := f.Fetch(context.Background(), CIFAR10)
		wantError(t, err, f.path(archiveName), want)
		if got, _ := os.ReadFile(f.path(archiveName)); !bytes.Equal(got, content) {
			t.Error("a file put there by hand was touched")
		}
	}
	if s.requests.Load() != 0 {
		t.Error("the server was asked")
	}
}

// TestFetchKeepsWhatIsInTheWay: the final name is taken by somebody else's folder.
func TestFetchKeepsWhatIsInTheWay(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	f := fetcher(t, serve(t, whole(archive)).URL, sum)
	for i := 1; i <= 2; i++ {
		if err := os.RemoveAll(f.path(folderName)); err != nil {
			t.Fatal(err)
		}
		writeFiles(t, f.path(folderName), map[string][]byte{"mine.txt": []byte("precious")})
		wantWhole(t, f)
		kept := filepath.Join(f.path(fmt.Sprintf("%s.old-%d", folderName, i)), "mine.txt")
		if got, err := os.ReadFile(kept); err != nil || string(got) != "precious" {
			t.Errorf("the folder in the way: %q, %v", got, err)
		}
	}
}

func TestFetchAtTheSameTime(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		whole(archive)(w, r)
	})
	dir := filepath.Join(t.TempDir(), "cache")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			f := &Fetcher{Dir: dir, URL: s.URL, sum: sum}
			if _, err := f.Fetch(context.Background(), CIFAR10); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestFetchIntoNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := &Fetcher{Dir: filepath.Join(file, "cache"), sum: "0"}
	_, err := f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, file, "cache folder", "RESIDUAL_CACHE")
}

func TestFetchIntoReadOnlyFolder(t *testing.T) {
	if os.Getuid() <= 0 {
		t.Skip("folders are not read-only for root, nor this way on Windows")
	}
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	f := fetcher(t, serve(t, whole(archive)).URL, sum)
	writeFiles(t, f.Dir, map[string][]byte{archiveName: archive})
	if err := os.Chmod(f.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(f.Dir, 0o755)
	_, err := f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, f.Dir, "permission denied", "RESIDUAL_CACHE")
}
