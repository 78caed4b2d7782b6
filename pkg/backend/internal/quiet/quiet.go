// Package quiet keeps go-xla from printing errors while a program starts. Import it for that effect
// alone.
//
// When go-xla (v0.4.2) is initialised, it searches the user's home folder and /etc/ld.so.conf for
// folders with plugins. If one of them is missing, as on Alpine or in a small container, it writes
// errors to standard error, whatever the program is about to do. Package backend searches for
// plugins itself and passes go-xla the one it has opened, so go-xla's search is not needed. go-xla
// skips it if PJRT_PLUGIN_LIBRARY_PATH is set. This package sets the variable to the empty string
// while go-xla is initialised, and [Restore] removes it again.
//
// Go initialises a package once all its imports are initialised, and packages that are ready in the
// order of their import paths. This one imports only os, and its path sorts before that of
// k8s.io/klog, which go-xla imports, so it comes first.
package quiet

import "os"

const variable = "PJRT_PLUGIN_LIBRARY_PATH"

var set = func() bool {
	if _, there := os.LookupEnv(variable); there {
		return false
	}
	return os.Setenv(variable, "") == nil
}()

// Restore removes the variable if this package set it. It is for the init function of a
// package that imports both go-xla and this one.
func Restore() {
	if set {
		os.Unsetenv(variable)
		set = false
	}
}
