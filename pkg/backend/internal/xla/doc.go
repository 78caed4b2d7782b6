// Package xla opens XLA plugins and makes GoMLX backends of them with go-xla (v0.4.2).
//
// A plugin is a shared library with a function GetPjrtApi, which returns a table of functions, the
// PJRT C API (pjrt_c_api.h). go-xla calls functions of the table without checking its version or
// length. So this package first examines the file ([Examine]), then opens it and checks the head of
// its table ([Open]), and passes a copy of it to go-xla ([Plugin.Backend]) only if it fits. In the copy,
// compiling a program is a function of this package, which keeps the result for later processes ([Cache]).
//
// XLA is part of the program ([Linked]) on Linux, on amd64 and arm64, with cgo and without the build
// tag noxla. Elsewhere the functions return [ErrNotLinked]. (go-xla has files for macOS and Windows
// too, but the one for macOS says that opening a plugin from a running program crashes, and we could
// try neither.)
package xla

import (
	"errors"
	"time"
)

// Cache says which compiled programs a backend keeps for later processes, and where.
type Cache struct {
	Folder string
	Limit  int64         // bytes that the folder may have; the programs used least recently go first
	Least  time.Duration // programs that compile in less time are not kept
	Of     []string      // what the programs depend on, besides all that the plugin tells about itself
}

// ErrNoDriver is the error of [Driver] on a machine without an NVIDIA driver.
var ErrNoDriver = errors.New("libcuda.so.1 is missing")

// ErrNotLinked is the error of functions that need XLA in a program built without it.
var ErrNotLinked = errors.New("this program was built without XLA; build it on Linux (amd64 or arm64) with a C compiler, CGO_ENABLED=1 and without -tags noxla")
