package cli

import (
	"fmt"
	"path/filepath"
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
		Short: "Draw the curves of runs over one another",
		Example: `  go run ./lesson plot runs/resnet20-fast-1
  go run ./lesson plot runs/degradation-builtin/* --figures out`,
		Args: arguments("run"),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			var histories []*plots.History
			var data []string
			seen := map[string]bool{}
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
				if !seen[checkpoint.Data] {
					seen[checkpoint.Data] = true
					data = append(data, checkpoint.Data)
				}
			}
			caption := "data: " + strings.Join(data, "; ")
			var paths []string
			for _, draw := range []struct {
				name string
				make func() (*figure.Figure, error)
			}{
				{"loss", func() (*figure.Figure, error) { return plots.Loss("Loss", caption, histories...) }},
				{"accuracy", func() (*figure.Figure, error) { return plots.Accuracy("Accuracy", caption, histories...) }},
				{"schedule", func() (*figure.Figure, error) { return plots.Schedule("Learning rate", histories...) }},
			} {
				drawn, err := draw.make()
				if err != nil {
					return fmt.Errorf("draw %s: %w", draw.name, err)
				}
				written, err := plots.Save(drawn, figures, draw.name)
				if err != nil {
					return err
				}
				paths = append(paths, written...)
			}
			ending(cmd.OutOrStdout(), paths, "go run ./lesson eval --run "+quoted(dirs[0]))
			return nil
		},
	}
	cmd.Flags().StringVar(&figures, "figures", figures, "folder for the figures")
	return cmd
}
