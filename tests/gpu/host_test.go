//go:build linux

package main

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/backend/fakeplugin"
	"github.com/residual-go/residual/pkg/run"
)

// BenchmarkHost measures what a training step costs the host. On a fake plugin, whose programs run in no
// time, that is the whole cost of a step. ns/op is the time of a step; cpu-ns/op is its processor time,
// which depends less on what else the machine does. Batches are small because their size costs the host
// nothing: the images are on the device.
func BenchmarkHost(b *testing.B) {
	plugin := filepath.Join(b.TempDir(), "pjrt_c_api_fake_plugin.so")
	fakeplugin.Build(b, plugin, "EXECUTES")
	engine, err := backend.New("xla:" + plugin)
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Finalize()
	for _, network := range []string{"resnet20", "resnet56", "resnet18-cifar", "resnet50"} {
		for _, execution := range []struct {
			name  string
			steps int
		}{{"1-step-per-execution", 1}, {"64-steps-per-execution", 64}} {
			b.Run(network+"/"+execution.name, func(b *testing.B) {
				hostCost(b, network, onDevice(run.Options{Backend: engine, LogEvery: 64, ReadEvery: execution.steps}))
			})
		}
	}
}

// hostCost trains b.N steps and some more.
func hostCost(b *testing.B, network string, o run.Options) {
	s := spec{Network: network, Batch: 8, Size: 32, Precision: "bfloat16"}
	r, err := stepRecipe(s)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	timer := &hostTimer{b: b, stop: cancel}
	o.Training, o.Report = noise(s), timer
	_, err = run.Train(ctx, b.TempDir(), r, o)
	if timer.steps == 0 {
		b.Fatal("no steps were measured: ", err)
	}
	b.ReportMetric(float64(timer.spent.Nanoseconds())/float64(timer.steps), "ns/op")
	b.ReportMetric(float64(timer.processor.Nanoseconds())/float64(timer.steps), "cpu-ns/op")
}

// A hostTimer is a run's Reporter that measures the time from one line of metrics to the next, except at
// the start of an epoch: the steps up to the very first line include compiling, and those up to the first
// line of an epoch include the checkpoint before it.
type hostTimer struct {
	b                *testing.B
	stop             context.CancelFunc
	began            time.Time
	used             time.Duration
	running          bool
	last, steps      int
	spent, processor time.Duration
}

func (h *hostTimer) Line(m run.Metrics) {
	now, used := time.Now(), processorTime()
	if h.running {
		h.steps += m.Step - h.last
		h.spent += now.Sub(h.began)
		h.processor += used - h.used
		if h.steps >= h.b.N {
			h.stop()
		}
	}
	h.running, h.last, h.began, h.used = true, m.Step, time.Now(), processorTime()
}

func (h *hostTimer) Epoch(run.Metrics) { h.running = false }
func (*hostTimer) Step(run.Metrics)    {}
func (*hostTimer) Evaluating(int, int) {}
func (*hostTimer) Note(string)         {}

// processorTime returns the processor time that this process has used so far.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
