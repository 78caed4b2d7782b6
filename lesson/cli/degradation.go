package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/chapter/degradation"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

func degradationCommand() *cobra.Command {
	var f flags
	e := degradation.Quick()
	var figures string
	cmd := &cobra.Command{
		Use:   "degradation",
		Short: "Train plain and residual networks at two depths, side by side",
		Long: `Train plain and residual networks at two depths, side by side.

The four networks are trained with the same recipe, from the same seed and on the same
batches. They differ only in depth and shortcuts. The table and the figures show what
depth does to each kind. The picture of the errors is redrawn after every epoch.

By default the networks have the paper's depths, and the data is small enough for five
minutes on two cores: 10,000 training images, downsampled by the stem. Existing runs are
resumed.`,
		Example: `  go run ./lesson degradation
  go run ./lesson degradation --data builtin --epochs 3 --run runs/short
  go run ./lesson degradation --shallow 8 --deep 20 --run runs/shallow`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, w, l := cmd.Context(), f.messages(cmd), language(cmd)
			if err := f.apply(cmd, &e.Recipe); err != nil {
				return err
			}
			if err := e.Validate(); err != nil {
				return err
			}
			engine, err := newBackend(f.backend)
			if err != nil {
				return err
			}
			if f.subset != "" {
				e.Recipe.Subset = f.subset
			}
			remedy := "choose another folder with --figures"
			if figures == "" {
				remedy = "choose another folder with --run"
			}
			dir := f.run
			if figures == "" && dir != "" {
				figures = filepath.Join(dir, "figures")
			}
			if figures != "" { // before images are downloaded
				if err := prepareFolder(figures, remedy); err != nil {
					return err
				}
			}
			set, err := f.openImages(cmd, f.data, e.Recipe.Subset, picture.Transform{})
			if err != nil {
				return err
			}
			e.Recipe.Data = set.Spec
			if dir == "" {
				// A folder for each data set, because --data auto may mean a different one the next
				// time: CIFAR-10 online, the built-in images offline.
				dir = filepath.Join("runs", "degradation-"+filepath.Base(set.Spec))
			}
			if figures == "" {
				figures = filepath.Join(dir, "figures")
				if err := prepareFolder(figures, remedy); err != nil {
					return err
				}
			}
			e.AnyBackend = f.namesBackend()
			again := "go run ./lesson degradation" + f.repeated(cmd, allFlags(cmd)...)
			fmt.Fprintln(w, l.Sprintf("Backend: %s", l.Error(backend.Describe(engine))))
			fmt.Fprintln(w, l.Sprintf("Picture: %s, redrawn after every epoch", printable.Escape(filepath.Join(figures, degradation.ErrorFigureName+".png"))))
			soFar := plots.Drawing{Name: degradation.ErrorFigureName, Draw: func() (*figure.Figure, error) {
				return e.ErrorFigureSoFar(dir, set.Test.TestSplit(), set.Caption())
			}}
			draw := func() error {
				_, err := saveFigures(l, figures, soFar)
				return err
			}
			started := time.Now()
			result, err := e.Run(ctx, dir, engine, set.Training, set.Test, func(network string) run.Reporter {
				fmt.Fprintf(w, "\n%s\n", network)
				return &drawing{Reporter: reporter(l, w, network), draw: draw}
			})
			if err != nil {
				return resumable(err, l.Sprintf("resume with: %s (finished work is kept in %s)", again, printable.Escape(dir)))
			}
			set.Training.Name = result.Data
			fmt.Fprintf(w, "\n%s\n\n", l.Sprintf("Data: %s. %s, batch %d, %s.", dataName(l, result.Data), epochs(l, e.Recipe.Epochs), e.Recipe.BatchSize,
				time.Since(started).Round(time.Second)))
			if err := result.WriteTableIn(l, w); err != nil {
				return err
			}
			fmt.Fprintf(w, "\n%s\n", result.VerdictIn(l))
			if f.json {
				if err := printJSON(cmd.OutOrStdout(), result); err != nil {
					return err
				}
			}
			paths, err := saveFigures(l, figures, result.Drawings(set.Caption())...)
			if err != nil {
				return fmt.Errorf("%w; %s", err, l.Sprintf("to draw the figures without training again: %s", again))
			}
			if f.json {
				return nil
			}
			last := result.Arms[len(result.Arms)-1]
			ending(l, w, append(paths, dir+string(filepath.Separator)),
				"go run ./lesson eval --run "+quoted(last.Dir),
				"go run ./lesson summary --model resnet18",
				"go run ./lesson degradation --seed 1 --run runs/again")
			return nil
		},
	}
	f.add(cmd, "data", "subset", "epochs", "batch", "lr", "seed", "backend", "run", "json")
	cmd.Flags().Lookup("run").Usage = "folder for the four runs (default: runs/degradation-DATA)"
	cmd.Flags().IntVar(&e.Shallow, "shallow", e.Shallow, "depth of the shallow networks, of the form 6n+2")
	cmd.Flags().IntVar(&e.Deep, "deep", e.Deep, "depth of the deep networks, of the form 6n+2")
	cmd.Flags().IntVar(&e.Width, "width", e.Width, "channels of the first stage")
	cmd.Flags().StringVar(&figures, "figures", "", "folder for the figures (default: figures/ in the folder of the runs)")
	return cmd
}

// drawing is a reporter that also redraws the figure after every epoch.
type drawing struct {
	run.Reporter
	draw   func() error
	failed bool
}

func (d *drawing) Epoch(m run.Metrics) {
	d.Reporter.Epoch(m)
	if d.failed {
		return
	}
	if err := d.draw(); err != nil { // no reason to stop the training
		d.failed = true
		d.Note("no figure until the end: " + printable.Line(err.Error()))
	}
}
