// Package quiet keeps go-xla from printing errors while a program starts, and XLA's CPU plugin ([CPU]).
// Import it for the first effect alone.
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

// CPU makes the CPU plugin that is opened next print no errors, which it returns as well, and returns
// a function that ends this. When the plugin loads a compiled program, it prints a page for each of
// LLVM's tuning preferences, such as prefer-no-gather, because it takes them for instructions that the
// processor lacks (github.com/openxla/xla/issues/44565). The plugin reads the variable
// once, when it is opened. A user's own value stays.
func CPU() (end func()) {
	const level = "TF_CPP_MIN_LOG_LEVEL"
	if _, there := os.LookupEnv(level); there || os.Setenv(level, "3") != nil {
		return func() {}
	}
	return func() { os.Unsetenv(level) }
}
