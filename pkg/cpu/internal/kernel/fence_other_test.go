//go:build !linux

package kernel

// memories are the kinds of memory that the tests use.
var memories = []memoryKind{heap}
