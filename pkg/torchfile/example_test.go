package torchfile_test

import (
	"fmt"
	"log"
	"maps"
	"os"
	"slices"

	"github.com/residual-go/residual/pkg/torchfile"
)

// Read the state dict in a checkpoint that torch.save wrote. The optimiser's state and
// everything else in it is ignored, and no Python code is run.
func ExampleRead() {
	file, err := os.Open("../tensorfile/testdata/formats/checkpoint-model.pth")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		log.Fatal(err)
	}
	contents, err := torchfile.Read(file, info.Size(), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(contents.Format)
	for _, name := range slices.Sorted(maps.Keys(contents.Tensors)) {
		fmt.Println(name, contents.Tensors[name].Shape)
	}
	fmt.Println(contents.Counters)
	// Output:
	// PyTorch zip
	// bn1.bias [2]
	// bn1.running_mean [2]
	// bn1.running_var [2]
	// bn1.weight [2]
	// conv1.weight [2 1 2 2]
	// fc.bias [3]
	// fc.weight [3 2]
	// map[bn1.num_batches_tracked:2]
}
