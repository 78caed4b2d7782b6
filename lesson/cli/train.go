package cli

import (
	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/run"
)

func trainCommand() *cobra.Command {
	var f trainingFlags
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a network with a recipe",
		Long: `Train a network with a recipe.

The folder of the run receives the recipe, metrics (a line every 100 steps and every
epoch), the latest checkpoints and, at the end, figures. Ctrl-C saves the run and prints
the command that resumes it. A run that ended in any other way can be resumed from its
last checkpoint.`,
		Example: `  go run ./lesson train --model resnet20 --recipe fast
  go run ./lesson train --data builtin --subset 200/class --epochs 5 --batch 64 --lr 0.1
  go run ./lesson train --run runs/resnet20-fast-1 --resume`,
		Args: noArguments,
		RunE: f.resumeOr(f.trainNew),
	}
	f.add(cmd, "model")
	return cmd
}

// trainNew is train without --resume.
func (f *trainingFlags) trainNew(cmd *cobra.Command) error {
	r, err := recipe.ByName(f.recipe)
	if err != nil {
		return err
	}
	if err := f.apply(cmd, &r); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	engine, err := f.startBackend(cmd)
	if err != nil {
		return err
	}
	set, err := f.openNewData(cmd, picture.Transform{}, &r)
	if err != nil {
		return err
	}
	r.Model.Classes = len(set.Training.Classes)
	return f.train(cmd, r, set, run.Options{Backend: engine})
}
