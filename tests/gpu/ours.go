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
	"strconv"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// step is our peer: it takes the steps of a run of package run, which is what a user's
// training does, on random images. Beside what the others' steps do it crops and flips,
// and measures accuracy and the norm of the gradient.
func step(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("step", flag.ContinueOnError)
	name := flags.String("backend", backend.Auto, "what to compute with")
	profile := flags.Bool("profile", false, "measure where the time of a step goes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var s spec
	if err := json.Unmarshal([]byte(flags.Arg(0)), &s); err != nil {
		return fmt.Errorf("read what to measure: %w", err)
	}
	r, err := stepRecipe(s)
	if err != nil {
		return err
	}
	images := noise(s)
	engine, err := backend.New(*name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gpu-step-")
	if err != nil {
		return fmt.Errorf("make a folder for the run: %w", err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &conductor{commands: bufio.NewScanner(stdin), out: json.NewEncoder(stdout), stop: cancel, warmUps: warmUps(engine.Name()), began: time.Now()}
	if *profile {
		c.watch = &stopwatch{}
		engine = c.watch.on(engine)
	}
	o := onDevice(run.Options{Backend: engine, Training: images, Report: c})
	o.LogEvery = logEvery(s.Size)
	_, err = run.Train(ctx, dir, r, o)
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(err, run.ErrInterrupted):
		return nil
	case err == nil:
		return errors.New("the run came to its end before it was told to")
	}
	return err
}

// warmUps are the steps before the clock starts: a GPU's takes a while to rise.
func warmUps(backend string) int {
	if backend == "xla" {
		return 10
	}
	return 0
}

// stepRecipe is the fast recipe, but for what the spec says, and a learning rate so small
// that the weights stay in a range where arithmetic has its usual speed.
func stepRecipe(s spec) (recipe.Recipe, error) {
	r, err := recipe.ByName("fast")
	if err != nil {
		return r, err
	}
	if r.Model, err = network(s.Network); err != nil {
		return r, err
	}
	r.BatchSize, r.Precision = s.Batch, s.Precision
	r.LearningRate, r.Schedule = 1e-3, optim.Schedule{Kind: optim.Constant}
	r.Nesterov = false
	r.Epochs = 1 << 20 // longer than anybody waits
	return r, nil
}

// logEvery is the number of steps between those after which the device is waited for. The
// steps of large images take long enough for that to be nothing, and their epochs are short.
func logEvery(size int) int {
	if size > 64 {
		return 4
	}
	return 16
}

// noise returns random images and labels, for epochs of enough steps that their ends, which
// are not counted, are few; but not so many images that they fill the device, where they lie.
func noise(s spec) *dataset.Images {
	steps := min(max(64, 32768/s.Batch), 256)
	if s.Size > 64 {
		steps = max(8, 4096/s.Batch)
	}
	n := s.Batch * steps
	source := rand.NewChaCha8([32]byte{1})
	random := rand.New(source)
	m := &dataset.Images{Name: "noise", Classes: make([]string, classes), Height: s.Size, Width: s.Size,
		Pixels: make([]byte, n*s.Size*s.Size*3), Labels: make([]int32, n)}
	for i := range m.Classes {
		m.Classes[i] = strconv.Itoa(i)
	}
	_, _ = source.Read(m.Pixels) // it has no errors
	for i := range m.Labels {
		m.Labels[i] = random.Int32N(classes)
	}
	return m
}

// onDevice has a run go as it goes fastest on a GPU: the images on the device, the losses
// there for a while, and no checkpoint but at the end of an epoch.
func onDevice(o run.Options) run.Options {
	o.Input, o.ReadEvery, o.Keep, o.CheckpointEvery = run.InputDevice, run.MaxReadEvery, 1, 24*time.Hour
	return o
}

// conductor lets a run take steps when it is told to, and holds it where it is otherwise. It
// does so where lines of metrics are due: then all steps before are done.
type conductor struct {
	commands *bufio.Scanner
	out      *json.Encoder
	stop     context.CancelFunc
	watch    *stopwatch // nil without a profile
	warmUps  int
	began    time.Time

	first   float64   // seconds to the end of the first step
	step    int       // that of the last line
	at      time.Time // when it was written
	pause   bool      // the time since then is not training's
	seconds float64   // of the window; 0 before the first
	now     record    // what was measured of it
	err     error
}

// Step is called after every step, once its loss is read.
func (c *conductor) Step(run.Metrics) {
	if c.first == 0 {
		c.first = time.Since(c.began).Seconds()
	}
}

// Line is called every logEvery steps, when those are done.
func (c *conductor) Line(m run.Metrics) {
	now := time.Now()
	switch {
	case c.err != nil || m.Step <= c.warmUps:
	case c.seconds == 0:
		c.say(record{Event: readyEvent, FirstStep: c.first})
		c.await()
	case c.pause:
		// What the watch saw has the end of an epoch in it.
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
		c.err = fmt.Errorf("read the length of a window: %q is no number of seconds above 0", c.commands.Text())
		c.stop()
		return
	}
	c.seconds = seconds
	c.watch.reset()
}

func (c *conductor) say(r record) {
	if err := c.out.Encode(r); err != nil {
		c.err = fmt.Errorf("print what was measured: %w", err)
		c.stop()
	}
}

// Epoch is called at the end of an epoch, before a checkpoint is written.
func (c *conductor) Epoch(run.Metrics) { c.pause = true }

// Evaluating and Note have nothing to add.
func (c *conductor) Evaluating(_, _ int) {}
func (c *conductor) Note(string)         {}

// describe prints what the backend is, as facts.
func describe(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("backend", flag.ContinueOnError)
	name := flags.String("backend", backend.Auto, "what to compute with")
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
