//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

func maxResidentMiB() float64 { return 0 }
