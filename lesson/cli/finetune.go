package cli

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// finetuneFlags are the flags of finetune.
type finetuneFlags struct {
	trainingFlags
	freeze      string
	freezeNorms bool
	headLR      float64
}

// freezeNone is the value of --freeze that freezes nothing.
const freezeNone = "none"

func finetuneCommand() *cobra.Command {
	var f finetuneFlags
	cmd := &cobra.Command{
		Use:   "finetune",
		Short: "Fine-tune a trained network on other images",
		Long: `Fine-tune a trained network on other images.

The network comes from --weights. Its last layer, the head, is replaced by a new one with
a logit for each class of --data. The rest, the body, starts from the given weights, and
images are normalised as it expects. With few images an epoch has few steps, so train for
more --epochs.

The recipes are

  finetune   trains everything, the head at ten times the learning rate of the body, and
             keeps the running statistics of the batch norms
  head       freezes the body
  article    settings common in ResNet-50 tutorials

--freeze layer2 keeps the stem, layer1 and layer2 as they are. --freeze-norms=false lets
the running statistics adapt to the new images, which helps if those look very different
from the ones the weights were trained on.

Images in a folder are resized to the size that the weights expect, or to --size. CIFAR
and the built-in images keep their 32×32 pixels unless --size says otherwise.

The result is a run like any other; see lesson train --help. To resume it, give --run and
--resume without --weights.`,
		Example: `  go run ./lesson finetune --weights runs/resnet20-fast-1 --data builtin --subset 20/class
  go run ./lesson finetune --weights resnet50 --data photos --freeze layer2
  go run ./lesson finetune --weights resnet50 --data cifar10 --recipe article
  go run ./lesson finetune --run runs/resnet20-finetune-1 --resume`,
		Args: noArguments,
		RunE: f.resumeOr(f.finetuneNew),
	}
	f.add(cmd, "weights", "model", "normalize")
	set := cmd.Flags()
	f.recipe, set.Lookup("recipe").DefValue = recipe.FineTune, recipe.FineTune
	set.StringVar(&f.freeze, "freeze", "", "freeze the network up to and including this part: stem, layer1, layer2, … or body; none freezes nothing (default: the recipe's)")
	set.BoolVar(&f.freezeNorms, "freeze-norms", false, "keep the pretrained running statistics fixed (default: the recipe's)")
	set.Float64Var(&f.headLR, "head-lr", 0, "peak learning rate of the new head (default: the recipe's multiple of --lr)")
	return cmd
}

// finetuneNew is finetune without --resume.
func (f *finetuneFlags) finetuneNew(cmd *cobra.Command) error {
	if f.weights == "" {
		return errors.New("no weights given; use --weights with a file, a URL, a name or the folder of a run (go run ./lesson train makes one)")
	}
	r, err := recipe.ByName(f.recipe)
	if err != nil {
		return err
	}
	if err := f.apply(cmd, &r); err != nil {
		return err
	}
	engine, err := f.startBackend(cmd)
	if err != nil {
		return err
	}
	m, err := f.openWeights(cmd, f.weights, true)
	if err != nil {
		return err
	}
	r.Start, r.Model, r.Normalization = m.Source, m.Config, m.Normalization
	if err := r.Validate(); err != nil { // includes that the network has the part to freeze
		return err
	}
	set, err := f.openNewData(cmd, m.Transform, &r)
	if err != nil {
		return err
	}
	r.Model.Classes = len(set.Training.Classes)

	start := maps.Clone(m.Tensors)
	maps.DeleteFunc(start, func(name string, _ statedict.Tensor) bool {
		return strings.HasPrefix(name, resnet.HeadName+".")
	})
	f.announce(cmd, r, m, len(start))
	return f.train(cmd, r, set, run.Options{Backend: engine, Start: start})
}

// apply puts the flags that were given into the recipe, and validates it but for Freeze, which
// depends on the network.
func (f *finetuneFlags) apply(cmd *cobra.Command, r *recipe.Recipe) error {
	if err := f.trainingFlags.apply(cmd, r); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	if given("freeze") {
		r.Freeze = f.freeze
		if f.freeze == freezeNone {
			r.Freeze = ""
		}
	}
	if given("freeze-norms") {
		r.FreezeNorms = f.freezeNorms
	}
	if given("head-lr") {
		if !(f.headLR > 0) {
			return fmt.Errorf("--head-lr %g, want a number above 0", f.headLR)
		}
		r.HeadLearningRateMultiplier = f.headLR / r.LearningRate
	}
	checked := *r
	checked.Freeze = ""
	return checked.Validate()
}

// announce prints what is trained, at which rate, after the given number of tensors was loaded.
func (f *finetuneFlags) announce(cmd *cobra.Command, r recipe.Recipe, m *weights.Model, loaded int) {
	w, l := f.messages(cmd), language(cmd)
	digits := func(rate float64) string { return fmt.Sprintf("%.4g", rate) }
	rates := l.Sprintf("Learning rate: %s", digits(r.LearningRate))
	if r.HeadLearningRateMultiplier != 0 && r.HeadLearningRateMultiplier != 1 {
		rates += l.Sprintf(", %s for the head", digits(r.LearningRate*r.HeadLearningRateMultiplier))
	}
	frozen := l.Text("nothing")
	switch part := l.Sprintf("%s and everything before it", r.Freeze); {
	case r.Freeze != "" && r.FreezeNorms:
		frozen = l.Sprintf("%s, and all running statistics", part)
	case r.Freeze != "":
		frozen = part
	case r.FreezeNorms:
		frozen = l.Text("all running statistics")
	}
	fmt.Fprintln(w, l.Sprintf("Weights: %s. %d tensors loaded; the %d of the head are new, for %d classes",
		r.Start, loaded, len(m.Tensors)-loaded, r.Model.Classes))
	fmt.Fprintln(w, l.Sprintf("%s. Frozen: %s", rates, frozen))
}
