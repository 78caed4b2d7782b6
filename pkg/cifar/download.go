package cifar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	// maxArchive bounds a download: the official archives have about 170 MB.
	maxArchive = 256 << 20

	connectTimeout      = 10 * time.Second
	defaultStallTimeout = 30 * time.Second
)

// download brings the file at part to the whole archive, continuing what is there, and
// checks its SHA-256. A file with another sum is removed.
func (f *Fetcher) download(ctx context.Context, l layout, part string) error {
	for {
		resumed, err := f.transfer(ctx, l.url, part)
		if err != nil {
			return err
		}
		sum, err := fileSum(ctx, part, maxArchive)
		if err != nil {
			return fmt.Errorf("check the download: %w", err)
		}
		if sum == l.sum {
			return nil
		}
		pickled, isPickled := pickledArchive(part)
		if err := os.Remove(part); err != nil {
			return fmt.Errorf("remove a wrong download: %w", err)
		}
		switch {
		case isPickled:
			return pickled.pickleError("the file there")
		case !resumed:
			return fmt.Errorf("SHA-256 is %s, want %s: not the official archive, or damaged on the way; the file was removed", sum, l.sum)
		}
		// The earlier run's part may have been of something else: once more, all of it.
	}
}

// transfer makes the file at part what is at address. It continues a file that is there
// if the server can, and reports whether it did. After an error the bytes that arrived
// are kept.
func (f *Fetcher) transfer(ctx context.Context, address, part string) (resumed bool, err error) {
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
	if offset >= maxArchive {
		offset = 0 // no part of any official archive
	}
	response, offset, err := f.request(ctx, address, offset)
	if err != nil {
		return false, cause(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return true, nil // the part is as long as the archive
	}
	total := int64(-1)
	if response.ContentLength >= 0 {
		total = offset + response.ContentLength
	}
	if total > maxArchive {
		return false, fmt.Errorf("%d bytes, more than any official archive", total)
	}

	// No O_TRUNC: it would lose the part that is being continued.
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return false, err
	}
	defer file.Close()
	if err := file.Truncate(offset); err != nil {
		return false, err
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return false, err
	}
	done := offset
	buffer := make([]byte, 1<<18)
	for {
		stall.Reset(stallTimeout)
		n, readErr := response.Body.Read(buffer)
		stall.Stop() // a slow disk is not a stalled server
		if done+int64(n) > maxArchive {
			file.Truncate(0)
			return false, fmt.Errorf("more than %d bytes, more than any official archive", maxArchive)
		}
		if _, err := file.Write(buffer[:n]); err != nil {
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
	if err := file.Sync(); err != nil {
		return false, err
	}
	return offset > 0, file.Close()
}

// request asks for what is at address from byte offset on. It returns a response whose
// body starts at the returned offset: the one asked for, or 0 if the server cannot do
// that. A response of status 416 says that there is nothing after offset.
func (f *Fetcher) request(ctx context.Context, address string, offset int64) (*http.Response, int64, error) {
	client := f.Client
	if client == nil {
		client = defaultClient()
	}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, 0, withoutURL(err)
		}
		// Without this, Go's client would unpack an archive that a server declares to be
		// compressed in transfer, and the sum would not be the archive's.
		request.Header.Set("Accept-Encoding", "identity")
		if offset > 0 {
			request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, 0, withoutURL(err)
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

// defaultClient has no timeout for the whole transfer, which takes what it takes.
func defaultClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		ForceAttemptHTTP2:   true,
		DisableKeepAlives:   true,
	}}
}

// cause returns why ctx was cancelled if it was, otherwise err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// withoutURL strips the address from an error: the caller names it.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
