package notebook

import (
	"fmt"
	"os"
	"path"
	"slices"
	"sync"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/weights"
)

// Networks are the paper's networks of 20 and 56 layers, plain and residual, trained on CIFAR-10.
type Networks struct {
	// Caption is the line in figures that says whose weights they are.
	Caption string
	// Recorded says that they are those of the recorded runs, which were trained for 24 epochs, and not the
	// public ones, trained for 164.
	Recorded bool
	models   map[string]*weights.Model
}

// publicNames are the names of the public weights, by A. Martyn, for [weights.Open].
var publicNames = map[string]string{
	"plain20": "plain20.cifar10", "plain56": "plain56.cifar10",
	"resnet20": "resnet20.martyn_cifar10", "resnet56": "resnet56.martyn_cifar10",
}

// recordedRuns is the folder of the runs that stand in for the public weights.
const recordedRuns = "cifar10-jpeg-24-epochs"

// TrainedNetworks returns A. Martyn's networks if all four are in the cache or can be downloaded (9 MB), and
// those of the recorded runs otherwise. The first call in a notebook prints which; the later ones take
// the same.
var TrainedNetworks = sync.OnceValue(trainedNetworks)

func trainedNetworks() *Networks {
	const public = "Networks: plain20, plain56, resnet20 and resnet56 by A. Martyn, trained for 164 epochs on CIFAR-10 (github.com/a-martyn/resnet, BSD-3-Clause)."
	const stand = "Networks: plain20, plain56, resnet20 and resnet56 of the recorded runs, trained for 24 epochs on CIFAR-10 (JPEG). " +
		"A. Martyn's, trained for 164, are neither in the cache nor can they be downloaded."
	n := &Networks{Caption: "weights: A. Martyn (BSD-3), 164 epochs on CIFAR-10", models: map[string]*weights.Model{}}
	n.Recorded = printed(stand) // do not wait for the network again
	for name, spec := range publicNames {
		if n.Recorded {
			break
		}
		m, err := weights.Open(Context(), spec, weights.Options{})
		if err != nil {
			Check(Context().Err())
			n.Recorded = true
			break
		}
		n.models[name] = m
	}
	text := public
	if n.Recorded {
		text = stand
		n.Caption = "weights: recorded run, 24 epochs on CIFAR-10 (JPEG)"
		for name := range publicNames {
			n.models[name] = RecordedWeights(path.Join(recordedRuns, name))
		}
	}
	if first(text) {
		Say(text)
	}
	return n
}

// Model returns the network of the given name: plain20, plain56, resnet20 or resnet56.
func (n *Networks) Model(name string) *weights.Model {
	m, ok := n.models[name]
	if !ok {
		Check(fmt.Errorf("there is no trained network %q: use plain20, plain56, resnet20 or resnet56", name))
	}
	return m
}

// Ask returns the images with labels that a network can be tested with. If the network knows the
// images' classes, they are the images' own. If not, as with a network for photographs and drawn shapes,
// each label is the answer that the network gives; its accuracy is then the share of answers that it
// still gives after a change. The first time, Ask prints that.
func Ask(m *weights.Model, images *dataset.Images) *dataset.Images {
	if slices.Equal(m.Classes, images.Classes) {
		return images
	}
	const text = "These networks were trained on photographs and do not know drawn shapes. So the label of an image is what the whole network " +
		"says of it, one of CIFAR-10's classes, and accuracy means: the share of images of which it still says the same."
	if first(text) {
		Say(text)
	}
	store := model.NewStore()
	defer store.Finalize()
	Check(m.Restore(store, run.ModelPath))
	network := Must(infer.New(Backend(), store, run.ModelPath, m.Config, m.Normalization))
	defer network.Finalize()
	asked := *images
	asked.Classes, asked.Labels = m.Classes, make([]int32, images.Len())
	for i, guess := range Must(network.Evaluate(Context(), &asked, 250, nil)).Guesses {
		asked.Labels[i] = int32(guess)
	}
	return &asked
}

// ImageNetVariable is the environment variable that names a file with a network trained on ImageNet, for
// the notebooks that fine-tune one and look at one.
const ImageNetVariable = "RESIDUAL_COURSE_IMAGENET"

// ImageNet returns a network trained on ImageNet, ready for fine-tuning: that of the file which ImageNetVariable
// names, or else torchvision's ResNet-18, from the cache or the network (47 MB). It prints which. If there
// is none, it prints why and returns nil.
func ImageNet() *weights.Model {
	const torchvision = "resnet18"
	spec := os.Getenv(ImageNetVariable)
	given := spec != ""
	if !given {
		spec = torchvision
	}
	m, err := weights.Open(Context(), spec, weights.Options{NewHead: true})
	if err != nil {
		Check(Context().Err())
		if given {
			Check(err)
		}
		Say(fmt.Sprintf("This cell is skipped. It needs weights trained on ImageNet, torchvision's or a file that %s names: %s",
			ImageNetVariable, printable.Line(err.Error())))
		return nil
	}
	text := fmt.Sprintf("Weights: %s, trained on ImageNet, by torchvision", m.Config.Name)
	if given {
		text = fmt.Sprintf("Weights: %s, trained on ImageNet, of the file that %s names", m.Config.Name, ImageNetVariable)
	}
	Say(text)
	return m
}
