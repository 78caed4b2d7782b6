// Package statedict keeps a network's weights in files as PyTorch has them: safetensors
// files whose tensors have the names and the layouts of a torchvision state_dict.
//
// [FromScope] and [ToScope] stand between such tensors and the variables of a GoMLX
// model: names lose or gain their dots, and a convolution's weight changes between
// [out, in, height, width] in the file and [height, width, in, out] in the model, a
// linear layer's between [out, in] and [in, out].
package statedict

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/nlpodyssey/safetensors"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/resnet"
)

// Tensor is a tensor of float32 numbers in PyTorch's layout, row by row.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Dict is the content of a file.
type Dict struct {
	// Tensors by name.
	Tensors map[string]Tensor
	// Metadata is what else the file says, as text.
	Metadata map[string]string
}

// Save writes d to path, whole or not at all. Its metadata gets a checksum.
func (d *Dict) Save(path string) error {
	views := make(map[string]safetensors.TensorView, len(d.Tensors))
	for name, tensor := range d.Tensors {
		shape := make([]uint64, len(tensor.Shape))
		size := 1
		for i, dim := range tensor.Shape {
			shape[i] = uint64(dim)
			size *= max(0, dim)
		}
		if size == 0 || size != len(tensor.Data) || len(shape) == 0 {
			return fmt.Errorf("write %s: %s has shape %v and %d numbers", path, name, tensor.Shape, len(tensor.Data))
		}
		content := make([]byte, 0, 4*len(tensor.Data))
		for _, x := range tensor.Data {
			content = binary.LittleEndian.AppendUint32(content, math.Float32bits(x))
		}
		view, err := safetensors.NewTensorView(safetensors.F32, shape, content)
		if err != nil {
			return fmt.Errorf("write %s: %s: %w", path, name, err)
		}
		views[name] = view
	}
	metadata := maps.Clone(d.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata["format"] = "pt" // what other readers of safetensors look for
	metadata[ChecksumKey] = checksum(views, metadata)
	return atomicfile.Write(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(views, metadata, w)
	})
}

// Load reads a file that Save wrote and checks it against its checksum. A file that is
// damaged, or no safetensors file, is an error that names it.
func Load(path string) (*Dict, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	damaged := func(why any) error {
		return fmt.Errorf("%s is damaged or not a safetensors file of weights: %v", path, why)
	}
	_, header, err := safetensors.ReadMetadata(content)
	if err != nil {
		return nil, damaged(err)
	}
	file, err := safetensors.Deserialize(content)
	if err != nil {
		return nil, damaged(err)
	}
	d := &Dict{Tensors: map[string]Tensor{}, Metadata: header.Metadata()}
	views := map[string]safetensors.TensorView{}
	for _, named := range file.Tensors() {
		view := named.TensorView
		if view.DType() != safetensors.F32 {
			return nil, fmt.Errorf("%s: %s has type %s, want F32", path, named.Name, view.DType())
		}
		tensor := Tensor{Data: make([]float32, len(view.Data())/4)}
		for _, dim := range view.Shape() {
			if dim == 0 { // and so others may be of any size
				return nil, damaged(fmt.Sprintf("%s is empty, of shape %v", named.Name, view.Shape()))
			}
			tensor.Shape = append(tensor.Shape, int(dim))
		}
		for i := range tensor.Data {
			tensor.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(view.Data()[4*i:]))
		}
		d.Tensors[named.Name], views[named.Name] = tensor, view
	}
	if want, ok := d.Metadata[ChecksumKey]; ok && want != checksum(views, d.Metadata) {
		return nil, damaged("its checksum does not match its content")
	}
	return d, nil
}

// FromScope returns the values of all variables under scope, by their names in a
// state_dict. They must be float32 and have values.
func FromScope(scope *model.Scope) (map[string]Tensor, error) {
	found := map[string]Tensor{}
	for variable := range scope.IterVariables() {
		key, _ := resnet.StateDictKey(scope, variable)
		value, err := variable.Value()
		if err != nil {
			return nil, fmt.Errorf("weights: %s: %w", key, err)
		}
		if value.DType() != dtypes.Float32 {
			return nil, fmt.Errorf("weights: %s has type %s, want float32", key, value.DType())
		}
		data, err := tensors.CopyFlatData[float32](value)
		if err != nil {
			return nil, fmt.Errorf("weights: %s: %w", key, err)
		}
		shape := value.Shape().Dimensions
		found[key] = Tensor{permute(shape, fromModel[len(shape)]), transpose(data, shape, fromModel[len(shape)])}
	}
	return found, nil
}

