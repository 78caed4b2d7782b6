// Package recipe describes the training of a network as data. A [Recipe] can be saved, compared,
// and followed again to the same weights.
package recipe

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
)

// Recipe has everything that determines a run's weights, except for the images and the backend.
type Recipe struct {
	// Name is the name of the recipe from which this one was derived; see [ByName].
	Name  string        `json:"name"`
	Model resnet.Config `json:"model"`

	// Data and Subset record where the images came from and which of them were used, in the words
	// of the program that started the run, so that it can find them again. Training does not
	// read them.
	Data   string `json:"data,omitempty"`
	Subset string `json:"subset,omitempty"`
	// Validation records how many of the training images were held out to evaluate on; see
	// [dataset.Images.HoldOut]. Training does not read it either.
	Validation int `json:"validation,omitempty"`
	// Transform records how photos were turned into these images; nil if they were used as they
	// are.
	Transform *picture.Transform `json:"transform,omitempty"`

	// Start records where the run's initial weights come from. It is empty if they are all
	// initialised from the seed.
	Start string `json:"start,omitempty"`
	// Freeze names the last frozen part of the network: stem, layer1, layer2, … or body, which is
	// everything but the last layer. That part and all parts before it keep their weights and
	// running statistics; see [resnet.Training]. If it is empty, everything is trained.
	Freeze string `json:"freeze,omitempty"`
	// FreezeNorms makes the batch norms of the other parts use and keep their running statistics
	// too, as PyTorch's do after eval(). Their γ and β are trained.
	FreezeNorms bool `json:"freeze_norms,omitempty"`

	Epochs    int `json:"epochs"`
	BatchSize int `json:"batch_size"`
	// DropLast skips the last batch of an epoch if it is not full.
	DropLast bool `json:"drop_last,omitempty"`

	// Precision is the precision of training and evaluation: Float32, which is also the meaning
	// of "", or BFloat16, which is mixed precision (see [resnet.Config.Forward]).
	Precision string `json:"precision,omitempty"`
	// Devices is the number of devices that share each batch; 0 means 1. The weights are
	// those of one device, except for rounding, unless LocalNorms makes each device normalise
	// its share of the batch on its own.
	Devices    int  `json:"devices,omitempty"`
	LocalNorms bool `json:"local_norms,omitempty"`

	// LearningRate is the peak of Schedule.
	LearningRate float64 `json:"learning_rate"`
	// HeadLearningRateMultiplier multiplies the learning rate of the last layer; 0 means 1.
	HeadLearningRateMultiplier float64        `json:"head_learning_rate_multiplier,omitempty"`
	Schedule                   optim.Schedule `json:"schedule"`
	Momentum                   float64        `json:"momentum,omitempty"`
	Nesterov                   bool           `json:"nesterov,omitempty"`
	WeightDecay                float64        `json:"weight_decay,omitempty"`
	// DecayNormsAndBiases applies weight decay to biases, and to the γ and β of batch norms, too.
	DecayNormsAndBiases bool    `json:"decay_norms_and_biases,omitempty"`
	LabelSmoothing      float64 `json:"label_smoothing,omitempty"`
	// Muon is the multiple of the learning rate with which convolutions' kernels take the steps of
	// Muon (see [optim.SGDBuilder.Muon]). 0 means that they are trained like everything else.
	Muon float64 `json:"muon,omitempty"`

	Augment dataset.Augment `json:"augment"`
	// Sizes shrinks the training images, after augmentation, in parts of the run.
	Sizes         dataset.Sizes         `json:"sizes,omitempty"`
	Normalization dataset.Normalization `json:"normalization"`

	// Seed determines the initial weights, the order of the images, and the augmentation.
	Seed uint64 `json:"seed"`
}

// FineTune is the name of the usual recipe for fine-tuning.
const FineTune = "finetune"

// Names returns the names that ByName accepts.
func Names() []string {
	return []string{"article", "paper", "fast", "quick", "best", FineTune, "head"}
}

