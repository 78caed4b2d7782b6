package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/residual-go/residual/lesson/source"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// flags are the flags that several subcommands have; each has the same name and meaning in
// all of them.
type flags struct {
	model, recipe, data, subset string
	epochs, batch               int
	lr                          float64
	seed                        uint64
	backend                     string
	weights, run                string
	json                        bool
}

// add gives cmd the flags of the given names.
func (f *flags) add(cmd *cobra.Command, names ...string) {
	set := cmd.Flags()
	for _, name := range names {
		switch name {
		case "model":
			set.StringVar(&f.model, name, "", "architecture, such as resnet20; summary without it lists them")
		case "recipe":
			set.StringVar(&f.recipe, name, "fast", "how to train: "+strings.Join(recipe.Names(), ", "))
		case "data":
			set.StringVar(&f.data, name, source.Auto, "images: auto, cifar10, cifar100, builtin, or a folder: pictures with a sub-folder per class, or CIFAR's binary layout")
		case "subset":
			set.StringVar(&f.subset, name, "", "part of the images: 500 for the first 500, 50/class for 50 of each class, 500,100 for 500 to train on and 100 to test on")
		case "epochs":
			set.IntVar(&f.epochs, name, 0, "times to go over the training images (default: the recipe's)")
		case "batch":
			set.IntVar(&f.batch, name, 0, "images per step (default: the recipe's)")
		case "lr":
			set.Float64Var(&f.lr, name, 0, "peak learning rate (default: the recipe's)")
		case "seed":
			set.Uint64Var(&f.seed, name, 0, "seed of weights, order and augmentation (default: the recipe's)")
		case "backend":
			set.StringVar(&f.backend, name, backend.Auto, "what to compute with: auto, cpu, go, xla, xla:cpu, xla:cuda or xla:PATH of a plugin, each with options, as in xla:cuda,visible_devices=1")
		case "weights":
			set.StringVar(&f.weights, name, "", "weights: a file, a URL, the folder of a run, or a name such as resnet50; see go run ./lesson weights")
		case "run":
			set.StringVar(&f.run, name, "", "folder of the run")
		case "json":
			set.BoolVar(&f.json, name, false, "print JSON and nothing else; words for people go to standard error")
		default:
			panic("no shared flag " + name)
		}
	}
}

// apply changes r where a flag was given.
func (f *flags) apply(cmd *cobra.Command, r *recipe.Recipe) error {
	given := cmd.Flags().Changed
	if f.model != "" {
		config, err := resnet.ByName(f.model)
		if err != nil {
			return err
		}
		r.Model = config
	}
	if given("epochs") {
		r.Epochs = f.epochs
	}
	if given("batch") {
		r.Batch = f.batch
	}
	if given("lr") {
		r.LearningRate = f.lr
	}
	if given("seed") {
		r.Seed = f.seed
	}
	return nil
}

// talk is where a command's words for people go: standard output, or standard error if
// standard output is for JSON.
func (f *flags) talk(cmd *cobra.Command) io.Writer {
	if f.json {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// open returns the images, after saying what has to be said about them. Pictures of a folder
// have 32×32 pixels.
func (f *flags) open(ctx context.Context, cmd *cobra.Command, spec, subset string) (*source.Set, error) {
	return f.openSized(ctx, cmd, spec, subset, picture.Transform{})
}

// openSized is open for pictures of a folder as the transform makes them. Other images have
// a size already, and keep it.
func (f *flags) openSized(ctx context.Context, cmd *cobra.Command, spec, subset string, t picture.Transform) (*source.Set, error) {
	w := f.talk(cmd)
	set, err := source.Open(ctx, spec, source.Options{Subset: subset, Transform: t, Progress: download(w), Decoded: decoded(w)})
	if err != nil {
		return nil, err
	}
	if set.Notice != "" {
		rule := strings.Repeat("*", 78)
		fmt.Fprintf(w, "%s\n%s\n%s\n", rule, set.Notice, rule)
	}
	fmt.Fprintf(w, "Data: %s; %d training and %d test images\n", set.Training.Name, set.Training.Len(), set.Test.Len())
	return set, nil
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// reporter draws a bar on a terminal and writes lines elsewhere.
func reporter(w io.Writer, name string) run.Reporter {
	if isTerminal(w) {
		return run.NewBar(w, name)
	}
	return run.NewLog(w)
}

// download returns a function that shows how much of a download is there: a bar on a
// terminal, a line every 10% elsewhere.
func download(w io.Writer) func(done, total int64) {
	var bar *progressbar.ProgressBar
	said := int64(-1)
	return func(done, total int64) {
		if isTerminal(w) {
			if bar == nil {
				bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
					progressbar.OptionSetDescription("downloading"), progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish())
			}
			_ = bar.Set64(done) // a terminal's error is no reason to stop
			return
		}
		if total > 0 && done*10/total > said {
			said = done * 10 / total
			fmt.Fprintf(w, "downloaded %d%% of %d MB\n", 10*said, total/1_000_000)
		}
	}
}

// decoded returns a function that shows how many pictures are decoded: a bar on a terminal,
// a line every thousand elsewhere.
func decoded(w io.Writer) func(done, total int) {
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		if isTerminal(w) {
			if bar == nil {
				bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("decoding"),
					progressbar.OptionShowCount(), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
					progressbar.OptionClearOnFinish())
			}
			_ = bar.Set(done) // a terminal's error is no reason to stop
			return
		}
		if done%1000 == 0 {
			fmt.Fprintf(w, "decoded %d of %d pictures\n", done, total)
		}
	}
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// ending says what was written and what to try next.
func ending(w io.Writer, wrote []string, next ...string) {
	if len(wrote) > 0 {
		fmt.Fprintln(w, "\nWrote:")
		for _, path := range wrote {
			fmt.Fprintln(w, "  "+printable(path))
		}
	}
	fmt.Fprintln(w, "\nTry next:")
	for _, command := range next {
		fmt.Fprintln(w, "  "+command)
	}
}

// freeRun returns the first of runs/name-1, runs/name-2, … that is not there yet.
func freeRun(name string) string {
	for i := 1; ; i++ {
		dir := filepath.Join("runs", fmt.Sprintf("%s-%d", name, i))
		if _, err := os.Stat(dir); err != nil {
			return dir // an error other than its absence is the run's to report
		}
	}
}

// quoted is a path as a shell takes it for one word.
func quoted(path string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:@%=", r)
	}
	if path != "" && !strings.ContainsFunc(path, func(r rune) bool { return !plain(r) }) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
