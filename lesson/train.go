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
				err = r.Validate()
			}
			if err == nil {
				err = f.check()
			}
			if err != nil {
				return err
			}
			engine, err := backend.New(f.backend)
			if err != nil {
				return err
			}
			set, err := f.open(cmd.Context(), cmd, f.data, f.subset)
			if err != nil {
				return err
			}
			r.Data, r.Subset, r.Model.Classes = set.Spec, f.subset, len(set.Training.Classes)
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
	resume   bool
	logEvery int
}

func (f *runFlags) addOwn(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on with the run in --run, by its own recipe")
	cmd.Flags().IntVar(&f.logEvery, "log-every", 100, "steps between log lines, and lines of metrics")
}

// check is what can be said against a run before its data is there.
func (f *runFlags) check() error {
	if f.logEvery < 1 {
		return fmt.Errorf("--log-every %d, want at least 1", f.logEvery)
	}
	if !f.resume && f.run != "" && run.Exists(f.run) {
		return fmt.Errorf("%s holds a run already; add --resume to go on with it, or give another folder", f.run)
	}
	return nil
}

// goOn is a command that trains, with --resume.
func (f *runFlags) goOn(cmd *cobra.Command) error {
	if err := onlyWith(cmd, "resume", "run", "backend", "json", "log-every"); err != nil {
		return err
	}
	if f.run == "" {
		return errors.New("--resume needs the folder of the run: --run DIR")
	}
	r, err := run.ReadRecipe(f.run)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	engine, err := backend.New(f.backend)
	if err != nil {
		return err
	}
	set, err := f.open(cmd.Context(), cmd, r.Data, r.Subset)
	if err != nil {
		return err
	}
	if t := r.Transform; t != nil && (set.Training.Height != t.Height || set.Training.Width != t.Width) {
		if err := scaleSet(cmd.Context(), set, *t); err != nil {
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
		r.Model.Name, r.Name, r.Epochs, r.Batch, o.Backend.Description(), dir)

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
