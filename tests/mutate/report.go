package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is the result of a run.
type result struct {
	exercises []*exercise
	// every is n if every nth mutant was checked; 1 means all.
	every int
	// jobs are by exercise.
	jobs               map[string][]*job
	equivalent, hinted expected
}

// mutate makes mutants of the named exercises and checks every nth.
func mutate(ctx context.Context, root string, names []string, every, workers int, progress io.Writer) (*result, error) {
	testdata := filepath.Join(root, "tests", "mutate", "testdata")
	r := &result{every: every, jobs: map[string][]*job{}}
	var err error
	if r.equivalent, err = readExpected(filepath.Join(testdata, "equivalent.txt")); err != nil {
		return nil, err
	}
	if r.hinted, err = readExpected(filepath.Join(testdata, "hints.txt")); err != nil {
		return nil, err
	}
	if r.exercises, err = newExercises(ctx, root, testdata, names); err != nil {
		return nil, err
	}
	answers := map[string][]mutant{}
	var solutions, all []*job
	for _, e := range r.exercises {
		list := []mutant{{e.name, "the solution", e.solution}}
		list = append(append(list, e.right...), e.wrong...)
		for i, m := range e.mutants {
			if i%every == 0 {
				list = append(list, m)
			}
		}
		answers[e.name] = list
		for i := range list {
			j := &job{mutant: &list[i], argument: fmt.Sprintf("%s:%d", e.name, i)}
			if i == 0 {
				solutions = append(solutions, j)
			} else {
				all = append(all, j)
			}
			r.jobs[e.name] = append(r.jobs[e.name], j)
		}
	}
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	fmt.Fprintf(progress, "building %d answers\n", len(solutions)+len(all))
	program, err := build(ctx, root, folder, answers, r.exercises)
	if err != nil {
		return nil, err
	}
	// The time that a right answer takes tells when to give up on a wrong one.
	run := runner{program, workers, func(string) time.Duration { return time.Minute }, func() {}}
	if err := run.run(ctx, solutions); err != nil {
		return nil, err
	}
	right := map[string]time.Duration{}
	for _, j := range solutions {
		right[j.exercise] = j.outcome.took
	}
	run.limit = func(exercise string) time.Duration { return 5*time.Second + 20*right[exercise] }
	fmt.Fprintf(progress, "checking them\n")
	if err := run.run(ctx, all); err != nil {
		return nil, err
	}
	// A busy machine must not make a survivor look like an endless loop.
	var again []*job
	for _, j := range all {
		if j.outcome.how == timedOut && (r.equivalent[j.exercise][j.key] != "" || strings.HasPrefix(j.key, "right/")) {
			again = append(again, j)
		}
	}
	run.limit = func(string) time.Duration { return time.Minute }
	return r, run.run(ctx, again)
}

// faults returns a text for each answer whose outcome is wrong.
func (r *result) faults() (faults []string) {
	for _, e := range r.exercises {
		fault := func(key, format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s: %s\n\t%s", e.name, fmt.Sprintf(format, args...), key))
		}
		seen := map[string]bool{}
		for i, j := range r.jobs[e.name] {
			seen[j.key] = true
			reason, o := r.equivalent[e.name][j.key], j.outcome
			switch {
			case i == 0 || strings.HasPrefix(j.key, "right/"):
				if o.how != survived {
					fault(j.key, "a right answer is rejected: %s %s", o.how, o.message)
				}
			case o.how == survived && reason == "":
				fault(j.key, "survived")
			case o.how != survived && reason != "":
				fault(j.key, "listed as equivalent (%s), but %s in step %q", reason, o.how, o.step)
			}
			if listed := r.hinted[e.name][j.key]; r.hinted[e.name] != nil && o.how == killed && o.hint != listed && !symptoms[o.hint] {
				fault(j.key, "gets the hint %q; hints.txt has %q. The message:\n%s", o.hint, listed, o.message)
			}
		}
		if r.every > 1 {
			for _, m := range e.mutants {
				seen[m.key] = true
			}
		}
		for _, list := range []expected{r.equivalent, r.hinted} {
			for _, key := range slices.Sorted(maps.Keys(list[e.name])) {
				if !seen[key] {
					fault(key, "listed in testdata, but there is no such mutant")
				}
			}
		}
	}
	return faults
}

// symptoms are the hints that a panic or an endless loop gets, whatever its cause. They describe what
// was seen, so any mutant may get them.
var symptoms = map[string]bool{
	"slices-not-made": true, "outside-the-image": true, "scope-entered-twice": true, "last-batch-too-long": true, "no-velocity-yet": true, "no-end": true,
	"outside-the-losses": true, "outside-the-norms": true, "axes-confused": true, "sizes-differ": true, "outside-a-parameter": true,
}

// counts are the numbers of a row of the table.
type counts struct{ made, compiled, checked, killed, timedOut, equivalent, survived, written int }

func (r *result) counts(e *exercise) counts {
	c := counts{made: e.made, compiled: len(e.mutants), written: len(e.wrong)}
	for i, j := range r.jobs[e.name] {
		if i == 0 || strings.HasPrefix(j.key, "right/") {
			continue
		}
		if !strings.HasPrefix(j.key, "wrong/") {
			c.checked++
		}
		switch {
		case j.outcome.how == survived && r.equivalent[e.name][j.key] != "":
			c.equivalent++
		case j.outcome.how == survived:
			c.survived++
		case j.outcome.how == timedOut:
			c.timedOut++
		default:
			c.killed++
		}
	}
	return c
}

// table prints a row of numbers for each exercise.
func (r *result) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, c counts) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, c.made, c.compiled, c.checked, c.written, c.killed, c.timedOut, c.equivalent, c.survived)
	}
	fmt.Fprintln(t, "exercise\tmutants\tcompile\tchecked\twritten\tkilled\ttimed out\tequivalent\tsurvived\t")
	var sum counts
	for _, e := range r.exercises {
		c := r.counts(e)
		row(e.name, c)
		sum = counts{sum.made + c.made, sum.compiled + c.compiled, sum.checked + c.checked, sum.killed + c.killed,
			sum.timedOut + c.timedOut, sum.equivalent + c.equivalent, sum.survived + c.survived, sum.written + c.written}
	}
	row("all", sum)
	t.Flush()
}

// hints prints the mutants that got a hint, as in hints.txt.
func (r *result) hints(w io.Writer) {
	for _, e := range r.exercises {
		fmt.Fprintf(w, "\nexercise %s\n", e.name)
		by := map[string][]string{}
		for _, j := range r.jobs[e.name] {
			if j.outcome.hint != "" && !symptoms[j.outcome.hint] {
				by[j.outcome.hint] = append(by[j.outcome.hint], j.key)
			}
		}
		for _, hint := range slices.Sorted(maps.Keys(by)) {
			fmt.Fprintf(w, "%s\n", hint)
			for _, key := range by[hint] {
				fmt.Fprintf(w, "\t%s\n", key)
			}
		}
	}
}

// list prints every answer and its outcome.
func (r *result) list(w io.Writer) {
	for _, e := range r.exercises {
		for _, j := range r.jobs[e.name] {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.name, j.outcome.how, j.outcome.step, j.outcome.hint, j.key)
		}
	}
}
