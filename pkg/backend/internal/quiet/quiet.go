// Package quiet keeps go-xla from speaking while a program starts. Import it for that alone.
//
// When go-xla (v0.4.2) is initialised it reads the user's home and /etc/ld.so.conf for folders
// where plugins may lie, and where one is missing, as on Alpine or in a small container, it
// writes errors to standard error, whatever the program is about to do. Package backend looks
// for plugins itself and hands go-xla what it opened, so the search is for nothing. It is left
// out if PJRT_PLUGIN_LIBRARY_PATH is set: this package sets it to nothing while go-xla is
// initialised, and [Restore] removes it again.
//
// Go initialises packages in the order of their import paths as soon as what they import is
// initialised. This one imports only os, and its path sorts before that of k8s.io/klog, which
// go-xla imports; so it comes first.
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
