//go:build linux && !race

package cpu

import "golang.org/x/sys/unix"

// adviseLargePages asks for large pages: the kernels walk over far more memory than the
// processor can translate in small ones. It is only advice.
func adviseLargePages(bytes []byte) { _ = unix.Madvise(bytes, unix.MADV_HUGEPAGE) }
