package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/lesson/plots"
	"github.com/residual-go/residual/lesson/source"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

func trainCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a network by a recipe",
		Long: `Train a network by a recipe.

The run's folder gets the recipe, a line of metrics every 100 steps and every epoch,
the last checkpoints and, at the end, figures. Ctrl-C saves and says how to go on;
so does whatever else ends a run early, up to the last checkpoint.`,
		Example: `  go run ./lesson train --model resnet20 --recipe fast
  go run ./lesson train --data builtin --subset 100/class --epochs 2
  go run ./lesson train --run runs/resnet20-fast-1 --resume`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.resume {
				return f.goOn(cmd)
			}
			r, err := recipe.ByName(f.recipe)
			if err == nil {
				err = f.apply(cmd, &r)
			}
			if err == nil {
				f.applyOwn(cmd, &r)
			}
			if err == nil {
				err = r.Validate()
			}
			if err == nil {
				err = f.check(cmd)
			}
			if err != nil {
				return err
			}
			engine, err := backend.New(f.backend)
			if err != nil {
				return err
			}
			set, err := f.images(cmd, picture.Transform{}, &r)
			if err != nil {
				return err
			}
			r.Model.Classes = len(set.Training.Classes)
			return f.follow(cmd, r, set, run.Options{Backend: engine})
		},
	}
	f.add(cmd, "model", "recipe", "data", "subset", "epochs", "batch", "lr", "seed", "backend", "run", "json")
	f.addOwn(cmd)
	return cmd
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

// images opens --data for a new run and has the recipe say what makes the same images again.
// t is what is to be made of pictures where --size does not say; zero leaves it to the source.
func (f *runFlags) images(cmd *cobra.Command, t picture.Transform, r *recipe.Recipe) (*source.Set, error) {
	sized := cmd.Flags().Changed("size")
	if sized {
		resize := f.size
		if side := min(t.Height, t.Width); side > 0 { // as much around the middle as there was
			resize = (t.Resize*f.size + side/2) / side
		}
		t = picture.Transform{Resize: resize, Height: f.size, Width: f.size, Filter: t.Filter}
	}
	set, err := f.openSized(cmd.Context(), cmd, f.data, f.subset, t)
	if err != nil {
		return nil, err
	}
	switch {
	case fits(set.Training, t):
		r.Transform = &t
	case sized:
		t.Resize = f.size // there is nothing around these images to be cut away
		r.Transform = &t
		if err := scaleSet(cmd.Context(), set, t); err != nil {
			return nil, err
		}
	}
	r.Data, r.Subset = set.Spec, f.subset
	// The recipes' crop is for CIFAR's 32 pixels.
	r.Augment.Crop = r.Augment.Crop * min(set.Training.Height, set.Training.Width) / 32
	return set, nil
}

// goOn is a command that trains, with --resume.
func (f *runFlags) goOn(cmd *cobra.Command) error {
	if err := onlyWith(cmd, "resume", "run", "backend", "json", "log-every", "input"); err != nil {
		return err
	}
	if f.run == "" {
		return errors.New("--resume needs the folder of the run: --run DIR")
	}
	r, err := run.ReadRecipe(f.run)
	if err != nil {
		return err
	}
	if err := f.check(cmd); err != nil {
		return err
	}
	engine, err := backend.New(f.backend)
	if err != nil {
		return err
	}
	var t picture.Transform
	if r.Transform != nil {
		t = *r.Transform
	}
	set, err := f.openSized(cmd.Context(), cmd, r.Data, r.Subset, t)
	if err != nil {
		return err
	}
	if r.Transform != nil && !fits(set.Training, t) {
		if err := scaleSet(cmd.Context(), set, t); err != nil {
			return err
		}
	}
	return f.follow(cmd, r, set, run.Options{Backend: engine})
}

// follow trains the set's images by the recipe, or goes on with it, and says what came of it.
func (f *runFlags) follow(cmd *cobra.Command, r recipe.Recipe, set *source.Set, o run.Options) error {
	ctx, w := cmd.Context(), f.talk(cmd)
	dir := f.run
	if dir == "" {
		dir = freeRun(r.Model.Name + "-" + r.Name)
	}
	fmt.Fprintf(w, "Model: %s. Recipe: %s, %d epochs, batch %d. Backend: %s. Run: %s\n",
		r.Model.Name, r.Name, r.Epochs, r.Batch, backend.Describe(o.Backend), dir)

	o.Input = run.Input(f.input)
	o.Training, o.Test, o.LogEvery, o.Report = set.Training, set.Test, f.logEvery, reporter(w, r.Model.Name)
	var outcome *run.Outcome
	var err error
	if f.resume {
		outcome, err = run.Resume(ctx, dir, o)
	} else {
		outcome, err = run.Train(ctx, dir, r, o)
	}
	if err != nil {
		return resumable(err, fmt.Sprintf("resume with: go run ./lesson %s --run %s --resume", cmd.Name(), quoted(dir)))
	}
	paths, err := runFigures(dir, set, outcome.Test)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Test Accuracy: %.2f%%\n", 100*outcome.Test.Top1)
	if f.json {
		return printJSON(cmd.OutOrStdout(), struct {
			Run     string `json:"run"`
			Weights string `json:"weights"`
			*infer.Result
		}{dir, outcome.Weights, outcome.Test})
	}
	next := "go run ./lesson plot " + quoted(dir)
	if r.Start != "" { // weights that are to be used, and not the curve of a lesson
		next = "go run ./lesson export --run " + quoted(dir) + " --out " + quoted(r.Model.Name+".safetensors")
	}
	ending(w, append([]string{outcome.Weights}, paths...),
		"go run ./lesson eval --run "+quoted(dir),
		"go run ./lesson predict --run "+quoted(dir)+" IMAGE",
		next)
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

// resumable adds to an interruption's error how to go on.
func resumable(err error, how string) error {
	if errors.Is(err, run.ErrInterrupted) {
		return fmt.Errorf("%w; %s", err, how)
	}
	return err
}

// runFigures draws a finished run's figures into its folder.
func runFigures(dir string, set *source.Set, result *infer.Result) ([]string, error) {
	history, err := plots.Read(dir)
	if err != nil {
		return nil, err
	}
	into := filepath.Join(dir, "figures")
	caption := set.Caption()
	var paths []string
	for _, draw := range []struct {
		name string
		make func() (*figure.Figure, error)
	}{
		{"loss", func() (*figure.Figure, error) { return plots.Loss(history.Name+": loss", caption, history) }},
		{"accuracy", func() (*figure.Figure, error) { return plots.Accuracy(history.Name+": accuracy", caption, history) }},
		{"schedule", func() (*figure.Figure, error) { return plots.Schedule(history.Name+": learning rate", history) }},
		{"confusion", func() (*figure.Figure, error) {
			return plots.Confusion(history.Name+": what is taken for what", caption, result)
		}},
		{"guesses", func() (*figure.Figure, error) {
			return plots.Guesses(history.Name+": the first test images", caption, set.Test, result, 40)
		}},
	} {
		drawn, err := draw.make()
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", draw.name, err)
		}
		written, err := plots.Save(drawn, into, draw.name)
		if err != nil {
			return nil, err
		}
		paths = append(paths, written...)
	}
	return paths, nil
}
