package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// content is the file that the test servers serve, and sum its SHA-256.
var (
	content = bytes.Repeat([]byte("residual "), 1000)
	sum     = hexSum(content)
)

func hexSum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// serve starts a server with the given handler that counts requests.
func serve(t *testing.T, handler http.HandlerFunc) (address string, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, requests
}

// whole serves content like a correct server, with ranges.
func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// place returns a File in a folder that does not exist yet.
func place(t *testing.T, address string) File {
	return File{URL: address, Path: filepath.Join(t.TempDir(), "new", "f.bin"), Noun: "file of the test", SHA256: sum, Limit: 1 << 20}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkError checks that err is one line that contains all the texts.
func checkError(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, text := range append(texts, "") {
		if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want one line with %q", what, err, text)
		}
	}
}

// checkWhole checks that the file is complete and its .part file is gone.
func checkWhole(t *testing.T, what string, file File) {
	t.Helper()
	if got, err := os.ReadFile(file.Path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s: read %d bytes, %v; want the %d bytes served", what, len(got), err, len(content))
	}
	if _, err := os.Stat(file.Path + ".part"); err == nil {
		t.Errorf("%s: the .part file still exists", what)
	}
}

func TestFetchChecksAnyNumberOfDigits(t *testing.T) {
	address, requests := serve(t, whole)
	for _, digits := range []string{sum, sum[:8], sum[:63]} {
		file := place(t, address)
		file.SHA256 = digits
		for range 2 {
			if err := new(Fetcher).Fetch(context.Background(), file); err != nil {
				t.Fatal(err)
			}
			checkWhole(t, digits, file)
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests for 3 files fetched twice, want 3", n)
	}
	for _, digits := range []string{sum[:7], sum + "0", strings.ToUpper(sum), "0123456g"} {
		file := place(t, address)
		file.SHA256 = digits
		checkError(t, digits, new(Fetcher).Fetch(context.Background(), file), digits, "8 to 64 digits")
	}
	file := place(t, address)
	file.SHA256 = "01234567"
	err := new(Fetcher).Fetch(context.Background(), file)
	checkError(t, "another checksum", err, address, sum, "want 01234567", "not the file of the test", "by hand: put f.bin into "+filepath.Dir(file.Path))
	if _, err := os.Stat(file.Path); err == nil {
		t.Error("a file with the wrong checksum was kept")
	}
}

func TestFetchByHand(t *testing.T) {
	address, requests := serve(t, http.NotFound)
	file := place(t, address)
	write(t, file.Path, content)
	if err := new(Fetcher).Fetch(context.Background(), file); err != nil {
		t.Error(err)
	}
	write(t, file.Path, []byte("something else"))
	checkError(t, "another file", new(Fetcher).Fetch(context.Background(), file), file.Path, "remove it and fetch again")
	file.Explain = func(path, where string) error { return fmt.Errorf("%s is a picture", where) }
	checkError(t, "explained", new(Fetcher).Fetch(context.Background(), file), file.Path+" is a picture")
	if got, _ := os.ReadFile(file.Path); string(got) != "something else" {
		t.Error("a file put there by hand was changed")
	}
	if requests.Load() > 0 {
		t.Error("a request was sent, want none")
	}
}

// A file in another user's folder can be used without write permission.
func TestFetchFromAReadOnlyFolder(t *testing.T) {
	file := place(t, "http://127.0.0.1:0/file")
	write(t, file.Path, content)
	// A folder in place of the lock file keeps even root from creating that.
	dir, name := filepath.Split(file.Path)
	if err := os.Mkdir(filepath.Join(dir, "."+name+".lock"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := new(Fetcher).Fetch(context.Background(), file); err != nil {
		t.Error(err)
	}
	write(t, file.Path, []byte("something else"))
	checkError(t, "another file", new(Fetcher).Fetch(context.Background(), file), file.Path, "remove it")
}

func TestFetchToAFolder(t *testing.T) {
	file := place(t, "http://127.0.0.1:0/file")
	if err := os.MkdirAll(file.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	checkError(t, "a folder", new(Fetcher).Fetch(context.Background(), file), file.Path, "is a folder", "remove it")
}

func TestFetchResumes(t *testing.T) {
	var ranges []string
	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:4000])
			return
		}
		whole(w, r)
	})
	file := place(t, address)
	err := new(Fetcher).Fetch(context.Background(), file)
	checkError(t, "broken off", err, "broke off", "4000 bytes are kept in "+file.Path+".part", "run again to resume")
	var done, total int64
	f := &Fetcher{Progress: func(d, n int64) { done, total = d, n }}
	if err := f.Fetch(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	checkWhole(t, "in two parts", file)
	if fmt.Sprint(ranges) != "[ bytes=4000-]" || done != int64(len(content)) || total != done {
		t.Errorf("ranges %q, progress ends with %d of %d", ranges, done, total)
	}

	// A part of another file: the checksum is wrong, so it starts over.
	file = place(t, address)
	write(t, file.Path+".part", bytes.Repeat([]byte("x"), 100))
	if err := f.Fetch(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	checkWhole(t, "a part of another file", file)

	// Without a checksum it does not resume.
	file = place(t, address)
	file.SHA256 = ""
	write(t, file.Path+".part", bytes.Repeat([]byte("x"), 100))
	if err := f.Fetch(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	checkWhole(t, "without a sum", file)
}

func TestFetchFails(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"missing": {http.NotFound, "404 Not Found"},
		"too long by its header": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2000000")
		}, "2000000 bytes, want at most 1048576 for the file of the test"},
		"too long without a header": {func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				w.Write(make([]byte, 1<<19))
				w.(http.Flusher).Flush()
			}
		}, "more than 1048576 bytes"},
		"silent": {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no data for 200ms"},
		"silent halfway": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(content[:100])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "no data for 200ms; 100 bytes are kept"},
	} {
		address, _ := serve(t, test.handler)
		file := place(t, address)
		file.Variable = "TEST_URL"
		err := (&Fetcher{StallTimeout: 200 * time.Millisecond}).Fetch(context.Background(), file)
		checkError(t, name, err, "download "+address, test.want, "by hand")
		failed, isNetwork := errors.AsType[*NetworkError](err)
		if strings.HasPrefix(name, "silent") != isNetwork || isNetwork && failed.Variable != "TEST_URL" {
			t.Errorf("%s: the error is one of the network: %t, %+v", name, isNetwork, failed)
		}
	}

	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(content[:100])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	f := &Fetcher{Progress: func(done, total int64) { cancel() }}
	err := f.Fetch(ctx, place(t, address))
	if _, isNetwork := errors.AsType[*NetworkError](err); isNetwork || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v, of the network: %t", err, isNetwork)
	}
}

func TestFetchHidesPasswords(t *testing.T) {
	err := new(Fetcher).Fetch(context.Background(), place(t, "http://me:secret@127.0.0.1:1/f"))
	checkError(t, "no server", err, "127.0.0.1:1/f", "refused", "by hand")
	if _, isNetwork := errors.AsType[*NetworkError](err); !isNetwork {
		t.Errorf("the error is not one of the network: %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestConcurrentFetches(t *testing.T) {
	address, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		whole(w, r)
	})
	file := place(t, address)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := new(Fetcher).Fetch(context.Background(), file); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	checkWhole(t, "by four", file)
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestCacheDir(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("RESIDUAL_CACHE", filepath.Join(cache, "named"))
	if dir, err := CacheDir(); err != nil || dir != filepath.Join(cache, "named") {
		t.Errorf("cache folder %q, %v", dir, err)
	}
	t.Setenv("RESIDUAL_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Setenv("LocalAppData", cache)
	if dir, err := CacheDir(); err != nil || !strings.HasPrefix(dir, cache) || filepath.Base(dir) != "residual" {
		t.Errorf("cache folder %q, %v", dir, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("LocalAppData", "")
	_, err := CacheDir()
	checkError(t, "no home", err, "RESIDUAL_CACHE")
}
