package xla

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/backend/fakeplugin"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/shapes10"
)

// A run that is cancelled while XLA compiles a program ends at once, with all steps saved: also while it compiles
// the program of the smaller last batch of an epoch, in the middle of the training.
func TestCancelledWhileXLACompiles(t *testing.T) {
	r := small(t)
	r.BatchSize, r.DropLast = 8, false
	for _, input := range []run.Input{run.InputHost, run.InputDevice} {
		log, gate := slowCompiler(t)
		engine := slowXLA(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const full = 3 // batches of an epoch, before the smaller last one
		report := &gatekeeper{step: full, gate: gate}
		go func() { // until the second program is being compiled
			for ctx.Err() == nil {
				if content, err := os.ReadFile(log); err == nil && strings.Count(string(content), "compile") == 2 {
					cancel()
				}
				time.Sleep(time.Millisecond)
			}
		}()
		hung := time.AfterFunc(time.Minute, func() {
			t.Error("the run waits for the compiler")
			os.Remove(gate)
		})
		dir := t.TempDir()
		_, err := run.Train(ctx, dir, r, run.Options{Backend: engine, Training: shapes10.Train(full*r.BatchSize+4, 1), Input: input, Report: report})
		hung.Stop()
		os.Remove(gate)
		if !errors.Is(err, run.ErrInterrupted) || err.Error() != "interrupted after step 3 of 12" {
			t.Errorf("input %s: the run ended with %v", input, err)
		}
		if report.note != "saved after step 3 of 12" {
			t.Errorf("input %s: the last note is %q", input, report.note)
		}
		if state, _, err := run.Latest(dir, func(note string) { t.Error(note) }); err != nil {
			t.Errorf("input %s: %v", input, err)
		} else if state.Step != full {
			t.Errorf("input %s: the last checkpoint is of step %d, want %d", input, state.Step, full)
		}
	}
}

// A run that resumes with its evaluation, and is cancelled while XLA compiles it, ends at once too.
func TestCancelledWhileXLACompilesAnEvaluation(t *testing.T) {
	r := small(t)
	r.Epochs = 2
	log, gate := slowCompiler(t)
	dir := t.TempDir()
	o := run.Options{Backend: slowXLA(t), Training: shapes10.Train(4*r.BatchSize, 1), Test: shapes10.Test(400, 2)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Report = evaluationInterrupter{interrupter{cancel}}
	if _, err := run.Train(ctx, dir, r, o); !errors.Is(err, run.ErrInterrupted) {
		t.Fatalf("an interrupted run ends with %v", err)
	}
	if err := errors.Join(os.Remove(log), os.WriteFile(gate, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil && !exists(log) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	hung := time.AfterFunc(time.Minute, func() {
		t.Error("the run waits for the compiler")
		os.Remove(gate)
	})
	o.Report = nil
	_, err := run.Resume(ctx, dir, o)
	hung.Stop()
	os.Remove(gate)
	if !errors.Is(err, run.ErrInterrupted) {
		t.Errorf("the run ended with %v", err)
	}
}

// The time for compiling counts neither as training nor in images/s.
func TestCompilingIsNotTraining(t *testing.T) {
	r := small(t)
	r.BatchSize, r.Epochs = 8, 1
	log, gate := slowCompiler(t)
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const compiling = 2 * time.Second
	go func() {
		for t.Context().Err() == nil && !exists(log) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(compiling)
		os.Remove(gate)
	}()
	dir := t.TempDir()
	began := time.Now()
	if _, err := run.Train(t.Context(), dir, r, run.Options{Backend: slowXLA(t), Training: shapes10.Train(4*r.BatchSize, 1), LogEvery: 4}); err != nil {
		t.Fatal(err)
	}
	rest := (time.Since(began) - compiling).Seconds() // of which the training is a part
	for _, line := range lines(t, dir) {
		// The images of the step that was compiled are not counted, since its time is unknown.
		if least := float64(3*r.BatchSize) / rest; line.ImagesPerSecond < least {
			t.Errorf("%s line: %g images/s, want at least %g", line.Kind, line.ImagesPerSecond, least)
		}
		if line.Kind == run.EpochLine && (line.Seconds <= 0 || line.Seconds > rest) {
			t.Errorf("the epoch took %g s, want at most %g", line.Seconds, rest)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// slowCompiler returns the log of the fake plugin, which says when it compiles, and the file that it waits for
// while it exists.
func slowCompiler(t *testing.T) (log, gate string) {
	t.Helper()
	folder := t.TempDir()
	log, gate = filepath.Join(folder, "log"), filepath.Join(folder, "gate")
	t.Setenv("RESIDUAL_FAKE_LOG", log)
	t.Setenv("RESIDUAL_FAKE_GATE", gate)
	t.Setenv("RESIDUAL_XLA_CACHE", "off")
	return log, gate
}

// slowXLA starts a fake plugin that runs programs in no time. It is not finalized, because an abandoned step may
// still use it.
func slowXLA(t *testing.T) compute.Backend {
	t.Helper()
	plugin := filepath.Join(t.TempDir(), "pjrt_c_api_fake_plugin.so")
	fakeplugin.Build(t, plugin, "EXECUTES")
	engine, err := backend.New("xla:" + plugin)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// A gatekeeper is a Reporter that shuts the fake compiler's gate after a step, and keeps the last note.
type gatekeeper struct {
	interrupter
	step       int
	gate, note string
}

func (g *gatekeeper) Step(m run.Metrics) {
	if m.Step == g.step {
		if err := os.WriteFile(g.gate, nil, 0o644); err != nil {
			panic(err)
		}
	}
}

func (g *gatekeeper) Note(text string) { g.note = text }
