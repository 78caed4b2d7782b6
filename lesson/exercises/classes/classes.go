// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/classes
// Hand in only this file.

// Package classes compares classes of functions: how close one comes to a target, and what
// another layer does to it.
package classes

// Function is a function of one number.
type Function = func(x float64) float64

// Distance returns how far f is from the target: the largest |f(x) − target(x)| at any of the
// points. There is at least one point.
func Distance(f, target Function, points []float64) float64 {
	panic("not done yet: lesson/exercises/classes/README.md says what to do")
}

// Closest returns how close the class comes to the target: the smallest distance of any of
// its functions. The class has at least one function.
func Closest(class []Function, target Function, points []float64) float64 {
	panic("not done yet: lesson/exercises/classes/README.md says what to do")
}

// Contains reports whether the class inner is nested in the class outer: whether each function
// of inner is also in outer. Two functions count as the same if their distance is at most
// 1e-9, to allow for rounding.
func Contains(outer, inner []Function, points []float64) bool {
	panic("not done yet: lesson/exercises/classes/README.md says what to do")
}

// Plain returns the class of networks that are one plain layer deeper: x ↦ g(f(x)) for every
// f in class and every g in layers, in any order. It does not change its arguments.
func Plain(class, layers []Function) []Function {
	panic("not done yet: lesson/exercises/classes/README.md says what to do")
}

// Residual returns the class of networks that are one residual layer deeper, which adds g to
// its own input: x ↦ f(x) + g(f(x)) for every f in class and every g in layers, in any order.
// It does not change its arguments.
func Residual(class, layers []Function) []Function {
	panic("not done yet: lesson/exercises/classes/README.md says what to do")
}