// ByName returns one of these recipes, which callers can change:
//
//   - article: the settings with which many tutorials fine-tune a ResNet-50. Batch 64, SGD with
//     learning rate 0.001 and momentum 0.9, 10 epochs, pixels scaled to −1 … 1, no augmentation.
//   - paper: He et al. 2015, section 4.2. ResNet-20, batch 128, SGD with learning rate 0.1,
//     divided by 10 after about 32,000 and 48,000 of 64,000 steps (164 epochs of 391),
//     momentum 0.9, weight decay 1e-4, 4-pixel crop and flip.
//   - fast: ResNet-20 in 10 epochs, batch 128, SGD with Nesterov momentum 0.9, one-cycle
//     learning rate with peak 0.4, weight decay 5e-4, 4-pixel crop and flip.
//   - quick: ResNet-20 in about ten minutes on two cores. 11 epochs, batch 128, on images of 16 and
//     then 24 pixels in the first three quarters of the run; Muon for the kernels, SGD with Nesterov
//     momentum 0.9 for the rest, one-cycle learning rate with peak 0.4, weight decay 5e-4, 2-pixel
//     crop and flip.
//   - best: ResNet-20 in one to two hours on two cores, or in minutes on a GPU. 100 epochs, batch 128, SGD
//     with Nesterov momentum 0.9 and learning rate 0.1, cosine schedule with a short warm-up, weight
//     decay 5e-4, 4-pixel crop and flip. These are the field's usual settings; no others were tried.
//   - finetune: fine-tunes a trained network with a new last layer. 10 epochs, batch 64, SGD with
//     momentum 0.9 and learning rate 0.01 (0.1 for the last layer), cosine schedule, weight decay
//     5e-4, 4-pixel crop and flip. The running statistics do not change.
//   - head: trains only the last layer of such a network. 10 epochs, batch 64, SGD with momentum
//     0.9 and learning rate 0.1, no augmentation.
//
// For fine-tuning, replace the recipe's model and normalization by those of the trained network.
func ByName(name string) (Recipe, error) {
	model := "resnet20"
	recipe := Recipe{Name: name, BatchSize: 128, Momentum: 0.9, DecayNormsAndBiases: true,
		Augment: dataset.Augment{Crop: 4, Flip: true}, Normalization: dataset.CIFAR10Normalization(), Seed: 42}
	switch name {
	case "article":
		model = "resnet50"
		recipe.Epochs, recipe.BatchSize = 10, 64
		recipe.LearningRate, recipe.Schedule = 0.001, optim.Schedule{Kind: optim.Constant}
		recipe.Augment = dataset.Augment{}
		recipe.Normalization = dataset.HalfNormalization()
	case "paper":
		recipe.Epochs = 164
		recipe.LearningRate = 0.1
		recipe.Schedule = optim.Schedule{Kind: optim.MultiStep, Milestones: []float64{0.5, 0.75}, Gamma: 0.1}
		recipe.WeightDecay = 1e-4
	case "fast":
		recipe.Epochs, recipe.DropLast = 10, true
		recipe.LearningRate = 0.4
		recipe.Schedule = optim.Schedule{Kind: optim.OneCycle, WarmUp: 0.3, Initial: 0.04, Final: 4e-6}
		recipe.Nesterov, recipe.WeightDecay = true, 5e-4
	case "quick":
		recipe.Epochs, recipe.DropLast = 11, true
		recipe.Sizes = dataset.Sizes{{Until: 0.45, Pixels: 16}, {Until: 0.75, Pixels: 24}}
		recipe.LearningRate, recipe.Muon = 0.4, 0.2
		recipe.Schedule = optim.Schedule{Kind: optim.OneCycle, WarmUp: 0.2, Initial: 0.1, Final: 0.001}
		recipe.Nesterov, recipe.WeightDecay = true, 5e-4
		recipe.Augment.Crop = 2
	case "best":
		recipe.Epochs, recipe.DropLast = 100, true
		recipe.LearningRate = 0.1
		recipe.Schedule = optim.Schedule{Kind: optim.Cosine, WarmUp: 0.02, Initial: 0.1}
		recipe.Nesterov, recipe.WeightDecay = true, 5e-4
	case FineTune:
		recipe.Epochs, recipe.BatchSize = 10, 64
		recipe.LearningRate, recipe.HeadLearningRateMultiplier, recipe.FreezeNorms = 0.01, 10, true
		recipe.Schedule = optim.Schedule{Kind: optim.Cosine}
		recipe.WeightDecay = 5e-4
	case "head":
		recipe.Epochs, recipe.BatchSize = 10, 64
		recipe.LearningRate, recipe.Schedule = 0.1, optim.Schedule{Kind: optim.Constant}
		recipe.Freeze = "body"
		recipe.Augment = dataset.Augment{}
	default:
		return Recipe{}, fmt.Errorf("unknown recipe %q; the recipes are %s", name, strings.Join(Names(), ", "))
	}
	config, err := resnet.ByName(model)
	if err != nil {
		return Recipe{}, err
	}
	recipe.Model = config
	return recipe, nil
}

