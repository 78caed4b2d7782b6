package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/recorded"
	"github.com/residual-go/residual/pkg/run"
)

func plotCommand() *cobra.Command {
	figures := filepath.Join("runs", "figures")
	cmd := &cobra.Command{
		Use:   "plot RUN…",
		Short: "Plot the curves of one or more runs together",
		Long: `Plot the loss, accuracy and learning rate of one or more runs together.

A run is a folder that train, finetune or degradation wrote, or one of the recorded runs in
lesson/recorded. A folder of runs stands for all of them.`,
		Example: `  go run ./lesson plot runs/resnet20-fast-1
  go run ./lesson plot runs/degradation-builtin --figures out
  go run ./lesson plot lesson/recorded/cifar10-jpeg-24-epochs --figures out`,
		Args:              arguments("run"),
		ValidArgsFunction: complete(runFolders, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := runsIn(args)
			if err != nil {
				return err
			}
			if err := prepareFolder(figures, "choose another folder with --figures"); err != nil {
				return err
			}
			var histories []*plots.History
			var data []string
			for _, dir := range dirs {
				history, err := plots.Read(dir)
				if err != nil {
					return err
				}
				if len(dirs) > 1 {
					history.Name = shortName(dir, dirs)
				}
				histories = append(histories, history)
				images, err := imagesOf(cmd, dir)
				if err != nil {
					return err
				}
				if !slices.Contains(data, images) {
					data = append(data, images)
				}
			}
			l := language(cmd)
			caption := "data: " + strings.Join(data, "; ")
			paths, err := saveFigures(l, figures,
				plots.Drawing{Name: "loss", Draw: func() (*figure.Figure, error) { return plots.Loss("Loss", caption, histories...) }},
				plots.Drawing{Name: "accuracy", Draw: func() (*figure.Figure, error) { return plots.Accuracy("Accuracy", caption, histories...) }},
				plots.Drawing{Name: "schedule", Draw: func() (*figure.Figure, error) { return plots.Schedule("Learning rate", histories...) }},
			)
			if err != nil {
				return err
			}
			next := "go run ./lesson eval --run " + quoted(dirs[0])
			if recorded.Is(dirs[0]) {
				next += " --data FOLDER"
			}
			ending(l, cmd.OutOrStdout(), paths, next)
			return nil
		},
	}
	cmd.Flags().StringVar(&figures, "figures", figures, "folder for the figures")
	return cmd
}

// runsIn returns the run folders that args name. A folder that is not itself a run stands for the runs
// in it.
func runsIn(args []string) ([]string, error) {
	var dirs []string
	for _, arg := range args {
		if run.Exists(arg) {
			dirs = append(dirs, arg)
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, fmt.Errorf("%s is not a run folder: it has no recipe.json", arg)
		}
		before := len(dirs)
		for _, entry := range entries {
			if dir := filepath.Join(arg, entry.Name()); run.Exists(dir) {
				dirs = append(dirs, dir)
			}
		}
		if len(dirs) == before {
			return nil, fmt.Errorf("%s is not a run folder: neither it nor any folder in it has a recipe.json", arg)
		}
	}
	return dirs, nil
}

// shortName returns the name of the folder dir, preceded by its parent's if another of dirs has the
// same name.
func shortName(dir string, dirs []string) string {
	name := filepath.Base(filepath.Clean(dir))
	for _, other := range dirs {
		if other != dir && filepath.Base(filepath.Clean(other)) == name {
			return filepath.Join(filepath.Base(filepath.Dir(filepath.Clean(dir))), name)
		}
	}
	return name
}

// imagesOf returns the name of the images that the run in dir was trained on.
func imagesOf(cmd *cobra.Command, dir string) (string, error) {
	if recorded.Is(dir) {
		r, err := run.ReadRecipe(dir)
		return r.Data, err
	}
	checkpoint, _, err := run.Latest(dir, notes(cmd))
	if err != nil {
		return "", err
	}
	return checkpoint.Data, nil
}
