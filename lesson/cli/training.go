package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
)

// trainingFlags are the flags of train and finetune.
type trainingFlags struct {
	flags
	resume     bool
	size       int
	logEvery   int
	precision  string
	devices    int
	localNorms bool
	input      string
}

// maxTrainingSize bounds --size: all images are kept in memory.
const maxTrainingSize = 1024

// add gives cmd the flags of both commands and the shared flags source, which say where the
// network comes from: model, or weights and what goes with it.
func (f *trainingFlags) add(cmd *cobra.Command, source ...string) {
	f.flags.add(cmd, append(source, "recipe", "data", "subset", "validation", "epochs", "batch", "lr", "seed", "backend", "run", "json")...)
	set := cmd.Flags()
	size := "32"
	if set.Lookup("weights") != nil {
		size = "what the weights expect; CIFAR and builtin keep their 32"
	}
	set.Lookup("run").Usage = "folder of the run (default: a new folder in runs)"
	set.BoolVar(&f.resume, "resume", false, "resume the run in --run, with its own recipe and on its own backend")
	set.IntVar(&f.size, "size", 0, "height and width of the images in pixels (default: "+size+")")
	set.IntVar(&f.logEvery, "log-every", 100, "steps between lines of the log and of the metrics")
	set.StringVar(&f.precision, "precision", recipe.Float32, "precision of the network: float32, or bfloat16 with weights, statistics and loss in float32")
	set.IntVar(&f.devices, "devices", 1, "devices that share every batch; the weights match those of one device up to rounding")
	set.BoolVar(&f.localNorms, "local-norms", false, "with --devices, batch norms use only each device's share of the batch, which changes the weights")
	set.StringVar(&f.input, "input", string(run.InputAuto), "where images are kept and batches are made: host, device, or auto (device with XLA, otherwise host)")
}

// apply puts the flags that were given into the recipe.
func (f *trainingFlags) apply(cmd *cobra.Command, r *recipe.Recipe) error {
	if err := f.flags.apply(cmd, r); err != nil {
		return err
	}
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
	return nil
}

// check reports mistakes in the flags that can be found before the data is opened.
func (f *trainingFlags) check(cmd *cobra.Command) error {
	if f.logEvery < 1 {
		return fmt.Errorf("--log-every %d, want at least 1", f.logEvery)
	}
	if err := run.Input(f.input).Validate(); err != nil {
		return fmt.Errorf("--input: %w", err)
	}
	if f.devices < 1 {
		return fmt.Errorf("--devices %d, want at least 1", f.devices)
	}
	if f.localNorms && f.devices == 1 && !f.resume {
		return errors.New("--local-norms needs several devices; add --devices")
	}
	if cmd.Flags().Changed("validation") && f.validation < 1 {
		return fmt.Errorf("--validation %d, want at least 1", f.validation)
	}
	if cmd.Flags().Changed("size") && (f.size < 1 || f.size > maxTrainingSize) {
		return fmt.Errorf("--size %d, want 1 to %d pixels", f.size, maxTrainingSize)
	}
	if !f.resume && f.run != "" && run.Exists(f.run) {
		return fmt.Errorf("%s already holds a run; add --resume to resume it, or choose another folder", f.run)
	}
	return nil
}

// startBackend checks the flags and starts the backend.
func (f *trainingFlags) startBackend(cmd *cobra.Command) (compute.Backend, error) {
	if err := f.check(cmd); err != nil {
		return nil, err
	}
	return newBackend(f.backend)
}

// openNewData opens --data for a new run and records in the recipe how to open the same images
// again. t is the transform of the pretrained weights, zero without any; --size overrides it.
func (f *trainingFlags) openNewData(cmd *cobra.Command, t picture.Transform, r *recipe.Recipe) (*datasource.Set, error) {
	sized := cmd.Flags().Changed("size")
	if sized {
		resize := f.size
		if side := min(t.Height, t.Width); side > 0 { // keep the proportion of the crop
			resize = (t.Resize*f.size + side/2) / side
		}
		t = picture.Transform{Resize: resize, Height: f.size, Width: f.size, Filter: t.Filter}
	}
	set, err := f.openImages(cmd, f.data, f.subset, t)
	if err != nil {
		return nil, err
	}
	switch {
	case set.Training.Height == t.Height && set.Training.Width == t.Width:
		r.Transform = &t
	case sized:
		t.Resize = f.size // CIFAR's images have no margin to crop
		r.Transform = &t
		if err := set.Resize(cmd.Context(), t); err != nil {
			return nil, memoryAdvice(cmd, err, "a smaller --subset")
		}
	}
	r.Data, r.Subset, r.Validation = set.Spec, f.subset, f.validation
	// The recipes' crop and sizes are meant for CIFAR's 32 pixels.
	side := min(set.Training.Height, set.Training.Width)
	r.Augment.Crop = r.Augment.Crop * side / 32
	for i := range r.Sizes {
		r.Sizes[i].Pixels = max(1, r.Sizes[i].Pixels*side/32)
	}
	return set, nil
}

