// Package classes compares classes of functions: how close one comes to a target, and what
// another layer does to it.
package classes

import "math"

// Function is a function of one number.
type Function = func(x float64) float64

// Distance returns how far f is from the target: the largest |f(x) − target(x)| at any of the
// points. There is at least one point.
func Distance(f, target Function, points []float64) float64 {
	// BEGIN SOLUTION
	largest := 0.0
	for _, x := range points {
		largest = max(largest, math.Abs(f(x)-target(x)))
	}
	return largest
	// END SOLUTION
}

// Closest returns how close the class comes to the target: the smallest distance of any of
// its functions. The class has at least one function.
func Closest(class []Function, target Function, points []float64) float64 {
	// BEGIN SOLUTION
	smallest := math.Inf(1)
	for _, f := range class {
		smallest = min(smallest, Distance(f, target, points))
	}
	return smallest
	// END SOLUTION
}

// Contains reports whether the class inner is nested in the class outer: whether each function
// of inner is also in outer. Two functions count as the same if their distance is at most
// 1e-9, to allow for rounding.
func Contains(outer, inner []Function, points []float64) bool {
	// BEGIN SOLUTION
	for _, f := range inner {
		if Closest(outer, f, points) > 1e-9 {
			return false
		}
	}
	return true
	// END SOLUTION
}

// Plain returns the class of networks that are one plain layer deeper: x ↦ g(f(x)) for every
// f in class and every g in layers, in any order. It does not change its arguments.
func Plain(class, layers []Function) []Function {
	// BEGIN SOLUTION
	var deeper []Function
	for _, f := range class {
		for _, g := range layers {
			deeper = append(deeper, func(x float64) float64 { return g(f(x)) })
		}
	}
	return deeper
	// END SOLUTION
}

// Residual returns the class of networks that are one residual layer deeper, which adds g to
// its own input: x ↦ f(x) + g(f(x)) for every f in class and every g in layers, in any order.
// It does not change its arguments.
func Residual(class, layers []Function) []Function {
	// BEGIN SOLUTION
	var deeper []Function
	for _, f := range class {
		for _, g := range layers {
			deeper = append(deeper, func(x float64) float64 {
				y := f(x)
				return y + g(y)
			})
		}
	}
	return deeper
	// END SOLUTION
}
