package check

import (
	"runtime"
	"strings"
)

// mistake is a usual mistake: its hint, and what an answer with it makes of a case.
type mistake[C, V any] struct {
	hint    Hint
	compute func(C) V
}

// trial is a step that gives cases to an answer and looks at the values.
type trial[C, V any] struct {
	cases        []C
	answer, want func(C) V
	// same reports whether two values are as good as equal.
	same func(a, b V) bool
	// what names a case, as "OutputSize(7, 3, 2, 1)".
	what func(C) string
	// explain makes What, Want and Got of a case that went wrong; its Hint is left alone.
	explain func(c C, want, got V) *Failure
	// mistakes in the order in which to try them.
	mistakes []mistake[C, V]
	// outside is the hint if an index of the answer is out of range, and unmade, or else
	// slicesNotMade, if it is because there are no elements at all.
	outside, unmade Hint
}

// try returns a failure for the first case that goes wrong. Its hint is that of the first
// mistake that gives the answer's values for all the cases, so that a wrong value that two
// mistakes share is told apart by the others.
func (t trial[C, V]) try() error {
	// What is wanted is known before the answer runs, which may write where it should not.
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

// call gives a case to the answer. Panics that are not the runtime's, such as the stub's,
// are for guard.
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

// diagnose returns the hint of the first mistake that does what the answer does: the same
// values, and a panic where there is one.
func (t trial[C, V]) diagnose() Hint {
next:
	for _, m := range t.mistakes {
		mistaken := t
		mistaken.answer = m.compute
		for _, c := range t.cases {
			a, aFailure := t.call(c)
			b, bFailure := mistaken.call(c)
			if (aFailure == nil) != (bFailure == nil) || aFailure == nil && !t.same(a, b) {
				continue next
			}
		}
		return m.hint
	}
	return Hint{}
}
