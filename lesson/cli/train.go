package cli

import (
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
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
