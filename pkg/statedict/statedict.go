// Package statedict keeps a network's weights in files the way PyTorch does: safetensors
// files whose tensors have the names and layouts of a torchvision state_dict.
//
// [FromScope], [ToScope] and [Update] convert between such tensors and the variables of a
// GoMLX model. The file's names have dots where the model's have slashes. A convolution's weight is
// [out, in, height, width] in the file and [height, width, in, out] in the model; a linear
// layer's weight is [out, in] in the file and [in, out] in the model.
//
// [Compare] says how a state dict differs from a network, in the words of PyTorch's
// load_state_dict: missing, unexpected and mismatched.
package statedict

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/safetensors"
	"github.com/residual-go/residual/pkg/tensorfile"
)

// Tensor is a float32 tensor in PyTorch's layout.
type Tensor = tensorfile.Tensor

// Dict is the content of a file.
type Dict struct {
	// Tensors are the weights and running statistics, by name.
	Tensors map[string]Tensor
	// Metadata is the text stored beside them.
	Metadata map[string]string
}

// Save writes d to path, completely or not at all. The file gets a checksum; see
// [safetensors.Write].
func (d *Dict) Save(path string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		return safetensors.Write(w, d.Tensors, d.Metadata)
	})
}

// SaveFloat16 is like [Dict.Save] but uses [safetensors.WriteFloat16], which makes a file of half the size,
// for a network that will not be trained further. [Load] refuses it; package weights reads it.
func (d *Dict) SaveFloat16(path string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		return safetensors.WriteFloat16(w, d.Tensors, d.Metadata)
	})
}

// Load reads a file that Save wrote and verifies its checksum. It is an error, which names
// the file, if it is damaged, is not a safetensors file, or holds anything but float32.
func Load(path string) (*Dict, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	damaged := func(err error) error {
		return fmt.Errorf("%s is damaged or not a safetensors file: %w", path, err)
	}
	content, err := safetensors.Open(file, info.Size())
	if err != nil {
		return nil, damaged(err)
	}
	for _, entry := range content.Entries {
		if entry.DType != tensorfile.Float32 {
			return nil, fmt.Errorf("%s: %s has dtype %s, want float32", path, entry.Name, entry.DType)
		}
	}
	read, err := content.Read()
	if err != nil {
		return nil, damaged(err)
	}
	return &Dict{Tensors: read.Tensors, Metadata: content.Metadata}, nil
}

// FromScope returns the values of all variables under scope, by their names in a state dict.
// It is an error if a variable has no value or is not float32.
func FromScope(scope *model.Scope) (map[string]Tensor, error) {
	found := map[string]Tensor{}
	for variable := range scope.IterVariables() {
		name, _ := resnet.StateDictKey(scope, variable)
		value, err := variable.Value()
		if err != nil {
			return nil, fmt.Errorf("get weights: %s: %w", name, err)
		}
		if value.DType() != dtypes.Float32 {
			return nil, fmt.Errorf("get weights: %s has dtype %s, want float32", name, value.DType())
		}
		data, err := tensors.CopyFlatData[float32](value)
		if err != nil {
			return nil, fmt.Errorf("get weights: %s: %w", name, err)
		}
		shape := value.Shape().Dimensions
		order := fromModel[len(shape)]
		found[name] = Tensor{Shape: permute(shape, order), Data: transpose(data, shape, order)}
	}
	return found, nil
}

// ToScope gives every variable under scope, which [resnet.Config.Declare] or a forward pass
// has made, its value from the tensors. Names and shapes must match exactly; otherwise the
// error is a [*MismatchError] and no variable is changed.
func ToScope(scope *model.Scope, from map[string]Tensor) error {
	return assign(scope, from, false)
}

// Update is ToScope for some of the variables: those without a tensor keep their values.
func Update(scope *model.Scope, from map[string]Tensor) error {
	return assign(scope, from, true)
}

func assign(scope *model.Scope, from map[string]Tensor, partial bool) error {
	comparison := Compare(shapesUnder(scope), from)
	if partial {
		comparison.Missing = nil
	}
	if err := comparison.Err("the network"); err != nil {
		return err
	}
	for _, name := range comparison.Loaded {
		if err := from[name].Validate(); err != nil {
			return fmt.Errorf("load weights: %s %w", name, err)
		}
	}
	for variable := range scope.IterVariables() {
		name, _ := resnet.StateDictKey(scope, variable)
		if tensor, ok := from[name]; ok {
			if err := variable.SetValue(modelTensor(tensor)); err != nil {
				return fmt.Errorf("load weights: %s: %w", name, err)
			}
		}
	}
	return nil
}

// Create makes variables under scope with the given values. None of them may exist yet, and
// none is trainable.
func Create(scope *model.Scope, from map[string]Tensor) {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		parts := strings.Split(key, ".")
		at := scope
		for _, part := range parts[:len(parts)-1] {
			at = at.At("%s", part)
		}
		at.VariableWithValue(parts[len(parts)-1], modelTensor(from[key])).SetTrainable(false)
	}
}
