package download

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
)

func TestLockExcludesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if locked, err := flock.New(path).TryLock(); locked || err != nil {
		t.Errorf("TryLock of a held lock returns %v, %v, want false", locked, err)
	}
	reason := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := Lock(ctx, path); !errors.Is(err, reason) {
		t.Errorf("Lock with a cancelled context: error %v, want the cause of the cancellation", err)
	}
	unlock()
	unlock, err = Lock(t.Context(), path)
	if err != nil {
		t.Fatalf("Lock after unlock: %v", err)
	}
	unlock()
}

func TestLockInAMissingFolder(t *testing.T) {
	if _, err := Lock(t.Context(), filepath.Join(t.TempDir(), "no", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want one that wraps os.ErrNotExist", err)
	}
}
