package resnet_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/shapes10"
	"github.com/residual-go/residual/pkg/statedict"
)

// The whole idea in one page: train a residual network on CIFAR records, from the file to saved
// weights. Package run does the same and adds evaluation, checkpoints and metrics.
func Example_training() {
	dir := must(os.MkdirTemp("", "training"))
	defer os.RemoveAll(dir)

	// A file of CIFAR-10 records. These are drawings, so that the example runs anywhere; the file
	// of the same name from the binary version of CIFAR-10 works too.
	path := filepath.Join(dir, "data_batch_1.bin")
	var records bytes.Buffer
	check(cifar.WriteRecords(&records, shapes10.Train(200, 1)))
	check(os.WriteFile(path, records.Bytes(), 0o644))

	// Read it, and make batches in random order, with random crops and flips.
	file := must(os.Open(path))
	defer file.Close()
	pixels, labels, err := cifar.ReadRecords(file, cifar.CIFAR10, path)
	check(err)
	images := &dataset.Images{Name: path, Classes: cifar.CIFAR10.Classes(), Height: 32, Width: 32, Pixels: pixels, Labels: labels}
	const epochs = 5
	batches := must(dataset.NewBatches(images, dataset.Options{
		BatchSize: 50, Shuffle: true, Augment: dataset.Augment{Crop: 4, Flip: true}, Seed: 1, Epochs: epochs,
	}))

	// GoMLX's trainer builds the graph of a training step from network, loss and optimiser.
	config := must(resnet.CIFAR(8, 8))
	network := func(scope *model.Scope, pixels *graph.Node) *graph.Node {
		return config.Forward(scope.Store().Scope("/model"), dataset.CIFAR10Normalization().Apply(pixels))
	}
	store := model.NewStore()
	check(store.SetRNGStateFromSeed(1))
	sgd := optim.SGD().Momentum(0.9).Nesterov(true).WeightDecay(5e-4).Done()
	trainer := train.NewTrainer(must(backend.New("cpu")), store, network, nn.CrossEntropy(0), sgd, nil, nil)
	learningRate := optimizer.LearningRateVar(store.RootScope(), dtypes.Float32, 0)

	// Train.
	schedule := optim.Schedule{Kind: optim.OneCycle, WarmUp: 0.3, Initial: 0.1}
	var losses []float32
	for batch, err := range batches.Iter() {
		check(err)
		rate := schedule.Rate(0.1, len(losses), epochs*batches.StepsPerEpoch())
		check(learningRate.SetValue(tensors.FromScalar(float32(rate))))
		metrics := must(trainer.TrainStep(batch))
		losses = append(losses, tensors.ToScalar[float32](metrics[0]))
	}
	fmt.Println(len(losses), "steps; the loss is lower than at the start:", losses[len(losses)-1] < losses[0])

	// Save the weights as safetensors, with the names and layouts of a PyTorch state_dict.
	weights := must(statedict.FromScope(store.Scope("/model")))
	check((&statedict.Dict{Tensors: weights}).Save(filepath.Join(dir, "resnet8.safetensors")))
	fmt.Println(len(weights), "tensors saved; conv1.weight is", weights["conv1.weight"].Shape)
	// Output:
	// 20 steps; the loss is lower than at the start: true
	// 37 tensors saved; conv1.weight is [8 3 3 3]
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
