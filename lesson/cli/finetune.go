package cli

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// fineTuning are finetune's own flags.
type fineTuning struct {
	runFlags
	freeze      string
	freezeNorms bool
	headLR      float64
}

// freezeNone is --freeze for a recipe that freezes something.
const freezeNone = "none"

func finetuneCommand() *cobra.Command {
	var f fineTuning
	cmd := &cobra.Command{
		Use:   "finetune",
		Short: "Train a trained network further, on other images",
		Long: `Train a trained network further, on other images.

The network is that of --weights. Its last layer, the head, makes way for a new one with
a logit for each class of --data; the rest, the body, goes on from the weights it has,
with pixels normalised as it is used to. Few images make few steps an epoch, and want
more --epochs.

Recipes: finetune trains everything, the head at ten times the learning rate of the body,
and keeps the running statistics of the batch norms; head freezes the body; article is
what tutorials fine-tune a ResNet-50 with. --freeze layer2 keeps stem, layer1 and layer2
as they are. Without running statistics that are kept, --freeze-norms=false, those of the
new images take their place: for images that look much unlike those of the weights.

Pictures of a folder are scaled to the size that the weights expect, or to --size. CIFAR
and the built-in set keep their 32×32 pixels unless --size says otherwise.

A run is a run: see the help of train. It goes on with --resume, without --weights.`,
		Example: `  go run ./lesson finetune --weights runs/resnet20-fast-1 --data builtin --subset 20/class
  go run ./lesson finetune --weights resnet50 --data photos --freeze layer2
  go run ./lesson finetune --weights resnet50 --data cifar10 --recipe article
  go run ./lesson finetune --run runs/resnet20-finetune-1 --resume`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.resume {
				return f.goOn(cmd)
			}
			return f.begin(cmd)
		},
	}
	set := cmd.Flags()
	f.add(cmd, "weights", "recipe", "data", "subset", "epochs", "batch", "lr", "seed", "backend", "run", "json")
	recipes := set.Lookup("recipe")
	f.recipe, recipes.DefValue = recipe.FineTune, recipe.FineTune
	f.addOwn(cmd)
	set.StringVar(&f.freeze, "freeze", "", "last part that is not trained, with all before it: stem, layer1, layer2, … or body; none (default: the recipe's)")
	set.BoolVar(&f.freezeNorms, "freeze-norms", false, "batch norms use and keep the running statistics of the weights (default: the recipe's)")
	set.Float64Var(&f.headLR, "head-lr", 0, "peak learning rate of the new head (default: the recipe's multiple of --lr)")
	return cmd
}

// begin is finetune without --resume.
func (f *fineTuning) begin(cmd *cobra.Command) error {
	if f.weights == "" {
		return errors.New("which weights? Give --weights FILE, URL, NAME or the folder of a run; go run ./lesson train makes one")
	}
	r, err := recipe.ByName(f.recipe)
	if err != nil {
		return err
	}
	if err := f.change(cmd, &r); err != nil {
		return err
	}
	if err := f.check(cmd); err != nil {
		return err
	}
	engine, err := backend.New(f.backend)
	if err != nil {
		return err
	}
	m, err := f.opened(cmd, f.weights, true)
	if err != nil {
		return err
	}
	r.Start, r.Model, r.Normalization = m.Source, m.Config, m.Normalization
	if err := r.Validate(); err != nil { // the part to freeze is one of this network
		return err
	}
	set, err := f.images(cmd, m.Transform, &r)
	if err != nil {
		return err
	}
	r.Model.Classes = len(set.Training.Classes)

	start := maps.Clone(m.Tensors)
	maps.DeleteFunc(start, func(name string, _ statedict.Tensor) bool {
		return strings.HasPrefix(name, resnet.HeadName+".")
	})
	f.announce(cmd, r, m, len(start))
	return f.follow(cmd, r, set, run.Options{Backend: engine, Start: start})
}

// change changes r where a flag was given.
func (f *fineTuning) change(cmd *cobra.Command, r *recipe.Recipe) error {
	if err := f.apply(cmd, r); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	if given("freeze") {
		r.Freeze = f.freeze
		if f.freeze == freezeNone {
			r.Freeze = ""
		}
	}
	f.applyOwn(cmd, r)
	if given("freeze-norms") {
		r.FreezeNorms = f.freezeNorms
	}
	if given("head-lr") {
		if !(f.headLR > 0) {
			return fmt.Errorf("--head-lr %g, want a number above 0", f.headLR)
		}
		r.HeadLearningRateMultiplier = f.headLR / r.LearningRate
	}
	// What is left of r.Freeze is for the network at hand to say.
	checked := *r
	checked.Freeze = ""
	return checked.Validate()
}

// announce says what is trained of what, where so many tensors were loaded.
func (f *fineTuning) announce(cmd *cobra.Command, r recipe.Recipe, m *weights.Model, loaded int) {
	w := f.talk(cmd)
	rates := fmt.Sprintf("Learning rate: %.4g", r.LearningRate)
	if r.HeadLearningRateMultiplier != 0 && r.HeadLearningRateMultiplier != 1 {
		rates += fmt.Sprintf(", %.4g for the head", r.LearningRate*r.HeadLearningRateMultiplier)
	}
	frozen := "nothing"
	if r.Freeze != "" {
		frozen = r.Freeze + " and all before it"
	}
	if r.FreezeNorms {
		frozen += ", and all running statistics"
	}
	fmt.Fprintf(w, "Weights: %s. %d tensors loaded, the %d of the head left at their initial values, for %d classes\n",
		r.Start, loaded, len(m.Tensors)-loaded, r.Model.Classes)
	fmt.Fprintf(w, "%s. Frozen: %s\n", rates, frozen)
}
