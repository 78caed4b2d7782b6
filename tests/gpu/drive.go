package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/tests/internal/measure"
)

// driver runs the parts one after the other and keeps their results.
type driver struct {
	plan
	results *results
	memory  *sampler
	log     io.Writer
	out     string // folder of the results

	home     string // folder of the peers
	python   string
	device   string // "cuda", or "cpu" to try out the program
	backend  string
	data     string // folder with CIFAR-10's record files, or ""
	weights  string // file with ImageNet weights, or "" for the packed ones
	together int    // the number of runs to record at the same time
	retrying bool   // repeat measurements that failed
}

// drive measures the named parts, or all, and prints the tables.
func drive(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "run.sh [flags] [part ...]\n\nParts, in the order in which they run: %s. Without a name, all run.\n\n", strings.Join(partNames(), ", "))
		flags.PrintDefaults()
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	d := &driver{plan: fullPlan(), log: stderr}
	flags.StringVar(&d.out, "out", "results", "folder for results; existing results are resumed")
	quick := flags.Bool("quick", false, "tiny networks and short times, to check that everything runs; the numbers mean nothing")
	minutes := flags.Float64("minutes", 0, "stop after this many minutes; the same command resumes (0: run to the end)")
	flags.StringVar(&d.device, "device", "cuda", "what the peers compute on: cuda, or cpu to try this program out")
	flags.StringVar(&d.backend, "backend", "", "our backend (default: XLA with JAX's plugin, or cpu with -device cpu)")
	flags.StringVar(&d.python, "python", "python3", "a Python with PyTorch and JAX")
	flags.StringVar(&d.data, "data", "", "folder with CIFAR-10's record files (default: the packed images)")
	flags.StringVar(&d.home, "home", filepath.Dir(self), "folder with the peers")
	flags.StringVar(&d.weights, "imagenet", "", "file with ResNet-50's ImageNet weights, for the part record (default: the packed weights)")
	flags.IntVar(&d.together, "together", 4, "how many runs the part record trains at the same time")
	flags.BoolVar(&d.retrying, "retry", false, "repeat measurements that failed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	parts := flags.Args()
	if err := known(parts); err != nil {
		return err
	}
	if d.together < 1 {
		return fmt.Errorf("-together %d, want at least 1", d.together)
	}
	if d.device != "cuda" && d.device != "cpu" {
		return fmt.Errorf("unknown device %q; want cuda or cpu", d.device)
	}
	if *quick {
		d.plan = quickPlan()
	}
	if d.weights != "" {
		d.imageNet = filepath.Base(d.weights)
	}
	if *minutes > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*minutes*float64(time.Minute)))
		defer cancel()
	}
	if d.results, err = openResults(d.out); err != nil {
		return err
	}
	defer d.results.file.Close()
	if _, rehearsal := d.fact("quick"); rehearsal != *quick && len(d.results.all) > 0 {
		return fmt.Errorf("%s has results measured %s -quick; use another folder with -out", d.out, map[bool]string{true: "with", false: "without"}[rehearsal])
	}
	if *quick {
		if err := d.noteOnce("quick", "these numbers mean nothing"); err != nil {
			return err
		}
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	d.memory = startSampler(watching)

	err = d.run(ctx, parts)
	if err != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	text, tableErr := markdown(d.results.all)
	if tableErr != nil {
		return tableErr
	}
	if writeErr := os.WriteFile(filepath.Join(d.out, "tables.md"), []byte(text), 0o644); writeErr != nil {
		return fmt.Errorf("write the tables: %w", writeErr)
	}
	fmt.Fprint(stdout, text)
	if err != nil {
		fmt.Fprintln(stderr, "the time is up; run the same command again to resume")
	}
	return nil
}

