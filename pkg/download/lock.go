package download

import (
	"context"
	"errors"
	"time"

	"github.com/gofrs/flock"
)

// Lock waits until no other process or goroutine holds the lock file at path, or until ctx is
// done. It creates the file if necessary, and unlocking leaves it there. On a file system
// without file locks, Lock returns at once.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	lock := flock.New(path, flock.SetPermissions(0o644))
	_, err = lock.TryLockContext(ctx, 100*time.Millisecond)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, cause(ctx, err)
	}
	return func() { lock.Unlock() }, nil
}
