package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gomlx/compute"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/tests/internal/measure"
)

// step is this project's entry in the comparison, next to the PyTorch and JAX peers. It trains with
// package run, as a user would, on random images. Unlike the other peers, it also crops and flips
// the images, and computes accuracy and the norm of the gradient in every step.
func step(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("step", flag.ContinueOnError)
	name := flags.String("backend", backend.Auto, "the backend")
	profile := flags.Bool("profile", false, "measure how the time of a step is spent")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var s spec
	if err := json.Unmarshal([]byte(flags.Arg(0)), &s); err != nil {
		return fmt.Errorf("decode the measurement: %w", err)
	}
	r, err := stepRecipe(s)
	if err != nil {
		return err
	}
	images := noise(s)
	dir, err := os.MkdirTemp("", "gpu-step-")
	if err != nil {
		return fmt.Errorf("create a folder for the run: %w", err)
	}
	defer os.RemoveAll(dir)
	engine, err := withEmptyCache(*name, filepath.Join(dir, "cache"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &conductor{commands: bufio.NewScanner(stdin), out: json.NewEncoder(stdout), stop: cancel, warmUps: warmUps(engine.Name()), began: time.Now()}
	accelerated := backend.Accelerated(engine)
	if *profile {
		c.watch = &stopwatch{}
		engine = c.watch.on(engine)
	}
	o := onDevice(run.Options{Backend: engine, Training: images, Report: c})
	o.LogEvery = logEvery(s.Size, accelerated)
	if accelerated {
		o.ReadEvery = o.LogEvery // one execution, whether the stopwatch is on or not
	}
	_, err = run.Train(ctx, filepath.Join(dir, "run"), r, o)
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(err, run.ErrInterrupted):
		return nil
	case err == nil:
		return errors.New("the run ended before it was told to")
	}
	return err
}

// withEmptyCache starts the backend with a new folder as its cache. XLA stores there which algorithms are fastest.
// In the user's cache it would find those of an earlier process, and the first step would come sooner than
// JAX's, which has no such folder.
func withEmptyCache(name, folder string) (compute.Backend, error) {
	const variable = "RESIDUAL_CACHE"
	before, set := os.LookupEnv(variable)
	if err := os.Setenv(variable, folder); err != nil {
		return nil, fmt.Errorf("choose the cache: %w", err)
	}
	engine, err := backend.New(name)
	if set {
		err = errors.Join(err, os.Setenv(variable, before))
	} else {
		err = errors.Join(err, os.Unsetenv(variable))
	}
	return engine, err
}

// warmUps returns the number of steps before the measurement starts: a GPU takes a while to raise its
// clock rate.
func warmUps(backend string) int {
	if backend == "xla" {
		return 10
	}
	return 0
}

// stepRecipe returns the fast recipe with the spec's network, batch size and precision, and with a
// learning rate so small that the weights stay in a range where arithmetic has its usual speed.
func stepRecipe(s spec) (recipe.Recipe, error) {
	r, err := recipe.ByName("fast")
	if err != nil {
		return r, err
	}
	if r.Model, err = measure.Network(s.Network); err != nil {
		return r, err
	}
	r.BatchSize, r.Precision = s.Batch, s.Precision
	r.LearningRate, r.Schedule = 1e-3, optim.Schedule{Kind: optim.Constant}
	r.Nesterov = false
	r.Epochs = 1_000_000 // never reached
	return r, nil
}

// logEvery returns the interval, in steps, at which the run waits for the device. For large images it
// is shorter: their steps take so long that waiting costs nothing, and their epochs are short.
func logEvery(size int, accelerated bool) int {
	switch {
	case size > 64:
		return 4
	case accelerated:
		return 64
	}
	return 16
}

// noise returns random images and labels. There are enough of them that epochs, whose ends are not
// measured, are long, but not so many that they fill the device's memory.
func noise(s spec) *dataset.Images {
	steps := min(max(64, 32768/s.Batch), 256)
	if s.Size > 64 {
		steps = max(8, 4096/s.Batch)
	}
	n := s.Batch * steps
	source := rand.NewChaCha8([32]byte{1})
	random := rand.New(source)
	m := &dataset.Images{Name: "noise", Classes: make([]string, measure.Classes), Height: s.Size, Width: s.Size,
		Pixels: make([]byte, n*s.Size*s.Size*3), Labels: make([]int32, n)}
	for i := range m.Classes {
		m.Classes[i] = strconv.Itoa(i)
	}
	_, _ = source.Read(m.Pixels) // never fails
	for i := range m.Labels {
		m.Labels[i] = random.Int32N(measure.Classes)
	}
	return m
}

// onDevice returns the options with which a run is fastest on a GPU: images on the device, and
// checkpoints only at the end of epochs.
func onDevice(o run.Options) run.Options {
	o.Input, o.Keep, o.CheckpointEvery = run.InputDevice, 1, 24*time.Hour
	return o
}

// conductor lets a run take steps when it is told to and holds it in between. It does so when a line of
// metrics is due, since all steps before are finished then.
type conductor struct {
	commands *bufio.Scanner
	out      *json.Encoder
	stop     context.CancelFunc
	watch    *stopwatch // nil without a profile
	warmUps  int
	began    time.Time

	first   float64   // seconds to the end of the first step
	step    int       // the step of the last line
	at      time.Time // the time of the last line
	pause   bool      // the time since then was not spent in training
	seconds float64   // length of the window; 0 before the first
	now     record    // the measurements of the window so far
	err     error
}

// Step is called after every step, once its loss has been read.
func (c *conductor) Step(run.Metrics) {
	if c.first == 0 {
		c.first = time.Since(c.began).Seconds()
	}
}

// Line is called every logEvery steps, when they are finished.
func (c *conductor) Line(m run.Metrics) {
	now := time.Now()
	switch {
	case c.err != nil || m.Step <= c.warmUps:
	case c.seconds == 0:
		c.say(record{Event: readyEvent, FirstStep: c.first})
		c.await()
	case c.pause:
		// The stopwatch has measured the end of an epoch too.
		c.watch.reset()
	default:
		c.now.Steps += m.Step - c.step
		c.now.Seconds += now.Sub(c.at).Seconds()
		c.watch.move(&c.now)
		if c.now.Seconds >= c.seconds {
			c.now.Event = windowEvent
			c.say(c.now)
			c.await()
		}
	}
	c.step, c.at, c.pause = m.Step, time.Now(), false
}

// await waits for the next window, or ends the run if there is none.
func (c *conductor) await() {
	c.now = record{}
	if c.err != nil || !c.commands.Scan() {
		c.stop()
		return
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(c.commands.Text()), 64)
	if err != nil || !(seconds > 0) {
		c.err = fmt.Errorf("read the length of a window: %q is not a positive number of seconds", c.commands.Text())
		c.stop()
		return
	}
	c.seconds = seconds
	c.watch.reset()
}

func (c *conductor) say(r record) {
	if err := c.out.Encode(r); err != nil {
		c.err = fmt.Errorf("print the measurements: %w", err)
		c.stop()
	}
}

// Epoch is called at the end of an epoch, before a checkpoint is written.
func (c *conductor) Epoch(run.Metrics) { c.pause = true }

// Evaluating and Note do nothing.
func (c *conductor) Evaluating(_, _ int) {}
func (c *conductor) Note(string)         {}

// describe prints the backend and its device as facts.
func describe(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("backend", flag.ContinueOnError)
	name := flags.String("backend", backend.Auto, "the backend")
	if err := flags.Parse(args); err != nil {
		return err
	}
	engine, err := backend.New(*name)
	if err != nil {
		return err
	}
	defer engine.Finalize()
	out := json.NewEncoder(stdout)
	for _, r := range []record{
		{Event: factEvent, Name: "backend", Value: engine.Description()},
		{Event: factEvent, Name: "device", Value: engine.DeviceDescription(0)},
	} {
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("print the facts: %w", err)
		}
	}
	return nil
}
