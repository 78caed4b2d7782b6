//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cifar

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lock waits until no other process, and no other Fetcher of this one, holds the lock
// file at path, or until ctx is done. The system frees the lock of a process that is
// killed. A file system that knows no locks is used without.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return func() { file.Close() }, nil
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
