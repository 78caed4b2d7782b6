// Package download brings files from the network to this machine, whole and checked or not
// at all.
//
// A download is bounded in size, ends when no byte comes for a while, goes on where an
// earlier one broke off, and becomes a file of its name only with the right SHA-256. A file
// of that name that was put there by hand is checked as well, and then is as good as one
// that was downloaded.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File is a file in the network and its place on this machine.
type File struct {
	URL  string
	Path string
	// Noun is what errors call it, as "official archive".
	Noun string
	// SHA256 has the hexadecimal digits of the file's sum or, as PyTorch puts them into file
	// names, the first of them, at least 8. Without any the file is taken as it comes.
	SHA256 string
	// Limit is the most bytes it may have.
	Limit int64
	// Explain, if not nil, may say of a file with another sum what it is instead. where is the
	// path or "the file there".
	Explain func(path, where string) error
}

// Fetcher fetches files. The zero Fetcher is ready to use. Several processes may fetch one
// file at the same time: one works, the others wait for it.
type Fetcher struct {
	// Client makes the requests. nil means [NewClient]'s. A Client's own Timeout, if it has
	// one, bounds the whole transfer.
	Client *http.Client
	// StallTimeout is how long to wait for a byte. 0 means 30 s.
	StallTimeout time.Duration
	// Progress, if not nil, is called as bytes arrive with how many of the file's bytes are
	// there, an earlier run's included, and how many there will be, −1 if the server does not
	// say. It is called on the goroutine of Fetch.
	Progress func(done, total int64)
}

const (
	connectTimeout      = 10 * time.Second
	defaultStallTimeout = 30 * time.Second
	// minDigits of a sum is what there is to be: PyTorch's file names have so many.
	minDigits = 8
)

// Fetch sees to it that the file lies at its path, checked: as it lies there, or downloaded,
// by way of a file with .part behind the name, which the next Fetch continues after a failure.
// It makes the folder if it is missing. What lies there with another sum is not touched.
func (f *Fetcher) Fetch(ctx context.Context, file File) error {
	if n := len(file.SHA256); n > 0 && (n < minDigits || n > 2*sha256.Size || strings.Trim(file.SHA256, "0123456789abcdef") != "") {
		return fmt.Errorf("download %s: %q is no SHA-256, want %d to %d digits from 0 to 9 and a to f", Redacted(file.URL), file.SHA256, minDigits, 2*sha256.Size)
	}
	// It is whole, as it came there by a rename: no lock is needed to check it, which a folder
	// that cannot be written to would not give. Other errors come again below.
	if found, err := file.found(ctx); found {
		return err
	}
	dir, name := filepath.Split(file.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder to download to: %w", err)
	}
	unlock, err := Lock(ctx, filepath.Join(dir, "."+name+".lock"))
	if err != nil {
		return fmt.Errorf("lock the folder to download to: %w", err)
	}
	defer unlock()
	if found, err := file.found(ctx); found || err != nil {
		return err
	}
	part := file.Path + ".part"
	if err := f.download(ctx, file, part); err != nil {
		kept := ""
		if size := fileSize(part); size > 0 {
			kept = fmt.Sprintf("; %d bytes are kept in %s, run again to resume", size, part)
		}
		return fmt.Errorf("download %s: %w%s; by hand: put %s into %s", Redacted(file.URL), err, kept, name, filepath.Dir(file.Path))
	}
	return os.Rename(part, file.Path)
}

// found reports whether there is a file at Path, and what is wrong with it.
func (file File) found(ctx context.Context) (bool, error) {
	info, err := os.Stat(file.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular(): // a pipe would be waited for
		return true, fmt.Errorf("%s is a folder or a device, want the %s; remove it and fetch again", file.Path, file.Noun)
	}
	return true, file.check(ctx)
}

// check compares the sum of the file at Path with the one it should have.
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
	// It may have been put there by hand, so it is not ours to remove.
	if file.Explain != nil {
		if err := file.Explain(file.Path, file.Path); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s has SHA-256 %s, want %s: not the %s, or damaged; remove it and fetch again", file.Path, sum, file.SHA256, file.Noun)
}

// download brings the file at part to the whole file, continuing what is there, and checks
// its SHA-256. A file with another sum is removed.
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
		// The earlier run's part may have been of something else: once more, all of it.
	}
}

// transfer makes the file at part what is at the address. It continues a file that is there
// if the server can, and reports whether it did. After an error the bytes that arrived
// are kept.
func (f *Fetcher) transfer(ctx context.Context, file File, part string) (resumed bool, err error) {
	stallTimeout := f.StallTimeout
	if stallTimeout == 0 {
		stallTimeout = defaultStallTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout, func() {
		cancel(fmt.Errorf("no byte for %v", stallTimeout))
	})
	defer stall.Stop()

	offset := fileSize(part)
	if offset >= file.Limit || file.SHA256 == "" {
		offset = 0 // no part of the file, or nothing would show if it were none
	}
	response, offset, err := f.request(ctx, file.URL, offset)
	if err != nil {
		return false, cause(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return true, nil // the part is as long as the file
	}
	total := int64(-1)
	if response.ContentLength >= 0 {
		total = offset + response.ContentLength
	}
	if total > file.Limit {
		return false, fmt.Errorf("%d bytes, more than any %s", total, file.Noun)
	}

	// No O_TRUNC: it would lose the part that is being continued.
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
			return false, fmt.Errorf("more than %d bytes, more than any %s", file.Limit, file.Noun)
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
			return false, fmt.Errorf("transfer broke off: %w", cause(ctx, readErr))
		}
	}
	if err := out.Sync(); err != nil {
		return false, err
	}
	return offset > 0, out.Close()
}

// request asks for what is at address from byte offset on. It returns a response whose
// body starts at the returned offset: the one asked for, or 0 if the server cannot do
// that. A response of status 416 says that there is nothing after offset.
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
		// Without this, Go's client would unpack an archive that a server declares to be
		// compressed in transfer, and the sum would not be the archive's.
		request.Header.Set("Accept-Encoding", "identity")
		if offset > 0 {
			request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, 0, WithoutURL(err)
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
			offset = 0 // the part does not fit what is there now: from the start
			continue
		}
		return nil, 0, fmt.Errorf("the server answers %s", response.Status)
	}
}

// rangeStart returns the first byte of a Content-Range, −1 if it is not one.
func rangeStart(contentRange string) int64 {
	var start int64
	if _, err := fmt.Sscanf(contentRange, "bytes %d-", &start); err != nil {
		return -1
	}
	return start
}

// rangeTotal returns the length in the Content-Range of a 416, −1 if it has none.
func rangeTotal(contentRange string) int64 {
	var total int64
	if _, err := fmt.Sscanf(contentRange, "bytes */%d", &total); err != nil {
		return -1
	}
	return total
}

// cause returns why ctx was cancelled if it was, otherwise err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// WithoutURL returns the error of a request without the address, which may have a password
// in it, for a caller that names it.
func WithoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// sumOf returns the SHA-256 of the file at path in hexadecimal.
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

// fileSize returns the size of the file at path, 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
