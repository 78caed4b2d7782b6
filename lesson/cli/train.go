package cli

import (
	"slices"
	"strings"

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

The run's folder gets the recipe, metrics (a line every 100 steps of an epoch, and one at
its end), the latest checkpoints and, at the end, figures. Ctrl-C saves the run and prints
the command that resumes it. A run that was killed can be resumed from its last checkpoint.
A resumed run keeps its recipe and its backend. To change the backend, which changes
results in the last bits, name it with --backend.

To choose settings, give --validation a number of training images to hold out and evaluate
on. The test images are then left alone until lesson eval evaluates them.

The recipes are

  article   settings common in tutorials on ResNet-50
  paper     164 epochs, as in the paper of the residual networks
  fast      ten epochs with one cycle of the learning rate
  quick     about ten minutes on two cores: smaller images at first, and Muon
  best      100 epochs: one to two hours on two cores`,
		Example: `  go run ./lesson train --model resnet20 --recipe fast
  go run ./lesson train --recipe fast --validation 5000 --lr 0.2
  go run ./lesson train --data builtin --subset 200/class --epochs 5 --batch 64 --lr 0.1
  go run ./lesson train --run runs/resnet20-fast-1 --resume`,
		Args: noArguments,
		RunE: f.resumeOr(f.trainNew),
	}
	f.add(cmd, "model")
	cmd.Flag("model").Usage += " (default: the recipe's)"
	cmd.Flag("recipe").Usage = "training recipe: " + strings.Join(fromScratch(), ", ")
	return cmd
}

// fromScratch returns the names of the recipes that need no trained weights.
func fromScratch() []string {
	return slices.DeleteFunc(recipe.Names(), func(name string) bool {
		r, err := recipe.ByName(name)
		return err != nil || r.Freeze != "" || r.FreezeNorms
	})
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
