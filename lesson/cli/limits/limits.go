// Package limits ends the program with a one-line error if the limit on open files (ulimit -n) is
// so low that Go's runtime would crash with pages of stack traces. Importing the package is enough.
//
// It imports nothing but package syscall, so that its init function runs before those of packages
// that open files.
package limits