// resumeOr returns what either command runs: resumeRun with --resume, and otherwise begin.
func (f *trainingFlags) resumeOr(begin func(*cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if f.resume {
			return f.resumeRun(cmd)
		}
		return begin(cmd)
	}
}

// withResume returns the flags that may be given with --resume, because they are not part of the recipe.
func withResume() []string { return []string{"backend", "input", "json", "log-every"} }

// resumeCommand returns the command that resumes the run in dir with the flags given to cmd.
func (f *trainingFlags) resumeCommand(cmd *cobra.Command, dir string) string {
	return "go run ./lesson " + cmd.Name() + " --run " + quoted(dir) + " --resume" + f.repeated(cmd, withResume()...)
}

// resumeRun resumes the run in --run.
func (f *trainingFlags) resumeRun(cmd *cobra.Command) error {
	if err := onlyWithResume(cmd, append(withResume(), "run")...); err != nil {
		return err
	}
	if f.run == "" {
		return errors.New("--resume needs the folder of the run: --run DIR")
	}
	if recorded.Is(f.run) {
		return fmt.Errorf("%s is a recorded run, which has no checkpoint to resume from; train a new run without --resume", f.run)
	}
	if _, err := run.ReadRecipe(f.run); err != nil { // before the backend starts, which may take seconds
		return err
	}
	engine, err := f.startBackend(cmd)
	if err != nil {
		return err
	}
	o := run.Options{Backend: engine, AnyBackend: f.namesBackend()}
	r, err := run.Check(f.run, o)
	if err != nil {
		return err
	}
	var t picture.Transform
	if r.Transform != nil {
		t = *r.Transform
	}
	f.validation = r.Validation
	set, err := f.openImages(cmd, r.Data, r.Subset, t)
	if err != nil {
		return err
	}
	if r.Transform != nil {
		if err := set.Resize(cmd.Context(), t); err != nil {
			return err
		}
	}
	return f.train(cmd, r, set, o)
}

// onlyWithResume returns an error if a flag was given that is neither --resume nor allowed
// with it.
func onlyWithResume(cmd *cobra.Command, allowed ...string) error {
	var wrong error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if flag.Name != "resume" && flag.Name != "lang" && !slices.Contains(allowed, flag.Name) && wrong == nil {
			wrong = fmt.Errorf("--%s cannot be combined with --resume: a run resumes with the settings it began with", flag.Name)
		}
	})
	return wrong
}

