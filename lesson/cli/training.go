package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

// images opens --data for a new run and has the recipe say what makes the same images again.
// t is what is to be made of pictures where --size does not say; zero leaves it to the source.
func (f *runFlags) images(cmd *cobra.Command, t picture.Transform, r *recipe.Recipe) (*datasource.Set, error) {
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
	case set.Training.Height == t.Height && set.Training.Width == t.Width:
		r.Transform = &t
	case sized:
		t.Resize = f.size // there is nothing around these images to be cut away
		r.Transform = &t
		if err := set.Resize(cmd.Context(), t); err != nil {
			return nil, memoryAdvice(cmd, err, "a smaller --subset")
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
	if r.Transform != nil {
		if err := set.Resize(cmd.Context(), t); err != nil {
			return err
		}
	}
	return f.follow(cmd, r, set, run.Options{Backend: engine})
}

// follow trains the set's images by the recipe, or goes on with it, and says what came of it.
func (f *runFlags) follow(cmd *cobra.Command, r recipe.Recipe, set *datasource.Set, o run.Options) error {
	ctx, w := cmd.Context(), f.talk(cmd)
	dir := f.run
	if dir == "" {
		dir = freeRun(r.Model.Name + "-" + r.Name)
	}
	fmt.Fprintf(w, "Model: %s. Recipe: %s, %d epochs, batch %d. Backend: %s. Run: %s\n",
		r.Model.Name, r.Name, r.Epochs, r.BatchSize, backend.Describe(o.Backend), dir)

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

// runFigures draws a finished run's figures into its folder.
func runFigures(dir string, set *datasource.Set, result *infer.Result) ([]string, error) {
	history, err := plots.Read(dir)
	if err != nil {
		return nil, err
	}
	caption := set.Caption()
	name := func(what string) string { return history.Name + ": " + what }
	return plots.Save(filepath.Join(dir, "figures"),
		plots.Drawing{Name: "loss", Draw: func() (*figure.Figure, error) { return plots.Loss(name("loss"), caption, history) }},
		plots.Drawing{Name: "accuracy", Draw: func() (*figure.Figure, error) { return plots.Accuracy(name("accuracy"), caption, history) }},
		plots.Drawing{Name: "schedule", Draw: func() (*figure.Figure, error) { return plots.Schedule(name("learning rate"), history) }},
		confusion(history.Name, set, result),
		plots.Drawing{Name: "guesses", Draw: func() (*figure.Figure, error) {
			return plots.Guesses(name("the first test images"), caption, set.Test, result, 40)
		}},
	)
}

// confusion is the confusion matrix of a network on the set's test images.
func confusion(network string, set *datasource.Set, result *infer.Result) plots.Drawing {
	return plots.Drawing{Name: "confusion", Draw: func() (*figure.Figure, error) {
		return plots.Confusion(network+": confusion matrix", set.Caption(), result)
	}}
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