func (d *driver) run(ctx context.Context, parts []string) error {
	if err := d.machine(ctx); err != nil {
		return err
	}
	for _, part := range partNames() {
		if len(parts) > 0 && !slices.Contains(parts, part) {
			continue
		}
		for _, c := range d.contests(part) {
			if err := d.contest(ctx, c); err != nil {
				return err
			}
		}
		for _, t := range d.trainings(part) {
			if err := d.train(ctx, t, part); err != nil {
				return err
			}
		}
		if part == testsPart {
			if err := d.test(ctx); err != nil {
				return err
			}
		}
		if part == recordPart {
			if err := d.record(ctx); err != nil {
				return err
			}
		}
		if part == profilePart {
			if err := d.profile(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// machine records the machine's hardware and software, unless that is done, and checks that the card is
// the same as before.
func (d *driver) machine(ctx context.Context) error {
	const query = "name,driver_version,memory.total,clocks.max.sm,power.limit"
	found := ""
	if output, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu="+query, "--format=csv,noheader", "-i", card()).Output(); err == nil {
		found = strings.TrimSpace(string(output))
	}
	if found == "" && d.device == "cuda" {
		return errors.New("nvidia-smi shows no GPU; use -device cpu to try this program out without one")
	}
	if before, known := d.fact("card"); known {
		if before != found {
			return fmt.Errorf("%s has results of a different card, %q; this is %q; use another folder with -out", d.out, before, found)
		}
		if _, known := d.fact("jax_plugins"); known && d.backend == "" && d.plugin() == installedPlugin {
			// The results are from another machine, whose Python is in another folder.
			if err := d.findOut(ctx); err != nil {
				return err
			}
		}
	} else {
		if err := d.findOut(ctx); err != nil {
			return err
		}
		// The last fact: it marks this part as complete.
		if err := d.note("card", found); err != nil {
			return err
		}
	}
	if d.backend == "" {
		d.backend = d.plugin()
	}
	if before, known := d.fact("backend"); !known || strings.HasPrefix(before, noBackend) {
		if err := d.tellBackend(ctx); err != nil {
			return err
		}
	}
	return nil
}

// findOut records the processor, the versions of Python packages and the rate of the card.
func (d *driver) findOut(ctx context.Context) error {
	if err := d.note("processor", processor()); err != nil {
		return err
	}
	if output, err := exec.CommandContext(ctx, "nvidia-smi").Output(); err == nil {
		for line := range strings.Lines(string(output)) {
			if strings.Contains(line, "CUDA Version") {
				if err := d.note("nvidia-smi", strings.Join(strings.Fields(strings.Trim(line, "| \n")), " ")); err != nil {
					return err
				}
			}
		}
	}
	p, err := startPeer(ctx, "machine.py", []string{d.python, filepath.Join(d.home, "machine.py"), "--device", d.device}, d.environment())
	if err != nil {
		return fmt.Errorf("no Python to compare with; name one with -python: %w", err)
	}
	return d.keep(p, machinePart)
}

// noBackend begins the value of the fact "backend" if ours does not start.
const noBackend = "none: "

// tellBackend records our backend, or its error: the peers can be measured without it.
func (d *driver) tellBackend(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	p, err := startPeer(ctx, "the backend", []string{self, "backend", "-backend", d.backend}, d.environment())
	if err != nil {
		return err
	}
	if err := d.keep(p, machinePart); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintln(d.log, printable.Line(err.Error()))
		return d.note("backend", noBackend+printable.Line(err.Error()))
	}
	return nil
}

// keep adds all records that p prints to the results.
func (d *driver) keep(p *peer, part string) error {
	defer p.close()
	for {
		r, err := p.next(startLimit)
		if err == errEnded {
			return nil
		}
		if err != nil {
			return err
		}
		r.Part = part
		if err := d.results.add(r); err != nil {
			return err
		}
		if r.Event == rateEvent {
			r.Name, r.Value = "matrix product", fmt.Sprintf("%.4g TFLOP/s", r.TFLOPS)
		}
		fmt.Fprintf(d.log, "%s: %s %s\n", part, r.Name, r.Value)
	}
}

func (d *driver) note(name, value string) error {
	fmt.Fprintf(d.log, "%s: %s %s\n", machinePart, name, value)
	return d.results.add(record{Part: machinePart, Event: factEvent, Name: name, Value: value})
}

// fact returns the value of the named fact.
func (d *driver) fact(name string) (value string, known bool) {
	return factOf(d.results.all, name)
}

// installedPlugin is our backend if Python has no plugin of JAX's.
const installedPlugin = "xla:cuda"

// plugin returns the default backend.
func (d *driver) plugin() string {
	if d.device == "cpu" {
		return "cpu"
	}
	if folder, known := d.fact("jax_plugins"); known {
		if found, err := filepath.Glob(filepath.Join(folder, "xla_cuda*")); err == nil && len(found) > 0 {
			return "xla:" + found[len(found)-1]
		}
	}
	return installedPlugin
}

// environment returns variables for the environment of every process. Ours loads no programs that an
// earlier process compiled: the time to the first step includes compiling, as JAX's does. (See also
// withEmptyCache.)
func (d *driver) environment() []string {
	variables := []string{"RESIDUAL_XLA_CACHE=off"}
	if d.device == "cpu" {
		return append(variables, "JAX_PLATFORMS=cpu")
	}
	return append(variables, "CUDA_VISIBLE_DEVICES="+card())
}

// lacking returns why a peer cannot be measured here, or "" if it can.
func (d *driver) lacking(peer string) string {
	version, _ := d.fact("torch")
	switch peer {
	case ours:
		if value, _ := d.fact("backend"); strings.HasPrefix(value, noBackend) {
			return "the backend does not start: " + strings.TrimPrefix(value, noBackend)
		}
	case jax:
		if value, _ := d.fact("jax"); value == "" {
			return "this Python has no JAX"
		}
	case torchRecipe:
		if _, err := os.Stat(filepath.Join(d.home, peerProgram)); err != nil {
			return "there is no " + peerProgram + "; pack with -peer"
		}
		fallthrough
	case eager:
		if version == "" {
			return "this Python has no PyTorch"
		}
	default:
		if value, _ := d.fact("torch.compile"); value == "" {
			return "this Python has no PyTorch with torch.compile"
		}
		if d.device == "cpu" {
			return "torch.compile is only measured on a GPU"
		}
	}
	return ""
}

// processor returns the name of the CPU and its number of threads.
func processor() string {
	return fmt.Sprintf("%s, %d threads", cmp.Or(measure.Processor(), "unknown"), runtime.NumCPU())
}
