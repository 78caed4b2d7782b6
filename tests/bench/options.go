package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
)

// options are the values of the flags.
type options struct {
	networks, modes, backends []string

	batch, threads, rounds, steps int
	seconds                       float64

	peers      peers
	peersGiven bool // -torch was given, so PyTorch must be there
	noTorch    bool

	quick, noScaling, noFigure bool
	figures, jsonPath, from    string
	language                   words.Language // of the figure

	networkList, modeList, backendList string // as given, with commas
	languageName                       string // as given
}

// stock is GoMLX's Go backend.
const stock = "go"

// defaultPython is where Debian's python3-torch is.
const defaultPython = "/usr/bin/python3"

// flags declares the flags with their defaults; parsing sets the fields of o.
func flags(o *options) *flag.FlagSet {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(io.Discard) // errors are printed once, by main
	set.StringVar(&o.networkList, "networks", "resnet20,resnet56,resnet18-cifar,resnet18,resnet50", "networks to compare, of "+strings.Join(networkNames(), ", "))
	set.StringVar(&o.modeList, "modes", trainMode+","+evalMode, "train for training steps, eval for inference")
	set.StringVar(&o.backendList, "backends", "cpu,"+stock, "GoMLX backends; the first is compared with the others and PyTorch, and measured by depth, batch size and cores; cpu:profile also shows where the time goes")
	set.IntVar(&o.batch, "batch", 64, "images per step")
	set.IntVar(&o.threads, "threads", min(2, runtime.NumCPU()), "number of threads: GOMAXPROCS, and PyTorch's")
	set.IntVar(&o.rounds, "rounds", 3, "number of times that each process runs; medians are reported")
	set.IntVar(&o.steps, "steps", 5, "minimum number of steps that a process times")
	set.Float64Var(&o.seconds, "seconds", 2, "minimum time for which a process takes steps")
	set.Var(&o.peers, "torch", "`PYTHON` with a PyTorch to compare with (default "+defaultPython+", if it has one); after it ,"+channelsLast+
		" for images in NHWC layout, ,"+compile+" for torch.compile, which needs PyTorch 2 and a C++ compiler, and ,"+avx2+
		" to keep it from using AVX-512; can be repeated")
	set.BoolVar(&o.noTorch, "no-torch", false, "no PyTorch")
	set.BoolVar(&o.quick, "quick", false, "a first look: only resnet20 and the first backend, one round, no tables by depth, batch size and cores, no figure; other flags override this")
	set.BoolVar(&o.noScaling, "no-scaling", false, "no tables by depth, batch size and cores")
	set.BoolVar(&o.noFigure, "no-figure", false, "no figure")
	set.StringVar(&o.figures, "figures", "figures", "folder for cpu-speed.svg and cpu-speed.png")
	set.StringVar(&o.jsonPath, "json", "", "file for all measurements, as JSON")
	set.StringVar(&o.from, "from", "", "measure nothing, and draw the figure from this file of -json")
	set.StringVar(&o.languageName, "lang", string(words.English), "language of the figure, en or zh")
	return set
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "Measure speed and memory against PyTorch and GoMLX's own Go backend.\n\n  go run ./tests/bench [flags]\n\nFlags:")
	set := flags(new(options))
	set.SetOutput(w)
	set.PrintDefaults()
}

// parse returns the options that args set.
func parse(args []string) (options, error) {
	var o options
	set := flags(&o)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, fmt.Errorf("%w; see go run ./tests/bench -help", err)
	}
	if set.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see go run ./tests/bench -help", set.Arg(0))
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch o.peersGiven = given["torch"]; {
	case o.peersGiven && o.noTorch:
		return o, errors.New("-torch and -no-torch exclude each other")
	case !o.peersGiven && !o.noTorch:
		o.peers = peers{{Name: torch + ":" + defaultPython, Python: defaultPython}}
	}
	if o.quick {
		o.shorten(given)
	}
	return o, o.resolve()
}

// shorten applies the defaults of -quick to flags that were not given.
func (o *options) shorten(given map[string]bool) {
	if !given["networks"] {
		o.networkList = "resnet20"
	}
	if !given["backends"] {
		o.backendList = "cpu"
	}
	if !given["rounds"] {
		o.rounds = 1
	}
	if !given["no-scaling"] {
		o.noScaling = true
	}
	if !given["no-figure"] {
		o.noFigure = true
	}
}

// resolve splits the lists and checks everything, so that no mistake shows up only after minutes of
// measuring.
func (o *options) resolve() error {
	var err error
	if o.networks, err = list("networks", o.networkList, networkNames()); err != nil {
		return err
	}
	if o.modes, err = list("modes", o.modeList, []string{trainMode, evalMode}); err != nil {
		return err
	}
	if o.backends, err = list("backends", o.backendList, nil); err != nil {
		return err
	}
	if o.language, err = words.Parse(o.languageName); err != nil {
		return fmt.Errorf("-lang: %w", err)
	}
	for _, name := range o.backends {
		if names := backend.Names(); !slices.Contains(names, base(name)) {
			return fmt.Errorf("-backends: unknown backend %q; the backends are %s", name, strings.Join(names, ", "))
		}
	}
	switch {
	case o.batch < 2:
		return fmt.Errorf("-batch %d, want at least 2 (batch norm needs more than one image)", o.batch)
	case o.threads < 1:
		return fmt.Errorf("-threads %d, want at least 1", o.threads)
	case o.rounds < 1:
		return fmt.Errorf("-rounds %d, want at least 1", o.rounds)
	case o.steps < 1:
		return fmt.Errorf("-steps %d, want at least 1", o.steps)
	case !(o.seconds >= 0 && o.seconds <= 3600):
		return fmt.Errorf("-seconds %g, want 0 to 3600", o.seconds)
	}
	if !o.noFigure {
		if err := folder(o.figures); err != nil {
			return fmt.Errorf("-figures: %w", err)
		}
	}
	if o.jsonPath != "" {
		if err := folder(filepath.Dir(o.jsonPath)); err != nil {
			return fmt.Errorf("-json: %w", err)
		}
	}
	return nil
}

// list splits a flag's comma-separated value. The names must be among known, unless known is nil.
func list(flag, value string, known []string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
			return nil, fmt.Errorf("-%s %q: empty name", flag, value)
		case known != nil && !slices.Contains(known, name):
			return nil, fmt.Errorf("-%s: unknown name %q, want %s", flag, name, strings.Join(known, ", "))
		case slices.Contains(names, name):
			return nil, fmt.Errorf("-%s: %s is given twice", flag, name)
		}
		names = append(names, name)
	}
	return names, nil
}

// base returns a backend's name without its options.
func base(name string) string {
	name, _, _ = strings.Cut(name, ":")
	return name
}

func folder(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", path)
	}
	return nil
}
