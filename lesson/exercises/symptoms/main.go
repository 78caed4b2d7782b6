// Command symptoms trains small networks with the code in the folders of the find-the-bug
// exercises and prints how well they do. Run it before and after you fix the bug:
//
//	go run ./lesson/exercises/symptoms bugblock
//
// The images are the built-in Shapes-10. It speaks the language of the environment, English or Chinese.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/bugblock"
	"github.com/residual-go/residual/lesson/exercises/bughead"
	"github.com/residual-go/residual/lesson/exercises/bugnorm"
	"github.com/residual-go/residual/lesson/exercises/nn"
	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	pkgnn "github.com/residual-go/residual/pkg/nn"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/shapes10"
)

func main() {
	language := words.Preferred(os.Getenv)
	if len(os.Args) != 2 || symptoms[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, language.Sprintf("usage: %s", "go run ./lesson/exercises/symptoms bugblock|bugnorm|bughead"))
		os.Exit(2)
	}
	if err := show(os.Stdout, language, os.Args[1], 2000, 4); err != nil {
		fmt.Fprintln(os.Stderr, "symptoms:", err)
		os.Exit(1)
	}
}

var symptoms = map[string]func(w io.Writer, l *laboratory) error{
	"bugblock": blockSymptoms,
	"bugnorm":  normSymptoms,
	"bughead":  headSymptoms,
}

// show prints the symptoms of an exercise, after training on that many images for that many
// epochs.
func show(w io.Writer, language words.Language, exercise string, images, epochs int) error {
	device, err := backend.New(backend.Auto)
	if err != nil {
		return err
	}
	const seed = 42
	return symptoms[exercise](w, &laboratory{language, device, shapes10.Train(images, seed), shapes10.Test(images/2, seed), epochs})
}

// blockSymptoms compares a shallow and a deep network made of the exercise's blocks.
func blockSymptoms(w io.Writer, l *laboratory) error {
	block := func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		return bugblock.Block(scope, x, channels, stride, shortcut(nn.Norm))
	}
	for _, blocks := range []int{1, 5} {
		trained, err := l.train(network(nn.Norm, blocks, block, averageHead))
		if err != nil {
			return err
		}
		trained.finalize()
		fmt.Fprintln(w, l.language.Sprintf("%d layers: training loss of the last epoch %.2f", 6*blocks+2, trained.loss))
	}
	return nil
}

// normSymptoms compares the accuracy of a network with the exercise's batch norm on the same
// images in training and after it.
func normSymptoms(w io.Writer, l *laboratory) error {
	trained, err := l.train(network(bugnorm.Norm, 1, basic(bugnorm.Norm), averageHead))
	if err != nil {
		return err
	}
	defer trained.finalize()
	after, err := trained.accuracy(l.training, 0)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, l.language.Sprintf("training images, in training, last epoch: %.1f%% right", 100*trained.right))
	fmt.Fprintln(w, l.language.Sprintf("the same images, after training: %.1f%% right", 100*after))
	return nil
}

// headSymptoms compares the accuracy of a network with the exercise's head on images and on
// the same images moved sideways: what leaves on one side comes back on the other.
func headSymptoms(w io.Writer, l *laboratory) error {
	trained, err := l.train(network(nn.Norm, 1, basic(nn.Norm), bughead.Head))
	if err != nil {
		return err
	}
	defer trained.finalize()
	for _, pixels := range []int{0, 8, 16} {
		right, err := trained.accuracy(l.test, pixels)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, l.language.Sprintf("test images, moved sideways by %d pixels: %.1f%% right", pixels, 100*right))
	}
	return nil
}

type (
	norm func(scope *model.Scope, x *graph.Node) *graph.Node
	head func(scope *model.Scope, x *graph.Node, classes int) *graph.Node
)

// network builds a CIFAR ResNet with the given number of blocks per stage, so 6·blocks+2
// layers. Its stem has stride 2, to save time.
func network(norm norm, blocks int, block nn.Block, head head) func(scope *model.Scope, images *graph.Node) *graph.Node {
	return func(scope *model.Scope, x *graph.Node) *graph.Node {
		channels, stride := 16, 1
		x = nn.ReLU(norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, channels, 3, 2)))
		for stage := range 3 {
			stageScope := scope.In("layer%d", stage+1)
			for i := range blocks {
				x = block(stageScope.In("%d", i), x, channels, stride)
				stride = 1
			}
			channels, stride = 2*channels, 2
		}
		return head(scope, x, len(shapes10.Classes()))
	}
}