// train begins or resumes a run, and prints the result.
func (f *trainingFlags) train(cmd *cobra.Command, r recipe.Recipe, set *datasource.Set, o run.Options) error {
	ctx, w := cmd.Context(), f.messages(cmd)
	if ctx.Err() != nil { // interrupted while the images were opened; a new run has no folder yet
		if f.resume {
			return resumable(run.ErrInterrupted, language(cmd).Sprintf("resume with: %s", f.resumeCommand(cmd, f.run)))
		}
		return run.ErrInterrupted
	}
	dir := f.run
	if dir == "" {
		dir = freeRun(r.Model.Name + "-" + r.Name)
	}
	l := language(cmd)
	fmt.Fprintln(w, l.Sprintf("Model: %s. Recipe: %s, %s, batch %d. Backend: %s. Run: %s",
		r.Model.Name, r.Name, epochs(l, r.Epochs), r.BatchSize, l.Error(backend.Describe(o.Backend)), dir))

	if f.resume { // a new run has a new folder
		if err := prepareFolder(filepath.Join(dir, "figures"), "make it writable, or copy the run to another folder and resume it there"); err != nil {
			return err
		}
	}
	o.Input = run.Input(f.input)
	o.Training, o.Test, o.LogEvery, o.Report = set.Training, set.InTraining(), f.logEvery, reporter(l, w, r.Model.Name)
	var outcome *run.Outcome
	var err error
	if f.resume {
		outcome, err = run.Resume(ctx, dir, o)
	} else {
		outcome, err = run.Train(ctx, dir, r, o)
	}
	if err != nil {
		return resumable(err, l.Sprintf("resume with: %s", f.resumeCommand(cmd, dir)))
	}
	if took, err := trainingTime(dir); err != nil {
		return err
	} else if took > 0 {
		fmt.Fprintln(w, l.Sprintf("Training took %s, without evaluation", took))
	}
	if r.Validation != 0 { // the test images are not for choosing settings
		set.Test, set.Validation = set.Validation, nil
	}
	if set.Validation != nil { // the test images are seen only once, by the final weights
		fmt.Fprint(w, accuracyLines(l, outcome.Test))
		if outcome.Test, err = test(ctx, o.Backend, r, outcome, set.Test); err != nil {
			return err
		}
	}
	fmt.Fprint(w, accuracyLines(l, outcome.Test))
	if f.json {
		if err := printJSON(cmd.OutOrStdout(), struct {
			Run     string `json:"run"`
			Weights string `json:"weights"`
			*infer.Result
		}{dir, outcome.Weights, outcome.Test}); err != nil {
			return err
		}
	}
	paths, err := saveRunFigures(language(cmd), dir, set, outcome.Test)
	if err != nil {
		return fmt.Errorf("%w; %s", err, l.Sprintf("to draw the figures again: %s", f.resumeCommand(cmd, dir)))
	}
	if f.json {
		return nil
	}
	next := "go run ./lesson plot " + quoted(dir)
	if r.Start != "" { // after fine-tuning, people want the weights rather than the curves
		next = "go run ./lesson export --run " + quoted(dir) + " --out " + quoted(r.Model.Name+".safetensors")
	}
	ending(l, w, append([]string{outcome.Weights}, paths...),
		"go run ./lesson eval --run "+quoted(dir),
		"go run ./lesson predict --run "+quoted(dir)+" IMAGE",
		next)
	return nil
}

// trainingTime returns how long the steps of the run in dir took, or 0 if its metrics do not say it for
// every epoch.
func trainingTime(dir string) (time.Duration, error) {
	lines, err := run.ReadMetrics(dir)
	if err != nil {
		return 0, err
	}
	var took time.Duration
	for _, line := range lines {
		switch {
		case line.Kind != run.EpochLine:
		case line.Seconds == 0:
			return 0, nil
		default:
			took += time.Duration(line.Seconds * float64(time.Second))
		}
	}
	if took >= time.Second {
		return took.Round(time.Second), nil
	}
	return took.Round(time.Millisecond), nil
}

// test evaluates the final weights of a run.
func test(ctx context.Context, engine compute.Backend, r recipe.Recipe, outcome *run.Outcome, images *dataset.Images) (*infer.Result, error) {
	network, err := infer.New(engine, outcome.Store, run.ModelPath, r.Model, r.Normalization)
	if err != nil {
		return nil, err
	}
	defer network.Finalize()
	network.SetPrecision(r.DType())
	return network.Evaluate(ctx, images, min(256, images.Len()), nil)
}

// saveRunFigures draws the figures of a finished run into its folder.
func saveRunFigures(l words.Language, dir string, set *datasource.Set, result *infer.Result) ([]string, error) {
	history, err := plots.Read(dir)
	if err != nil {
		return nil, err
	}
	title := func(what string) string { return history.Name + ": " + what }
	return saveFigures(l, filepath.Join(dir, "figures"),
		plots.Drawing{Name: "loss", Draw: func() (*figure.Figure, error) { return plots.Loss(title("loss"), set.Caption(), history) }},
		plots.Drawing{Name: "accuracy", Draw: func() (*figure.Figure, error) { return plots.Accuracy(title("accuracy"), set.Caption(), history) }},
		plots.Drawing{Name: "schedule", Draw: func() (*figure.Figure, error) { return plots.Schedule(title("learning rate"), history) }},
		confusion(history.Name, set, result),
		plots.Drawing{Name: "guesses", Draw: func() (*figure.Figure, error) {
			first := fmt.Sprintf("the first %s images", set.Test.TestSplit())
			return plots.Guesses(title(first), set.Caption(), set.Test, result, 40)
		}},
	)
}

// freeRun returns the first of runs/name-1, runs/name-2, … that does not exist yet.
func freeRun(name string) string {
	for i := 1; ; i++ {
		dir := filepath.Join("runs", fmt.Sprintf("%s-%d", name, i))
		if _, err := os.Stat(dir); err != nil {
			return dir // package run reports any error except that it does not exist
		}
	}
}
