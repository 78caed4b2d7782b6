package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
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
			set.StringVar(&f.data, name, datasource.Auto, "images: auto, cifar10, cifar100, builtin, or a folder: pictures with a sub-folder per class, or CIFAR's binary layout")
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
		r.BatchSize = f.batch
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
func (f *flags) open(ctx context.Context, cmd *cobra.Command, spec, subset string) (*datasource.Set, error) {
	return f.openSized(ctx, cmd, spec, subset, picture.Transform{})
}

// openSized is open for pictures of a folder as the transform makes them. Other images have
// a size already, and keep it.
func (f *flags) openSized(ctx context.Context, cmd *cobra.Command, spec, subset string, t picture.Transform) (*datasource.Set, error) {
	w := f.talk(cmd)
	set, err := datasource.Open(ctx, spec, datasource.Options{Subset: subset, Transform: t, Progress: download(w), Decoded: decoded(w)})
	if err != nil {
		return nil, memoryAdvice(cmd, err, "a folder with fewer images")
	}
	if set.Notice != "" {
		rule := strings.Repeat("*", 78)
		fmt.Fprintf(w, "%s\n%s\n%s\n", rule, set.Notice, rule)
	}
	fmt.Fprintf(w, "Data: %s; %d training and %d test images\n", set.Training.Name, set.Training.Len(), set.Test.Len())
	return set, nil
}

// memoryAdvice adds to an error about images that need too much memory what to choose
// instead: a smaller --size, if the command has that flag, or the alternative. Other errors
// are returned as they are.
func memoryAdvice(cmd *cobra.Command, err error, alternative string) error {
	if _, ok := errors.AsType[*dataset.MemoryError](err); !ok {
		return err
	}
	if cmd.Flags().Lookup("size") != nil {
		alternative = "a smaller --size or " + alternative
	}
	return fmt.Errorf("%w; choose %s", err, alternative)
}

// runFlags are the flags of the commands that train a run: train and finetune.
type runFlags struct {
	flags
	resume     bool
	logEvery   int
	size       int
	precision  string
	devices    int
	localNorms bool
	input      string
}

// largestSize bounds --size; the images are in memory, all of them.
const largestSize = 1024

func (f *runFlags) addOwn(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on with the run in --run, by its own recipe")
	cmd.Flags().IntVar(&f.size, "size", 0, "height and width of the images in pixels (default: 32, or what pretrained weights expect; CIFAR and builtin keep theirs)")
	cmd.Flags().IntVar(&f.logEvery, "log-every", 100, "steps between log lines, and lines of metrics")
	cmd.Flags().StringVar(&f.precision, "precision", recipe.Float32, "what the network computes in: float32, or bfloat16 with float32 weights, statistics and loss")
	cmd.Flags().IntVar(&f.devices, "devices", 1, "devices that share the work on every batch; the weights are those of one, but for rounding")
	cmd.Flags().BoolVar(&f.localNorms, "local-norms", false, "with --devices, batch norms go by each device's own share of the batch, and the weights are others")
	cmd.Flags().StringVar(&f.input, "input", string(run.InputAuto), "where images lie and batches are made: host, device, or auto, which is device for XLA")
}

// applyOwn changes r where a flag was given.
func (f *runFlags) applyOwn(cmd *cobra.Command, r *recipe.Recipe) {
	given := cmd.Flags().Changed
	if given("precision") {
		r.Precision = f.precision
	}
	if given("devices") {
		r.Devices = f.devices
	}
	if given("local-norms") {
		r.LocalNorms = f.localNorms
	}
}

// check is what can be said against a run before its data is there.
func (f *runFlags) check(cmd *cobra.Command) error {
	if f.logEvery < 1 {
		return fmt.Errorf("--log-every %d, want at least 1", f.logEvery)
	}
	if err := run.Input(f.input).Validate(); err != nil {
		return fmt.Errorf("--input: %w", err)
	}
	if f.localNorms && f.devices == 1 && !f.resume {
		return errors.New("--local-norms is for several devices; give --devices too")
	}
	if f.devices < 1 {
		return fmt.Errorf("--devices %d, want at least 1", f.devices)
	}
	if cmd.Flags().Changed("size") && (f.size < 1 || f.size > largestSize) {
		return fmt.Errorf("--size %d, want 1 to %d pixels", f.size, largestSize)
	}
	if !f.resume && f.run != "" && run.Exists(f.run) {
		return fmt.Errorf("%s holds a run already; add --resume to go on with it, or give another folder", f.run)
	}
	return nil
}

// onlyWith is an error if a flag was given that does not go with the named one.
func onlyWith(cmd *cobra.Command, name string, allowed ...string) error {
	ok := map[string]bool{name: true}
	for _, flag := range allowed {
		ok[flag] = true
	}
	var wrong error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if !ok[flag.Name] && wrong == nil {
			wrong = fmt.Errorf("--%s does not go with --%s: a run goes on as it began", flag.Name, name)
		}
	})
	return wrong
}
