package weights

import "github.com/residual-go/residual/pkg/statedict"

// File is what a file of weights holds, under the names it has there.
type File struct {
	Path string
	// Format is "safetensors", "PyTorch zip", or "PyTorch pickle", as torch.save wrote before
	// version 1.6.
	Format string
	// Tensors are those of floating-point numbers, converted to float32, row by row.
	Tensors map[string]statedict.Tensor
	// Counters are the single whole numbers, as num_batches_tracked.
	Counters map[string]int64
	// Metadata is the __metadata__ of a safetensors file; nil for PyTorch's.
	Metadata map[string]string
}

// ReadFile reads the weights in the file at path. What format it has is told by its content,
// not by its name.
func ReadFile(path string) (*File, error) {
	d, err := statedict.Load(path)
	if err != nil {
		return nil, err
	}
	return &File{Path: path, Format: "safetensors", Tensors: d.Tensors, Metadata: d.Metadata}, nil
}
