package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/tests/internal/measure"
)

// train trains by the fast recipe and prints a record for every epoch and one for the whole run.
func train(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	name := flags.String("backend", backend.Auto, "the backend")
	data := flags.String("data", "", "folder with CIFAR-10's record files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var t training
	if err := json.Unmarshal([]byte(flags.Arg(0)), &t); err != nil {
		return fmt.Errorf("decode the training: %w", err)
	}
	r, err := recipe.ByName("fast")
	if err != nil {
		return err
	}
	if r.Model, err = measure.Network(t.Network); err != nil {
		return err
	}
	r.Precision, r.Seed = t.Precision, t.Seed
	if t.Epochs > 0 {
		r.Epochs = t.Epochs
	}
	training, test, err := cifar.Read(*data)
	if err != nil {
		return err
	}
	engine, err := backend.New(*name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gpu-train-")
	if err != nil {
		return fmt.Errorf("create a folder for the run: %w", err)
	}
	defer os.RemoveAll(dir)
	p := &progress{out: json.NewEncoder(stdout), batch: r.BatchSize}
	began := time.Now()
	o, err := run.Train(ctx, dir, r, onDevice(run.Options{Backend: engine, Training: training, Test: test, Report: p}))
	if err == nil && p.err != nil {
		err = fmt.Errorf("print the measurements: %w", p.err)
	}
	if err != nil {
		return err
	}
	if o.Test == nil {
		return errors.New("the run was not evaluated")
	}
	return p.out.Encode(record{Event: trainedEvent, Accuracy: o.Test.Top1, TrainSeconds: p.seconds, Seconds: time.Since(began).Seconds(), Epoch: r.Epochs})
}

// progress prints a record for every epoch.
type progress struct {
	out     *json.Encoder
	batch   int
	seconds float64 // of training so far
	err     error
}

// Epoch is called after the evaluation of an epoch, whose speed does not include it.
func (p *progress) Epoch(m run.Metrics) {
	if m.ImagesPerSecond > 0 { // 0 if a resumed run had only the evaluation left to do
		p.seconds += float64(m.StepsPerEpoch*p.batch) / m.ImagesPerSecond
	}
	r := record{Event: epochEvent, Epoch: m.Epoch, Loss: m.Loss, TrainSeconds: p.seconds}
	if m.TestTop1 != nil {
		r.Accuracy = *m.TestTop1
	}
	if err := p.out.Encode(r); err != nil {
		p.err = err
	}
}

// Step, Line, Evaluating and Note do nothing.
func (p *progress) Step(run.Metrics)    {}
func (p *progress) Line(run.Metrics)    {}
func (p *progress) Evaluating(_, _ int) {}
func (p *progress) Note(string)         {}
