//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filelock

// TryLock does nothing: the standard library has no file locks here.
func TryLock(string) (unlock func(), err error) {
	return func() {}, nil
}
