package main

import (
	"fmt"

	"github.com/residual-go/residual/pkg/resnet"
)

// The modes, as torch_step.py names them.
const (
	trainMode = "train"
	evalMode  = "eval"
)

// size is the height and width of the images, and classes the number of logits.
const (
	size    = 32
	classes = 10
)

// networkNames are the networks that torch_step.py knows too.
func networkNames() []string {
	return []string{"resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet18-cifar", "resnet18", "resnet50"}
}

// depths are those of the paper's CIFAR networks, which are named after them.
var depths = []int{20, 32, 44, 56, 110}

// network returns the named network as torch_step.py has it.
func network(name string) (resnet.Config, error) {
	config, err := resnet.ByName(name)
	if err != nil {
		return config, err
	}
	config.Classes = classes
	// The CIFAR family has shortcut A, which PyTorch has no layer for.
	config.Shortcut = resnet.ShortcutB
	return config, nil
}

// multiplyAdds counts those of a forward pass for one image.
func multiplyAdds(name string) (int64, error) {
	config, err := network(name)
	if err != nil {
		return 0, err
	}
	summary, err := config.Summary(size, size)
	if err != nil {
		return 0, fmt.Errorf("count the work of %s: %w", name, err)
	}
	return summary.MultiplyAdds, nil
}

// operations is the number of floating point operations for one image: two for a
// multiply-add, and three times as many in training, as every product of the forward pass
// has two like it in the backward pass.
func operations(multiplyAdds int64, mode string) float64 {
	n := 2 * float64(multiplyAdds)
	if mode == trainMode {
		n *= 3
	}
	return n
}

// modeName is a mode in words.
func modeName(mode string) string {
	if mode == trainMode {
		return "training"
	}
	return "inference"
}
