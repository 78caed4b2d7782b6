package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/residual-go/residual/lesson/exercises/check"
)

// outcome is what the check said about an answer.
type outcome struct {
	// how is one of the words below.
	how string
	// step, hint and message are of the step that failed.
	step, hint, message string
	took                time.Duration
}

const (
	survived = "survived" // earned all points
	killed   = "killed"
	timedOut = "timed out"
	crashed  = "crashed" // the process ended, as it does when it takes too much memory
)

// job is an answer to check, and its outcome.
type job struct {
	*mutant
	argument string // of the program
	outcome  outcome
}

// runner runs the program that build made.
type runner struct {
	program string
	workers int
	// limit is the time for one answer; more for an exercise whose solution takes long.
	limit func(exercise string) time.Duration
	done  func() // called after each job
}

// memory is the limit in bytes for the program: far more than any right answer needs.
const memory = 2 << 30

// perProcess is the number of answers that one process checks. Answers cannot reach each
// other, but an endless one leaves its goroutine behind.
const perProcess = 40

// run checks all jobs.
func (r runner) run(ctx context.Context, jobs []*job) error {
	next := make(chan []*job)
	var workers sync.WaitGroup
	errs := make(chan error, r.workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range r.workers {
		workers.Go(func() {
			for part := range next {
				for len(part) > 0 {
					n, err := r.process(ctx, part)
					if err != nil {
						errs <- err
						cancel()
						return
					}
					part = part[n:]
				}
			}
		})
	}
	for len(jobs) > 0 && ctx.Err() == nil {
		n := min(perProcess, len(jobs))
		select {
		case next <- jobs[:n]:
			jobs = jobs[n:]
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// process checks jobs in one process until one of them ends it. It returns the number of jobs done.
func (r runner) process(ctx context.Context, jobs []*job) (done int, err error) {
	var arguments []string
	for _, j := range jobs {
		arguments = append(arguments, j.argument)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.program, arguments...)
	cmd.Env = append(os.Environ(), check.GradeVariable+"=1", fmt.Sprintf("%s=%d", check.MemoryVariable, memory))
	cmd.Stdin = strings.NewReader(strings.Repeat("-", check.SecretSize))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait()
	defer cancel()
	results := make(chan check.Result)
	go func() {
		defer close(results)
		reports := json.NewDecoder(output)
		for {
			var report check.Report
			if reports.Decode(&report) != nil {
				return
			}
			select {
			case results <- report.Result:
			case <-ctx.Done():
				_, _ = io.Copy(io.Discard, output)
				return
			}
		}
	}()
	for i, j := range jobs {
		start := time.Now()
		select {
		case result, ok := <-results:
			if !ok {
				if ctx.Err() != nil {
					return i, ctx.Err()
				}
				_ = cmd.Wait()
				if i == 0 && stderr.Len() == 0 {
					return i, fmt.Errorf("%s of %s: the process ended without a word: %v", j.key, j.exercise, cmd.ProcessState)
				}
				j.outcome = outcome{how: crashed, message: stderr.String()}
				r.done()
				return i + 1, nil
			}
			if result.Exercise != j.exercise {
				return i, fmt.Errorf("%s of %s: the report is about %s", j.key, j.exercise, result.Exercise)
			}
			j.outcome = judge(result)
			j.outcome.took = time.Since(start)
			r.done()
		case <-time.After(r.limit(j.exercise)):
			j.outcome = outcome{how: timedOut}
			r.done()
			return i + 1, nil
		}
	}
	return len(jobs), nil
}

func judge(result check.Result) outcome {
	for _, step := range result.Steps {
		if step.Message == "" {
			continue
		}
		o := outcome{how: killed, step: step.Name, message: step.Message}
		if step.Hint != nil {
			o.hint = step.Hint.Name
		}
		return o
	}
	return outcome{how: survived}
}
