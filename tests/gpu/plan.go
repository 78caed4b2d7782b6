package main

import (
	"fmt"
	"slices"

	"github.com/residual-go/residual/pkg/recipe"
)

// The peers. All but ours are Python programs in the packed folder.
const (
	ours        = "ours"
	eager       = "torch"                 // PyTorch without compiling
	compiled    = "torch-compile"         // torch.compile
	graphed     = "torch-reduce-overhead" // torch.compile in the mode that replays CUDA graphs
	tuned       = "torch-max-autotune"    // torch.compile in the mode that tries the most kernels
	jax         = "jax"
	torchRecipe = "torch-recipe" // the program of pack's flag -peer, which trains by our fast recipe
)

// The parts, in the order in which they run: the most important first.
const (
	machinePart  = "machine"
	testsPart    = "tests"
	speedPart    = "speed"
	recordPart   = "record"
	fastPart     = "fast"
	profilePart  = "profile"
	accuracyPart = "accuracy"
	batchesPart  = "batches"
	float32Part  = "float32"
	autotunePart = "autotune"
)

func partNames() []string {
	return []string{machinePart, testsPart, speedPart, recordPart, fastPart, profilePart, accuracyPart, batchesPart, float32Part, autotunePart}
}

// spec is what one process measures: the speed of training steps, in images/s.
type spec struct {
	Peer    string `json:"peer,omitempty"`
	Network string `json:"network,omitempty"`
	// Size is the height and width of the images, in pixels.
	Size      int    `json:"size,omitempty"`
	Batch     int    `json:"batch,omitempty"`
	Precision string `json:"precision,omitempty"`
}

func (s spec) String() string {
	return fmt.Sprintf("%s at %d×%d, batch %d, %s, %s", s.Network, s.Size, s.Size, s.Batch, s.Precision, s.Peer)
}

// contest is a comparison of several peers, which measure in turn.
type contest struct {
	part  string
	of    spec // without a peer
	peers []string
}

// together reports whether the peers of a contest should be alive at the same time. Their memory grows
// with the number of pixels in a batch. We estimate, without having measured it, that a large card can
// hold several peers with 128 images of 224×224 in bfloat16. Peers that fail are tried again alone.
func (c contest) together() bool {
	bytes := 4
	if c.of.Precision == recipe.BFloat16 {
		bytes = 2
	}
	return c.of.Batch*c.of.Size*c.of.Size*bytes <= 128*224*224*2
}

// A subject is a network, the size of its images in pixels, and its batch size in the speed part.
type subject struct {
	network     string
	size, batch int
}

// plan lists what to measure.
type plan struct {
	subjects []subject
	batches  []int
	// rounds is the number of windows measured for every peer, and seconds the length of each.
	rounds  int
	seconds float64
	// fast is the network trained by the fast recipe, once for every seed, for the given number of
	// epochs (0: the recipe's), on the first images of each record file (0: all).
	fast   string
	epochs int
	seeds  []uint64
	images int
	// depths are those of the networks to record by the paper's recipe, the deepest last, for the given
	// number of epochs (0: the recipe's), with each of the seeds.
	depths      []int
	paperEpochs int
	recordSeeds []uint64
	// These are the epochs, the batch size and the number of images for the article's program (0: as in
	// the recipe, and all images).
	articleEpochs, articleBatch, articleImages int
	// imageNet is the name of the file with the weights that it starts from, "" for the packed ones.
	imageNet string
}

func fullPlan() plan {
	return plan{
		// ResNet-20 at the batch size of the recipes: its steps are so short that they show what the host takes.
		subjects: []subject{{"resnet18-cifar", 32, 512}, {"resnet20", 32, 128}, {"resnet50", 32, 512}, {"resnet50", 224, 256}},
		batches:  []int{128, 256, 512, 1024},
		rounds:   3, seconds: 2,
		fast: "resnet18-cifar", seeds: []uint64{1, 2, 3},
		depths: []int{20, 56, 110}, recordSeeds: []uint64{1, 2, 3},
	}
}

// quickPlan is for trying out the program on any machine. Its numbers mean nothing.
func quickPlan() plan {
	return plan{
		subjects: []subject{{"resnet20", 32, 4}, {"resnet50", 64, 2}},
		batches:  []int{4, 2},
		rounds:   2, seconds: 0.05,
		fast: "resnet20", epochs: 1, seeds: []uint64{1, 2}, images: 64,
		depths: []int{8, 14}, paperEpochs: 2, recordSeeds: []uint64{1, 2},
		articleEpochs: 1, articleBatch: 4, articleImages: 8,
	}
}

// contests returns the speed comparisons of a part.
func (p plan) contests(part string) []contest {
	var all []contest
	for _, s := range p.subjects {
		of := spec{Network: s.network, Size: s.size, Batch: s.batch, Precision: recipe.BFloat16}
		switch part {
		case speedPart:
			all = append(all, contest{part, of, []string{ours, eager, compiled, jax, graphed}})
		case autotunePart: // a part of its own, and the last: it compiles for minutes
			all = append(all, contest{part, of, []string{ours, tuned}})
		case batchesPart:
			for _, of.Batch = range p.batches {
				if of.Batch != s.batch {
					all = append(all, contest{part, of, []string{ours, eager, compiled, jax}})
				}
			}
		case float32Part:
			of.Precision = recipe.Float32
			for _, of.Batch = range p.batches {
				all = append(all, contest{part, of, []string{ours, eager, compiled, jax}})
			}
		}
	}
	return all
}

// training is a run of the fast recipe.
type training struct {
	Peer      string `json:"peer"`
	Network   string `json:"network"`
	Precision string `json:"precision"`
	Seed      uint64 `json:"seed"`
	Epochs    int    `json:"epochs,omitempty"`
}

// trainings returns the training runs of a part: ours and PyTorch's in fast, and ours in float32 in
// accuracy, to compare with ours in fast.
func (p plan) trainings(part string) []training {
	var all []training
	for _, seed := range p.seeds {
		t := training{ours, p.fast, recipe.BFloat16, seed, p.epochs}
		switch part {
		case fastPart:
			all = append(all, t)
			t.Peer = torchRecipe
			all = append(all, t)
		case accuracyPart:
			t.Precision = recipe.Float32
			all = append(all, t)
		}
	}
	return all
}

// known returns an error unless all parts are in partNames.
func known(parts []string) error {
	for _, part := range parts {
		if !slices.Contains(partNames(), part) {
			return fmt.Errorf("unknown part %q; the parts are %v", part, partNames())
		}
	}
	return nil
}
