package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/plots"
	"github.com/residual-go/residual/pkg/run"
)

func plotCommand() *cobra.Command {
	figures := "figures"
	cmd := &cobra.Command{
		Use:   "plot RUN…",
		Short: "Plot the curves of one or more runs together",
		Example: `  go run ./lesson plot runs/resnet20-fast-1
  go run ./lesson plot runs/degradation-builtin/* --figures out`,
		Args:              arguments("run"),
		ValidArgsFunction: complete(runFolders, cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, dirs []string) error {
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
					history.Name = filepath.Base(filepath.Clean(dir))
				}
				histories = append(histories, history)
				checkpoint, _, err := run.Latest(dir, notes(cmd))
				if err != nil {
					return err
				}
				if !slices.Contains(data, checkpoint.Data) {
					data = append(data, checkpoint.Data)
				}
			}
			caption := "data: " + strings.Join(data, "; ")
			paths, err := plots.Save(figures,
				plots.Drawing{Name: "loss", Draw: func() (*figure.Figure, error) { return plots.Loss("Loss", caption, histories...) }},
				plots.Drawing{Name: "accuracy", Draw: func() (*figure.Figure, error) { return plots.Accuracy("Accuracy", caption, histories...) }},
				plots.Drawing{Name: "schedule", Draw: func() (*figure.Figure, error) { return plots.Schedule("Learning rate", histories...) }},
			)
			if err != nil {
				return err
			}
			ending(cmd.OutOrStdout(), paths, "go run ./lesson eval --run "+quoted(dirs[0]))
			return nil
		},
	}
	cmd.Flags().StringVar(&figures, "figures", figures, "folder for the figures")
	return cmd
}
