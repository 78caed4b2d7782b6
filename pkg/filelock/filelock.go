// Package filelock keeps processes out of each other's way with locks on files, where the
// operating system has them: Linux, macOS and the BSDs. Elsewhere its locks are always free.
//
// The system frees the lock of a process that ends, however it ends.
package filelock

import (
	"context"
	"errors"
	"time"
)

// ErrHeld is TryLock's error for a lock that somebody else holds.
var ErrHeld = errors.New("locked by another process")

// Lock waits until nobody else, in this process or another, holds the lock file at path,
// which it makes if it is missing, or until ctx is done.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		unlock, err := TryLock(path)
		if !errors.Is(err, ErrHeld) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
