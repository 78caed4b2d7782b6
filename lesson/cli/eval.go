package cli

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/gomlx/gomlx/ml/model"
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

func evalCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Measure a trained network on test images",
		Long: `Measure a trained network on test images: loss, top-1 and top-5 accuracy, the
accuracy of each class, and which classes are taken for which.

Without --data the images are those of the run the weights come from, or those that
weights from elsewhere are known to be for. It computes in float32; a run with --precision
bfloat16 tests in bfloat16 while it trains, and may differ in the last digits.`,
		Example: `  go run ./lesson eval --run runs/resnet20-fast-1
  go run ./lesson eval --weights runs/resnet20-fast-1/checkpoints/step-00000780.safetensors --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, w := cmd.Context(), f.talk(cmd)
			network, m, err := f.network(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			data, subset := m.Spec, m.Subset
			if cmd.Flags().Changed("data") {
				data, subset = f.data, ""
			}
			if cmd.Flags().Changed("subset") {
				subset = f.subset
			}
			if data == "" {
				return fmt.Errorf("which images? %s was trained on %s, which cannot be fetched; give some with the same classes by --data FOLDER",
					m.Config.Name, cmp.Or(m.Data, "unknown images"))
			}
			set, err := f.openSized(ctx, cmd, data, subset, m.Transform)
			if err != nil {
				return err
			}
			if !slices.Equal(set.Test.Classes, m.Classes) {
				return fmt.Errorf("%s has other classes than %s, which %s was trained on; take the data it was trained on",
					set.Test.Name, m.Data, m.Config.Name)
			}
			if set.Test, err = datasource.Resize(ctx, set.Test, m.Transform); err != nil { // as in training
				return memoryAdvice(cmd, err, "a smaller --subset")
			}
			bar := reporter(w, m.Config.Name)
			batch := 256
			if cmd.Flags().Changed("batch") {
				batch = f.batch
			}
			result, err := network.Evaluate(ctx, set.Test, batch, func(done int) { bar.Evaluating(done, set.Test.Len()) })
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), result)
			}
			fmt.Fprintf(w, "%s, trained on %s, on %d test images of %s\n\n",
				m.Config.Name, m.Data, result.Total, result.Data)
			fmt.Fprintf(w, "Loss: %.4f, top-1: %.2f%% (%d of %d), top-5: %.2f%%\n\n",
				result.Loss, 100*result.Top1, result.Correct, result.Total, 100*result.Top5)
			table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "class\taccuracy\tmost often taken for")
			for class, name := range result.Classes {
				fmt.Fprintf(table, "%s\t%.1f%%\t%s\n", name, 100*result.PerClass[class], mistakenFor(result, class))
			}
			if err := table.Flush(); err != nil {
				return fmt.Errorf("print the classes: %w", err)
			}
			fmt.Fprintf(w, "\nTest Accuracy: %.2f%%\n", 100*result.Top1)
			var wrote []string
			if f.run != "" && !cmd.Flags().Changed("data") && !cmd.Flags().Changed("subset") { // the run's figure is about its own data
				if wrote, err = plots.Save(filepath.Join(f.run, "figures"), confusion(m.Config.Name, set, result)); err != nil {
					return err
				}
			}
			ending(w, wrote, "go run ./lesson predict "+f.from()+" IMAGE", "go run ./lesson eval "+f.from()+" --json")
			return nil
		},
	}
	f.add(cmd, "data", "subset", "batch", "backend", "weights", "run", "json")
	return cmd
}

// mistakenFor names the class that images of the given one are most often taken for.
func mistakenFor(result *infer.Result, class int) string {
	worst, name := 0, "-"
	for other, n := range result.Confusion[class] {
		if other != class && n > worst {
			worst, name = n, fmt.Sprintf("%s (%d)", result.Classes[other], n)
		}
	}
	return name
}

// from repeats the flag that said where the weights are.
func (f *flags) from() string {
	if f.weights != "" {
		return "--weights " + quoted(f.weights)
	}
	return "--run " + quoted(f.run)
}

// network loads the network that --weights or --run names.
func (f *flags) network(cmd *cobra.Command) (*infer.Network, *weights.Model, error) {
	m, err := f.loaded(cmd)
	if err != nil {
		return nil, nil, err
	}
	engine, err := backend.New(f.backend)
	if err != nil {
		return nil, nil, err
	}
	store := model.NewStore()
	if err := m.Restore(store, run.ModelPath); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	network, err := infer.New(engine, store, run.ModelPath, m.Config, m.Normalization)
	return network, m, err
}

// loaded reads the weights that --weights or --run names.
func (f *flags) loaded(cmd *cobra.Command) (*weights.Model, error) {
	switch {
	case f.weights != "" && f.run != "":
		return nil, errors.New("--weights and --run both say where the weights are; give one")
	case f.run != "":
		_, path, err := run.Latest(f.run, notes(cmd))
		if err != nil {
			return nil, err
		}
		return f.opened(cmd, path, false)
	case f.weights == "":
		return nil, errors.New("which network? Give --run DIR or --weights FILE; go run ./lesson train makes them")
	}
	return f.opened(cmd, f.weights, false)
}

// opened reads the weights that spec stands for; those without a head only if it is to get a
// new one.
func (f *flags) opened(cmd *cobra.Command, spec string, newHead bool) (*weights.Model, error) {
	spec, err := latest(cmd, spec)
	if err != nil {
		return nil, err
	}
	return weights.Open(cmd.Context(), spec, weights.Options{NewHead: newHead, Progress: download(f.talk(cmd))})
}

// latest is spec or, where spec is the folder of a run, the newest of its checkpoints.
func latest(cmd *cobra.Command, spec string) (string, error) {
	if !run.Exists(spec) {
		return spec, nil
	}
	_, path, err := run.Latest(spec, notes(cmd))
	return path, err
}

// notes says on standard error which checkpoints were passed over.
func notes(cmd *cobra.Command) func(string) {
	return func(note string) { fmt.Fprintln(cmd.ErrOrStderr(), note) }
}
