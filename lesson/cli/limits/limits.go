// Package limits ends the program with one line if so few files may be open (ulimit -n) that Go's
// runtime would end it with pages of stack traces. Importing the package is enough.
//
// It imports nothing but package syscall, so that its init function runs before those of packages
// that open files.
package limits
