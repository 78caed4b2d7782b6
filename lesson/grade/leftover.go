package grade

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A run keeps its temporary files in one folder, and holds a lock on a file in it. So the next
// run can tell, and remove, what a run has left that was killed.
const (
	folderPrefix = "residual-grade-"
	folderLock   = ".lock"
)

// temporaryFolder makes the folder of a run, after removing those that killed runs have left.
// unlock gives up the lock, so that the folder can be removed.
func temporaryFolder() (dir string, unlock func(), err error) {
	removeLeftovers()
	dir, err = os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	// In its messages, the compiler uses the folder's path without symbolic links.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	lock := flock.New(filepath.Join(dir, folderLock), flock.SetPermissions(0o600))
	// Without locks on this file system, only the folder's age protects it.
	_, _ = lock.TryLock()
	return dir, func() { _ = lock.Unlock() }, nil
}

// removeLeftovers removes the folders of runs that are no more. A folder that has just been made
// may not be locked yet.
func removeLeftovers() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, dir := range found {
		at := filepath.Join(dir, folderLock)
		info, err := os.Lstat(at)
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < 2*time.Second {
			continue
		}
		lock := flock.New(at, flock.SetFlag(os.O_RDWR))
		if locked, err := lock.TryLock(); err != nil || !locked {
			continue
		}
		_ = lock.Unlock()
		_ = removeAll(dir)
	}
}
