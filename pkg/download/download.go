// Package download downloads files and verifies them.
//
// A download has a size limit, fails when no data arrives for a while, resumes where an earlier
// one broke off, and appears under its final name only with the right SHA-256. A file that was
// put there by hand is verified in the same way and then used.
//
// The package is hand-written because we found no library that does all of this.
//
// download.go downloads and checks a file, lock.go keeps other processes from doing the same,
// client.go has the HTTP client, and cache.go the cache folder.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File is a file on a server and its place on this machine.
type File struct {
	URL  string
	Path string
	// Noun is what errors call the file, such as "official archive".
	Noun string
	// SHA256 has the hexadecimal digits of the file's checksum, or at least the first 8 of them, as
	// in PyTorch's file names. If it is empty, the file is not verified.
	SHA256 string
	// Limit is the largest size accepted, in bytes.
	Limit int64
	// Variable, if not empty, is the environment variable that sets URL. A [NetworkError] has it.
	Variable string
	// Explain, if not nil, is called for a file with the wrong checksum. It may return an error
	// that says what the file is instead. where is what the error should call the file: its path or
	// "the file there".
	Explain func(path, where string) error
}

// NetworkError is the error of a server that cannot be reached, or that stopped sending.
type NetworkError struct {
	// Variable is the environment variable that sets the address of the file, "" if none does.
	Variable string
	Err      error
}

func (e *NetworkError) Error() string { return e.Err.Error() }

func (e *NetworkError) Unwrap() error { return e.Err }

// network returns the error of a request or a transfer as a NetworkError if it is about the way to
// the server, and otherwise unchanged.
func network(err error) error {
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &NetworkError{Err: err}
	}
	return err
}

// Fetcher downloads files. The zero Fetcher is ready to use. If several processes fetch the same
// file, one downloads it and the others wait.
type Fetcher struct {
	// Client makes the requests. nil means a client of [NewClient]. A Timeout set in Client limits
	// the whole transfer.
	Client *http.Client
	// StallTimeout is how long to wait for the next byte. 0 means 30 s.
	StallTimeout time.Duration
	// Progress, if not nil, is called as data arrives, on the goroutine of Fetch. done is the number
	// of bytes so far, including those of an earlier run; total is the size of the file, or −1 if
	// the server does not report it.
	Progress func(done, total int64)
}

const (
	connectTimeout      = 10 * time.Second
	defaultStallTimeout = 30 * time.Second
	// minDigits is the minimum number of digits of a checksum, as in PyTorch's file names.
	minDigits = 8
)

// Fetch returns nil once the verified file is at its path. If the file is missing, Fetch downloads
// it to a .part file first; after a failure, the next Fetch resumes that. It creates the folder if
// necessary. If a file with a different checksum is at the path, Fetch leaves it there and returns
// an error.
func (f *Fetcher) Fetch(ctx context.Context, file File) error {
	if n := len(file.SHA256); n > 0 && (n < minDigits || n > 2*sha256.Size || strings.Trim(file.SHA256, "0123456789abcdef") != "") {
		return fmt.Errorf("download %s: %q is not a SHA-256, want %d to %d digits from 0 to 9 and a to f", Redacted(file.URL), file.SHA256, minDigits, 2*sha256.Size)
	}
	// Check without the lock first, since a read-only folder allows none. A file at the path is
	// complete, because it got there by a rename. Other errors recur below.
	if found, err := file.found(ctx); found {
		return err
	}
	dir, name := filepath.Split(file.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the download folder: %w", err)
	}
	unlock, err := Lock(ctx, filepath.Join(dir, "."+name+".lock"))
	if err != nil {
		return fmt.Errorf("lock the download folder: %w", err)
	}
	defer unlock()
	if found, err := file.found(ctx); found || err != nil {
		return err
	}
	part := file.Path + ".part"
	if err := f.download(ctx, file, part); err != nil {
		if failed, ok := errors.AsType[*NetworkError](err); ok {
			failed.Variable = file.Variable
		}
		kept := ""
		if size := fileSize(part); size > 0 {
			kept = fmt.Sprintf("; %d bytes are kept in %s, run again to resume", size, part)
		}
		return fmt.Errorf("download %s: %w%s; by hand: put %s into %s", Redacted(file.URL), err, kept, name, filepath.Dir(file.Path))
	}
	return os.Rename(part, file.Path)
}

// found reports whether there is a file at Path and, if so, what is wrong with it.
func (file File) found(ctx context.Context) (bool, error) {
	info, err := os.Stat(file.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular(): // reading a pipe would block
		return true, fmt.Errorf("%s is a folder or device instead of the %s; remove it and fetch again", file.Path, file.Noun)
	}
	return true, file.check(ctx)
}

