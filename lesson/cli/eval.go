package cli

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/run"
)

func evalCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Evaluate a trained network on test images",
		Long: `Evaluate a trained network on test images: loss, top-1 and top-5 accuracy, the
accuracy of each class, and the classes that are mistaken for one another.

With --data FOLDER, the network is evaluated on the images in test/ or, without that, in
val/ or, without either, on all. The folder may have fewer classes than the network; they
are matched by name.

Without --data the test images are those of the run that the weights come from (if its
folder had none, the fifth of each class that was held out) or, for published weights,
those of the data set they were trained on, if that can be downloaded.

The network computes in float32. A run with --precision bfloat16 evaluates in bfloat16
during training, so the last digits may differ.`,
		Example: `  go run ./lesson eval --run runs/resnet20-fast-1
  go run ./lesson eval --weights runs/resnet20-fast-1/checkpoints/step-00000780.safetensors --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, w, l := cmd.Context(), f.messages(cmd), language(cmd)
			given := cmd.Flags().Changed
			figures := "" // the figure in a run's folder is about the run's data
			if f.run != "" && !given("data") && !given("subset") && !f.json && run.Exists(f.run) {
				figures = filepath.Join(f.run, "figures")
				remedy := "use --weights " + quoted(f.run) + ", which evaluates the same network and writes nothing"
				if err := prepareFolder(figures, remedy); err != nil {
					return err
				}
			}
			network, m, err := f.loadNetwork(cmd)
			if err != nil {
				return err
			}
			defer network.Finalize()
			data, subset, open := m.Spec, m.Subset, f.openImages
			if given("data") {
				data, subset, open = f.data, "", f.openTestImages
			}
			if given("subset") {
				subset = f.subset
			}
			if data == "" {
				return fmt.Errorf("no test images: %s was trained on %s, which cannot be downloaded; use --data FOLDER with images of the same classes",
					m.Config.Name, cmp.Or(m.Data, "unknown data"))
			}
			set, err := open(cmd, data, subset, m.Transform)
			if err != nil {
				return err
			}
			matched, err := datasource.MatchClasses(set.Test, m.Classes)
			if err != nil {
				return fmt.Errorf("%s has different classes from %s, which %s was trained on: %w; use images of the same classes",
					set.Test.Name, m.Data, m.Config.Name, err)
			}
			set.Test = matched
			if set.Training == nil && set.Test.Split == dataset.All && set.Spec == m.Spec {
				fmt.Fprintln(w, l.Text("Note: the network was trained on most of these images. Without --data, eval uses only those that were held out."))
			}
			if set.Test, err = datasource.Resize(ctx, set.Test, m.Transform); err != nil { // as in training
				return memoryAdvice(cmd, err, "a smaller --subset")
			}
			progress := reporter(l, w, m.Config.Name)
			result, err := network.Evaluate(ctx, set.Test, f.batchSize, func(done int) { progress.Evaluating(done, set.Test.Len()) })
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), result)
			}
			fmt.Fprintf(w, "%s\n\n", l.Sprintf("%s, trained on %s, evaluated on %s of %s",
				m.Config.Name, dataName(l, m.Data), counted(l, &datasource.Set{Test: set.Test}), dataName(l, result.Data)))
			if err := printEvaluation(l, w, result); err != nil {
				return err
			}
			var wrote []string
			if figures != "" {
				if wrote, err = saveFigures(language(cmd), figures, confusion(m.Config.Name, set, result)); err != nil {
					return err
				}
			}
			ending(l, w, wrote, "go run ./lesson predict "+f.from()+" IMAGE", "go run ./lesson eval "+f.from()+" --json")
			return nil
		},
	}
	f.add(cmd, "data", "subset", "backend", "weights", "model", "normalize", "run", "json")
	cmd.Flags().IntVar(&f.batchSize, "batch", 256, "images per forward pass")
	cmd.Flags().Lookup("data").DefValue = "" // see the help above
	return cmd
}

// printEvaluation prints loss, accuracies and a table of the classes.
func printEvaluation(l words.Language, w io.Writer, result *infer.Result) error {
	fmt.Fprintf(w, "%s\n\n", l.Sprintf("Loss: %.4f, top-1: %.2f%% (%d of %d), top-5: %.2f%%",
		result.Loss, 100*result.Top1, result.Correct, result.Total, 100*result.Top5))
	table := aligned.Left(w, 2)
	fmt.Fprintf(table, "%s\t%s\t%s\n", l.Text("class"), l.Text("accuracy"), l.Text("most often mistaken for"))
	absent := 0
	for class, name := range result.Classes {
		if !slices.ContainsFunc(result.Confusion[class], func(n int) bool { return n > 0 }) {
			absent++
			continue
		}
		fmt.Fprintf(table, "%s\t%.1f%%\t%s\n", name, 100*result.PerClass[class], mistakenFor(result, class))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the classes: %w", err)
	}
	if absent > 0 {
		fmt.Fprintln(w, l.Sprintf("There are no images of the other %d classes.", absent))
	}
	fmt.Fprintf(w, "\n%s", accuracyLines(l, result))
	return nil
}

// mistakenFor names the class that images of the given class are most often mistaken for.
func mistakenFor(result *infer.Result, class int) string {
	most, name := 0, "-"
	for other, n := range result.Confusion[class] {
		if other != class && n > most {
			most, name = n, fmt.Sprintf("%s (%d)", result.Classes[other], n)
		}
	}
	return name
}