// The precisions that a recipe can have.
const (
	Float32  = "float32"
	BFloat16 = "bfloat16"
)

// Precisions returns the values that Recipe.Precision can have.
func Precisions() []string { return []string{Float32, BFloat16} }

// DType returns the dtype of the activations.
func (r Recipe) DType() dtypes.DType {
	if r.Precision == BFloat16 {
		return dtypes.BFloat16
	}
	return dtypes.Float32
}

// The largest values that Validate accepts, far above what anyone needs. A batch has to fit into
// memory, and the steps of a run are counted in an int.
const (
	maxEpochs    = 1_000_000
	maxBatchSize = 1 << 16
	maxMargin    = 4096 // of a crop or a cutout, in pixels: the largest side of an image
)

// Validate returns an error if the recipe is not valid. A recipe from a file may contain anything, so
// all sizes are bounded before anything is built.
func (r Recipe) Validate() error {
	if err := r.Model.Validate(); err != nil {
		return err
	}
	if err := r.Schedule.Validate(); err != nil {
		return err
	}
	if err := r.Training().Validate(r.Model); err != nil {
		return fmt.Errorf("recipe %s: %w", r.Name, err)
	}
	devices := max(1, r.Devices)
	switch {
	case r.Precision != "" && !slices.Contains(Precisions(), r.Precision):
		return fmt.Errorf("recipe %s: unknown precision %q; the precisions are %s", r.Name, r.Precision, strings.Join(Precisions(), ", "))
	case r.Devices < 0:
		return fmt.Errorf("recipe %s: %d devices, want at least 1", r.Name, r.Devices)
	case r.BatchSize/devices < 2 && r.LocalNorms:
		return fmt.Errorf("recipe %s: batches of %d leave too few images for local batch norm on each of %d devices, want at least 2", r.Name, r.BatchSize, devices)
	case r.BatchSize%devices != 0:
		return fmt.Errorf("recipe %s: batches of %d cannot be shared out to %d devices; choose a multiple of %d", r.Name, r.BatchSize, devices, devices)
	case r.Epochs < 1:
		return fmt.Errorf("recipe %s: %d epochs, want at least 1", r.Name, r.Epochs)
	case r.Epochs > maxEpochs:
		return fmt.Errorf("recipe %s: %d epochs, want at most %d", r.Name, r.Epochs, maxEpochs)
	case r.BatchSize > maxBatchSize:
		return fmt.Errorf("recipe %s: batch size %d, want at most %d", r.Name, r.BatchSize, maxBatchSize)
	case min(r.Augment.Crop, r.Augment.Cutout) < 0 || max(r.Augment.Crop, r.Augment.Cutout) > maxMargin:
		return fmt.Errorf("recipe %s: crop %d and cutout %d, want 0 to the image size, at most %d", r.Name, r.Augment.Crop, r.Augment.Cutout, maxMargin)
	case r.BatchSize < 2:
		return fmt.Errorf("recipe %s: batch size %d, want at least 2: batch norm needs more than one image", r.Name, r.BatchSize)
	case !(r.LearningRate > 0) || math.IsInf(r.LearningRate, 0):
		return fmt.Errorf("recipe %s: learning rate %g, want a finite number above 0", r.Name, r.LearningRate)
	case !(r.HeadLearningRateMultiplier >= 0) || math.IsInf(r.HeadLearningRateMultiplier, 0):
		return fmt.Errorf("recipe %s: head learning-rate multiplier %g, want a finite number of at least 0", r.Name, r.HeadLearningRateMultiplier)
	case !(r.Momentum >= 0 && r.Momentum < 1):
		return fmt.Errorf("recipe %s: momentum %g, want 0 ≤ momentum < 1", r.Name, r.Momentum)
	case r.Nesterov && r.Momentum == 0:
		return fmt.Errorf("recipe %s: Nesterov needs a momentum above 0", r.Name)
	case !(r.WeightDecay >= 0) || math.IsInf(r.WeightDecay, 0):
		return fmt.Errorf("recipe %s: weight decay %g, want a finite number of at least 0", r.Name, r.WeightDecay)
	case !(r.Muon >= 0) || math.IsInf(r.Muon, 0):
		return fmt.Errorf("recipe %s: Muon's multiple of the learning rate %g, want a finite number of at least 0", r.Name, r.Muon)
	case !(r.LabelSmoothing >= 0 && r.LabelSmoothing < 1):
		return fmt.Errorf("recipe %s: label smoothing %g, want 0 ≤ smoothing < 1", r.Name, r.LabelSmoothing)
	}
	if r.Validation < 0 {
		return fmt.Errorf("recipe %s: %d validation images, want at least 0", r.Name, r.Validation)
	}
	if err := r.Sizes.Validate(); err != nil {
		return fmt.Errorf("recipe %s: sizes: %w", r.Name, err)
	}
	if err := r.Normalization.Validate(); err != nil {
		return fmt.Errorf("recipe %s: %w", r.Name, err)
	}
	if r.Transform != nil {
		if err := r.Transform.Validate(); err != nil {
			return fmt.Errorf("recipe %s: %w", r.Name, err)
		}
	}
	return nil
}

