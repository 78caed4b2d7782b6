// Package xla opens XLA's plugins and makes GoMLX backends of them, by go-xla (v0.4.2).
//
// A plugin is a shared library that has the function GetPjrtApi, which returns a table of
// functions, PJRT's C API (pjrt_c_api.h). go-xla calls through the table without looking at its
// version or its length. So a library is first examined as a file ([Examine]), then opened, and
// the head of its table read ([Open]); only one that fits is handed to go-xla
// ([Plugin.Backend]).
//
// XLA is linked on Linux, on amd64 and arm64, where there is cgo, and not with the build tag
// noxla: [Linked]. (go-xla has files for macOS and Windows as well. The one for macOS says that
// a plugin opened by a running program crashes; neither could be tried.) Elsewhere the
// functions return [ErrNotLinked].
package xla

import "errors"

// ErrNoDriver is Driver's answer on a machine without an NVIDIA driver.
var ErrNoDriver = errors.New("libcuda.so.1 is not there")

// ErrNotLinked is returned by what needs XLA in a program that was built without it.
var ErrNotLinked = errors.New("this program was built without XLA; build it on Linux (amd64 or arm64) with a C compiler, CGO_ENABLED=1 and without -tags noxla")