func averageHead(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
	return nn.Linear(scope.In("fc"), nn.GlobalAveragePool(x), classes)
}

func basic(norm norm) nn.Block {
	return func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		y := nn.ReLU(norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, channels, 3, stride)))
		y = norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, channels, 3, 1))
		return nn.ReLU(graph.Add(y, shortcut(norm)(scope.In("downsample"), x, channels, stride)))
	}
}

func shortcut(norm norm) nn.Shortcut {
	return func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		if stride == 1 && x.Shape().Dim(-1) == channels {
			return x
		}
		return norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, stride))
	}
}

// laboratory holds what all networks are trained with.
type laboratory struct {
	language       words.Language
	device         compute.Backend
	training, test *dataset.Images
	epochs         int
}

// trained is a trained network.
type trained struct {
	loss, right float64 // mean training loss and accuracy over the last epoch
	store       *model.Store
	predict     *model.Exec
}

func (t *trained) finalize() {
	t.predict.Finalize()
	t.store.Finalize()
}

const batchSize = 50

var normalization = dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}

// train trains a network. Every network gets the same random seed and the same batches.
func (l *laboratory) train(network func(scope *model.Scope, images *graph.Node) *graph.Node) (*trained, error) {
	t := &trained{store: model.NewStore()}
	if err := t.store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	sgd := optim.SGD().LearningRate(0.05).Momentum(0.9).Done()
	step, err := model.NewExec(l.device, t.store, func(scope *model.Scope, inputs []*graph.Node) []*graph.Node {
		pixels, labels := inputs[0], inputs[1]
		g := pixels.Graph()
		t.store.SetTraining(g, true)
		logits := network(scope.In("network"), normalization.Apply(pixels))
		loss := pkgnn.CrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{logits})
		sgd.UpdateGraph(scope, g, loss)
		return []*graph.Node{loss, graph.ArgMax(logits, -1)}
	})
	if err != nil {
		return nil, err
	}
	defer step.Finalize()
	t.predict, err = model.NewExec(l.device, t.store, func(scope *model.Scope, pixels *graph.Node) *graph.Node {
		t.store.SetTraining(pixels.Graph(), false)
		return graph.ArgMax(network(scope.In("network"), normalization.Apply(pixels)), -1)
	})
	if err != nil {
		return nil, err
	}

	batches, err := dataset.NewBatches(l.training, dataset.Options{BatchSize: batchSize, DropLast: true, Shuffle: true, Seed: 1, Epochs: l.epochs})
	if err != nil {
		return nil, err
	}
	steps := 0
	for batch, err := range batches.Iter() {
		if err != nil {
			return nil, err
		}
		labels, err := tensors.CopyFlatData[int32](batch.Labels[0])
		if err != nil {
			return nil, err
		}
		outputs, err := step.Call(batch.Inputs[0], batch.Labels[0])
		if err != nil {
			return nil, err
		}
		loss, err := tensors.CopyFlatData[float32](outputs[0])
		if err != nil {
			return nil, err
		}
		guesses, err := tensors.CopyFlatData[int32](outputs[1])
		if err != nil {
			return nil, err
		}
		if steps++; steps > (l.epochs-1)*batches.StepsPerEpoch() {
			t.loss += float64(loss[0]) / float64(batches.StepsPerEpoch())
			t.right += share(guesses, labels) / float64(batches.StepsPerEpoch())
		}
	}
	return t, nil
}

// accuracy returns the accuracy on the images when each is moved to the right by that many
// pixels.
func (t *trained) accuracy(images *dataset.Images, pixels int) (float64, error) {
	var guesses []int32
	for batch := range slices.Chunk(images.Pixels, batchSize*images.ImageSize()) {
		moved := make([]byte, 0, len(batch))
		for row := range slices.Chunk(batch, 3*images.Width) {
			cut := len(row) - 3*pixels
			moved = append(append(moved, row[cut:]...), row[:cut]...)
		}
		x := tensors.FromFlatDataAndDimensions(moved, len(batch)/images.ImageSize(), images.Height, images.Width, 3)
		y, err := t.predict.Call1(x)
		if err != nil {
			return 0, err
		}
		guessed, err := tensors.CopyFlatData[int32](y)
		if err != nil {
			return 0, err
		}
		guesses = append(guesses, guessed...)
	}
	return share(guesses, images.Labels), nil
}

// share returns the share of guesses that equal their labels.
func share(guesses, labels []int32) float64 {
	right := 0
	for i, guess := range guesses {
		if guess == labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(guesses))
}
