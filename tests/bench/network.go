package main

// The modes, by their names in torch_step.py.
const (
	trainMode = "train"
	evalMode  = "eval"
)

// size is the height and width of the images.
const size = 32

// networkNames returns the networks that torch_step.py has too.
func networkNames() []string {
	return []string{"resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet18-cifar", "resnet18", "resnet50"}
}

// depths are those of the CIFAR networks in He et al. 2015, which are named after them.
var depths = []int{20, 32, 44, 56, 110}

// modeName returns the mode in words.
func modeName(mode string) string {
	if mode == trainMode {
		return "training"
	}
	return "inference"
}
