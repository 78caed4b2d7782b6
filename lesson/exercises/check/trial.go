package check

import (
	"runtime"
	"slices"
	"strings"
)

// mistake is a usual mistake: its hint, and what an answer that makes it computes for a case.
type mistake[C, V any] struct {
	hint    Hint
	compute func(C) V
}

// trial is a step that calls an answer in plain Go with cases of type C and compares the
// values of type V that it computes.
type trial[C, V any] struct {
	cases        []C
	answer, want func(C) V
	// same reports whether two values are equal, up to rounding.
	same func(a, b V) bool
	// what shows a case, such as "OutputSize(7, 3, 2, 1)".
	what func(C) string
	// explain returns the failure of a case with a wrong value. If it has no hint, trial
	// looks for one.
	explain func(c C, want, got V) *Failure
	// mistakes are in the order in which they are tried.
	mistakes []mistake[C, V]
	// probes are further cases on which an answer must agree with a mistake to get its hint. Cases
	// on which the answer panics do not count: it may not be finished.
	probes []C
	// strict has further probes for single mistakes, by the name of the hint.
	strict map[string][]C
	// outside is the hint for an index out of range. For an index into a slice without
	// elements the hint is unmade, or slicesNotMade if unmade is not set.
	outside, unmade Hint
}

// try returns a failure for the first case with a wrong value. Its hint is that of the first
// mistake that gives the answer's values for all the cases and probes: two mistakes may agree
// on one case and differ on another.
func (t trial[C, V]) try() error {
	// All right values are computed before the answer runs, which may write where it should not.
	var wants []V
	for _, c := range t.cases {
		wants = append(wants, t.want(c))
	}
	for i, c := range t.cases {
		want := wants[i]
		got, failure := t.call(c)
		if failure != nil {
			return failure
		}
		if t.same(want, got) {
			continue
		}
		failure = t.explain(c, want, got)
		if failure.Hint.Name == "" {
			failure.Hint = t.diagnose()
		}
		return failure
	}
	return nil
}

// call calls the answer with a case. Panics that are not runtime errors, such as the stub's,
// go on to guard.
func (t trial[C, V]) call(c C) (got V, failure *Failure) {
	defer func() {
		caught := recover()
		if caught == nil {
			return
		}
		err, ok := caught.(runtime.Error)
		if !ok {
			panic(caught)
		}
		failure = panicked(err, panicPlace())
		failure.What = t.what(c)
		switch {
		case failure.Hint == slicesNotMade && t.unmade.Name != "":
			failure.Hint = t.unmade
		case failure.Hint.Name == "" && strings.Contains(err.Error(), "out of range"):
			failure.Hint = t.outside
		}
	}()
	return t.answer(c), nil
}

// diagnose returns the hint of the first mistake that behaves like the answer on all cases and
// probes: the same values and, on the cases, a panic where the answer panics.
func (t trial[C, V]) diagnose() Hint {
next:
	for _, m := range t.mistakes {
		mistaken := t
		mistaken.answer = m.compute
		for i, c := range slices.Concat(t.cases, t.probes, t.strict[m.hint.Name]) {
			a, aFailure := t.call(c)
			if aFailure != nil && i >= len(t.cases) {
				continue
			}
			b, bFailure := mistaken.call(c)
			if (aFailure == nil) != (bFailure == nil) || aFailure == nil && !t.same(a, b) {
				continue next
			}
		}
		return m.hint
	}
	return Hint{}
}