// Batches returns the recipe's training batches over images, from the given step on.
func (r Recipe) Batches(images *dataset.Images, firstStep int) (*dataset.Batches, error) {
	return dataset.NewBatches(images, dataset.Options{
		BatchSize: r.BatchSize, DropLast: r.DropLast, Shuffle: true, Augment: r.Augment,
		Seed: r.Seed, Epochs: r.Epochs, FirstStep: firstStep,
	})
}

// Training returns which parts of the network the recipe trains, and how its batch norms work.
func (r Recipe) Training() resnet.Training {
	return resnet.Training{Freeze: r.Freeze, FreezeNorms: r.FreezeNorms, LocalNorms: r.LocalNorms}
}

// Optimizer returns the recipe's optimiser.
func (r Recipe) Optimizer() optimizer.Interface {
	return optim.SGD().LearningRate(r.LearningRate).Momentum(r.Momentum).Nesterov(r.Nesterov).
		WeightDecay(r.WeightDecay).DecayNormsAndBiases(r.DecayNormsAndBiases).Muon(r.Muon).
		LearningRateMultiplier(r.learningRateMultiplier).Done()
}

// learningRateMultiplier returns the multiplier for the variable at the given path.
func (r Recipe) learningRateMultiplier(variable string) float64 {
	if r.HeadLearningRateMultiplier != 0 && path.Base(path.Dir(variable)) == resnet.HeadName {
		return r.HeadLearningRateMultiplier
	}
	return 1
}