// ToScope gives every variable under scope, which [resnet.Config.Declare] or a forward
// pass has made, its value from the tensors. Each variable must have a tensor of its shape
// and each tensor a variable; otherwise the error names the first that do not, and no
// variable is changed.
func ToScope(scope *model.Scope, from map[string]Tensor) error {
	return toScope(scope, from, true)
}

// Update is ToScope for some of the variables: those without a tensor stay as they are.
func Update(scope *model.Scope, from map[string]Tensor) error {
	return toScope(scope, from, false)
}

func toScope(scope *model.Scope, from map[string]Tensor, all bool) error {
	var problems []string
	known := map[string]bool{}
	values := map[*model.Variable]Tensor{}
	for variable := range scope.IterVariables() {
		key, _ := resnet.StateDictKey(scope, variable)
		known[key] = true
		tensor, ok := from[key]
		if !ok {
			if all {
				problems = append(problems, "no "+key)
			}
			continue
		}
		want := Shape(variable)
		if !slices.Equal(tensor.Shape, want) {
			problems = append(problems, fmt.Sprintf("%s has shape %v, want %v", key, tensor.Shape, want))
			continue
		}
		if len(tensor.Data) != variable.Shape().Size() {
			problems = append(problems, fmt.Sprintf("%s has shape %v and %d numbers", key, tensor.Shape, len(tensor.Data)))
			continue
		}
		values[variable] = tensor
	}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if !known[key] {
			problems = append(problems, "no place for "+key)
		}
	}
	if len(problems) > 0 {
		const shown = 4
		if more := len(problems) - shown; more > 0 {
			problems = append(problems[:shown], fmt.Sprintf("and %d more", more))
		}
		return errors.New("the weights are not this network's: " + strings.Join(problems, "; "))
	}
	for variable, tensor := range values {
		if err := variable.SetValue(tensor.toModel()); err != nil {
			return fmt.Errorf("weights: %s: %w", variable.Path(), err)
		}
	}
	return nil
}

// Create makes variables under scope with the given values, which nothing there has yet.
func Create(scope *model.Scope, from map[string]Tensor) {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		parts := strings.Split(key, ".")
		at := scope
		for _, part := range parts[:len(parts)-1] {
			at = at.At("%s", part)
		}
		at.VariableWithValue(parts[len(parts)-1], from[key].toModel()).SetTrainable(false)
	}
}

func (t Tensor) toModel() *tensors.Tensor {
	order := toModel[len(t.Shape)]
	return tensors.FromFlatDataAndDimensions(transpose(t.Data, t.Shape, order), permute(t.Shape, order)...)
}

// The order in which one layout has the axes of the other, by rank; none for ranks whose
// layout is the same.
var (
	fromModel = map[int][]int{2: {1, 0}, 4: {3, 2, 0, 1}}
	toModel   = map[int][]int{2: {1, 0}, 4: {2, 3, 1, 0}}
)

// Shape returns the shape that a variable's tensor has in PyTorch's layout.
func Shape(variable *model.Variable) []int {
	return permute(variable.Shape().Dimensions, fromModel[variable.Shape().Rank()])
}

func permute(shape, order []int) []int {
	if order == nil {
		return slices.Clone(shape)
	}
	permuted := make([]int, len(shape))
	for i, axis := range order {
		permuted[i] = shape[axis]
	}
	return permuted
}

// transpose returns data, of the given shape, with its axes in the given order.
func transpose(data []float32, shape, order []int) []float32 {
	if order == nil {
		return slices.Clone(data)
	}
	strides := make([]int, len(shape))
	stride := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = stride
		stride *= shape[axis]
	}
	to := permute(shape, order)
	step := permute(strides, order)
	out := make([]float32, 0, len(data))
	index := make([]int, len(to))
	for from := 0; len(out) < len(data); {
		out = append(out, data[from])
		for axis := len(to) - 1; axis >= 0; axis-- {
			index[axis]++
			from += step[axis]
			if index[axis] < to[axis] {
				break
			}
			from -= step[axis] * to[axis]
			index[axis] = 0
		}
	}
	return out
}
