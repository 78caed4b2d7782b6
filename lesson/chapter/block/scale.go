package block

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/resnet"
)

// Scaling changes the convolutions of a network before it is trained. Each is followed by a
// batch norm, so the network's outputs do not depend on Weights, up to rounding and the small
// number that a batch norm adds to the variance.
type Scaling struct {
	// Weights multiplies the weights of all convolutions.
	Weights float64
	// Rate multiplies their learning rate, and not that of the other layers.
	Rate float64
}

// Trained is what [Train] returns.
type Trained struct {
	// Losses has the loss of each batch, before the step that uses it.
	Losses []float64
	// Moved is the change of the convolutions' weights from the first step to the last,
	// relative to their size at the start.
	Moved float64
}

// The training of [Train]. There is no weight decay, which would change the size of the weights.
const (
	scaleBatch    = 64
	scaleRate     = 0.05
	scaleMomentum = 0.9
	scaleSeed     = 1
)

// Train trains a new network on images for a number of steps of SGD with momentum. The network
// must be one in which a batch norm follows every convolution, as those of package resnet
// without pre-activation are. Equal arguments give equal batches and, before the scaling, equal
// weights.
func Train(backend compute.Backend, config resnet.Config, images *dataset.Images, scaling Scaling, steps int) (Trained, error) {
	trained, err := train(backend, config, images, scaling, steps)
	if err != nil {
		return Trained{}, fmt.Errorf("train %s: %w", config.Name, err)
	}
	return trained, nil
}

func train(backend compute.Backend, config resnet.Config, images *dataset.Images, scaling Scaling, steps int) (Trained, error) {
	if images.Len() < scaleBatch {
		return Trained{}, fmt.Errorf("%d images, want at least %d", images.Len(), scaleBatch)
	}
	store := model.NewStore()
	defer store.Finalize()
	scope := store.Scope("/model")
	if err := errors.Join(store.SetRNGStateFromSeed(scaleSeed), config.Declare(scope)); err != nil {
		return Trained{}, err
	}
	if err := store.InitializeVariables(backend, nil); err != nil {
		return Trained{}, err
	}
	convolutions := map[string]*model.Variable{} // by path
	for variable := range scope.IterVariables() {
		if variable.Shape().Rank() != 4 {
			continue
		}
		convolutions[variable.Path()] = variable
		if err := multiply(variable, scaling.Weights); err != nil {
			return Trained{}, err
		}
	}
	before, err := values(convolutions)
	if err != nil {
		return Trained{}, err
	}

	sgd := optim.SGD().LearningRate(scaleRate).Momentum(scaleMomentum).LearningRateMultiplier(func(path string) float64 {
		if convolutions[path] != nil {
			return scaling.Rate
		}
		return 1
	}).Done()
	exec, err := model.NewExec(backend, store, func(root *model.Scope, pixels, labels *graph.Node) *graph.Node {
		store.SetTraining(pixels.Graph(), true)
		logits := config.Forward(scope.ResetVisited(), dataset.CIFAR10Normalization().Apply(pixels))
		loss := nn.CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{logits})
		sgd.UpdateGraph(root, pixels.Graph(), loss)
		return loss
	})
	if err != nil {
		return Trained{}, err
	}
	defer exec.Finalize()

	var trained Trained
	random := rand.New(rand.NewPCG(scaleSeed, 0))
	var order []int
	for range steps {
		if len(order) < scaleBatch { // drop an incomplete batch and shuffle again
			order = random.Perm(images.Len())
		}
		batch := images.Pick(order[:scaleBatch])
		order = order[scaleBatch:]
		loss, err := exec.Call1(
			tensors.FromFlatDataAndDimensions(batch.Pixels, scaleBatch, images.Height, images.Width, 3),
			tensors.FromFlatDataAndDimensions(batch.Labels, scaleBatch, 1))
		if err != nil {
			return Trained{}, err
		}
		trained.Losses = append(trained.Losses, float64(tensors.ToScalar[float32](loss)))
	}
	after, err := values(convolutions)
	if err != nil {
		return Trained{}, err
	}
	trained.Moved = distance(before, after)
	return trained, nil
}

// multiply multiplies the values of a variable by a factor.
func multiply(variable *model.Variable, factor float64) error {
	value, err := variable.Value()
	if err != nil {
		return err
	}
	return tensors.MutableFlatData(value, func(flat []float32) {
		for i := range flat {
			flat[i] *= float32(factor)
		}
	})
}

// values returns copies of the values of variables.
func values(variables map[string]*model.Variable) (map[string][]float32, error) {
	copies := map[string][]float32{}
	for path, variable := range variables {
		value, err := variable.Value()
		if err != nil {
			return nil, err
		}
		if copies[path], err = tensors.CopyFlatData[float32](value); err != nil {
			return nil, err
		}
	}
	return copies, nil
}

// distance returns the Euclidean norm of after − before, relative to that of before.
func distance(before, after map[string][]float32) float64 {
	moved, size := 0.0, 0.0
	for path, values := range before {
		for i, v := range values {
			difference := float64(after[path][i]) - float64(v)
			moved += difference * difference
			size += float64(v) * float64(v)
		}
	}
	return math.Sqrt(moved / size)
}