// check verifies the checksum of the file at Path.
func (file File) check(ctx context.Context) error {
	if file.SHA256 == "" {
		return nil
	}
	sum, err := sumOf(ctx, file.Path)
	if err != nil {
		return fmt.Errorf("check %s: %w", file.Path, err)
	}
	if strings.HasPrefix(sum, file.SHA256) {
		return nil
	}
	// Somebody may have put it there, so do not remove it.
	if file.Explain != nil {
		if err := file.Explain(file.Path, file.Path); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s has SHA-256 %s, want %s: not the %s, or damaged; remove it and fetch again", file.Path, sum, file.SHA256, file.Noun)
}

// download completes the file at part, resuming if it exists, and verifies its checksum. It removes a
// file with the wrong one.
func (f *Fetcher) download(ctx context.Context, file File, part string) error {
	for {
		resumed, err := f.transfer(ctx, file, part)
		if err != nil {
			return err
		}
		if file.SHA256 == "" {
			return nil
		}
		sum, err := sumOf(ctx, part)
		if err != nil {
			return fmt.Errorf("check the download: %w", err)
		}
		if strings.HasPrefix(sum, file.SHA256) {
			return nil
		}
		var explained error
		if file.Explain != nil {
			explained = file.Explain(part, "the file there")
		}
		if err := os.Remove(part); err != nil {
			return fmt.Errorf("remove a wrong download: %w", err)
		}
		switch {
		case explained != nil:
			return explained
		case !resumed:
			return fmt.Errorf("SHA-256 is %s, want %s: not the %s, or damaged on the way; the file was removed", sum, file.SHA256, file.Noun)
		}
		// The earlier run may have downloaded something else: start over.
	}
}

// transfer downloads the file to part. If part exists and the server supports it, transfer resumes,
// and reports that it did. After an error, the bytes received are kept.
func (f *Fetcher) transfer(ctx context.Context, file File, part string) (resumed bool, err error) {
	stallTimeout := f.StallTimeout
	if stallTimeout == 0 {
		stallTimeout = defaultStallTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout, func() {
		cancel(&NetworkError{Err: fmt.Errorf("no data for %v", stallTimeout)})
	})
	defer stall.Stop()

	offset := fileSize(part)
	if offset >= file.Limit || file.SHA256 == "" {
		offset = 0 // not a part of this file, or there is no checksum to prove that it is
	}
	response, offset, err := f.request(ctx, file.URL, offset)
	if err != nil {
		return false, cause(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return true, nil // the part is already complete
	}
	total := int64(-1)
	if response.ContentLength >= 0 {
		total = offset + response.ContentLength
	}
	if total > file.Limit {
		return false, fmt.Errorf("the file has %d bytes, want at most %d for the %s", total, file.Limit, file.Noun)
	}

	// No O_TRUNC: it would lose the part to resume.
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return false, err
	}
	defer out.Close()
	if err := out.Truncate(offset); err != nil {
		return false, err
	}
	if _, err := out.Seek(offset, io.SeekStart); err != nil {
		return false, err
	}
	done := offset
	buffer := make([]byte, 1<<18)
	for {
		stall.Reset(stallTimeout)
		n, readErr := response.Body.Read(buffer)
		stall.Stop() // a slow disk is not a stalled server
		if done+int64(n) > file.Limit {
			out.Truncate(0)
			return false, fmt.Errorf("the file has more than %d bytes, the limit for the %s", file.Limit, file.Noun)
		}
		if _, err := out.Write(buffer[:n]); err != nil {
			return false, err
		}
		done += int64(n)
		if f.Progress != nil && n > 0 {
			f.Progress(done, total)
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return false, fmt.Errorf("transfer broke off: %w", cause(ctx, network(readErr)))
		}
	}
	if err := out.Sync(); err != nil {
		return false, err
	}
	return offset > 0, out.Close()
}

// request requests the file at address, starting at byte offset. The body of the response starts at
// the returned offset: the requested one, or 0 if the server does not support ranges. Status 416
// means that the file ends at offset.
func (f *Fetcher) request(ctx context.Context, address string, offset int64) (*http.Response, int64, error) {
	client := f.Client
	if client == nil {
		client = NewClient()
	}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, 0, WithoutURL(err)
		}
		// Otherwise Go's client would decompress an archive that the server declares as compressed
		// for the transfer, and the checksum would not match.
		request.Header.Set("Accept-Encoding", "identity")
		if offset > 0 {
			request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, 0, network(WithoutURL(err))
		}
		status, contentRange := response.StatusCode, response.Header.Get("Content-Range")
		switch {
		case status == http.StatusOK:
			return response, 0, nil
		case offset > 0 && status == http.StatusPartialContent && rangeStart(contentRange) == offset,
			offset > 0 && status == http.StatusRequestedRangeNotSatisfiable && rangeTotal(contentRange) == offset:
			return response, offset, nil
		}
		response.Body.Close()
		if offset > 0 && (status == http.StatusPartialContent || status == http.StatusRequestedRangeNotSatisfiable) {
			offset = 0 // the part does not fit the file on the server: start over
			continue
		}
		return nil, 0, fmt.Errorf("the server answers %s", response.Status)
	}
}

// rangeStart returns the first byte of a Content-Range, or −1 if it is malformed.
func rangeStart(contentRange string) int64 {
	var start int64
	if _, err := fmt.Sscanf(contentRange, "bytes %d-", &start); err != nil {
		return -1
	}
	return start
}

// rangeTotal returns the length in the Content-Range of a response with status 416, or −1 if there
// is none.
func rangeTotal(contentRange string) int64 {
	var total int64
	if _, err := fmt.Sscanf(contentRange, "bytes */%d", &total); err != nil {
		return -1
	}
	return total
}

// cause returns the reason why ctx was cancelled or, if it was not, err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// WithoutURL returns the error of a request without the address, which may contain a password. Callers
// add the address with [Redacted].
func WithoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// sumOf returns the hexadecimal SHA-256 of the file at path.
func sumOf(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	buffer := make([]byte, 1<<18)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := file.Read(buffer)
		hash.Write(buffer[:n])
		if err == io.EOF {
			return hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// fileSize returns the size of the file at path, or 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
