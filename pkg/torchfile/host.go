package torchfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/tensorfile"
	"github.com/residual-go/residual/pkg/torchfile/internal/pickle"
)

// host is the [pickle.Host] for pickles that torch.save wrote. It makes no tensors, but
// records where the elements of each are found.
type host struct {
	// storages are those that the pickle mentions, by key.
	storages map[string]*storage
	// entries counts the entries of all dicts that were made from lists of pairs, since a
	// pickle can ask for one list again and again.
	entries int
}

// A storage is a run of elements outside the pickle.
type storage struct {
	key   string
	dtype *tensorfile.DType
	count int64
}

// A tensor is a view of a storage.
type tensor struct {
	storage *storage
	tensorfile.View
}

// A function is one that the pickle may call, by its name.
type function string

// inert stands for objects that have nothing to do with tensors.
type inert struct{}

const (
	rebuildTensor             function = "torch._utils._rebuild_tensor"
	rebuildTensorV2           function = "torch._utils._rebuild_tensor_v2"
	parameter                 function = "torch.nn.parameter.Parameter" // before version 0.4
	rebuildParameter          function = "torch._utils._rebuild_parameter"
	rebuildParameterWithState function = "torch._utils._rebuild_parameter_with_state"
	torchSize                 function = "torch.Size"
	orderedDict               function = "collections.OrderedDict"
	defaultDict               function = "collections.defaultdict"
)

// inertNames are what checkpoints name besides the weights.
var inertNames = []string{
	"argparse.Namespace", "collections.Counter",
	"builtins.dict", "builtins.list", "builtins.set", "builtins.int", "builtins.float",
	"__builtin__.dict", "__builtin__.list", "__builtin__.set", "__builtin__.int", "__builtin__.float",
	"_codecs.encode", "numpy.dtype", "numpy.ndarray",
	"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
	"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
	"torch.device", "torch.dtype",
	"torch.float32", "torch.float16", "torch.bfloat16", "torch.float64",
	"torch.int64", "torch.int32", "torch.int16", "torch.int8", "torch.uint8", "torch.bool",
}

// storageDTypes are the dtypes of the storage classes.
var storageDTypes = map[string]*tensorfile.DType{
	"torch.FloatStorage": tensorfile.Float32, "torch.HalfStorage": tensorfile.Float16,
	"torch.BFloat16Storage": tensorfile.BFloat16, "torch.DoubleStorage": tensorfile.Float64,
	"torch.LongStorage": tensorfile.Int64, "torch.IntStorage": tensorfile.Int32,
	"torch.ShortStorage": tensorfile.Int16, "torch.CharStorage": tensorfile.Int8,
	"torch.ByteStorage": tensorfile.Uint8, "torch.storage.UntypedStorage": tensorfile.Uint8,
	"torch.storage._UntypedStorage": tensorfile.Uint8, "torch.BoolStorage": tensorfile.Bool,
}

// Global implements pickle.Host.
func (h *host) Global(module, name string) (any, error) {
	full := module + "." + name
	switch f := function(full); f {
	case rebuildTensor, rebuildTensorV2, parameter, rebuildParameter, rebuildParameterWithState, torchSize, orderedDict, defaultDict:
		return f, nil
	}
	if slices.Contains(inertNames, full) {
		return inert{}, nil
	}
	if dtype := storageDTypes[full]; dtype != nil {
		return dtype, nil
	}
	asks := "asks for " + printable.Quote(full)
	const remedy = "in Python, save model.state_dict() instead"
	switch {
	case strings.Contains(full, "sparse"):
		return nil, fmt.Errorf("%s: sparse tensors are not supported; %s with dense ones", asks, remedy)
	case strings.Contains(full, "rebuild_qtensor"):
		return nil, fmt.Errorf("%s: quantized tensors are not supported; %s before quantization", asks, remedy)
	case full == "torch.storage._load_from_bytes":
		return nil, fmt.Errorf("%s: it was written by pickle.dump; write it with torch.save", asks)
	case strings.HasPrefix(full, "torch.nn.parallel."), strings.HasPrefix(full, "torch.nn.modules."),
		strings.HasPrefix(full, "torchvision.models."), strings.HasPrefix(full, "timm.models."),
		strings.HasPrefix(full, "__main__."):
		return nil, fmt.Errorf("%s: it holds a whole network, and only the program that defines the network can load it; %s", asks, remedy)
	}
	return nil, fmt.Errorf("%s, which no tensor needs, so the file is refused; %s", asks, remedy)
}

// Call implements pickle.Host.
func (h *host) Call(called any, args pickle.Tuple) (any, error) {
	wrong := func() error { return fmt.Errorf("damaged: it calls %s with the wrong arguments", called) }
	switch called {
	case rebuildTensor, rebuildTensorV2:
		if t := newTensor(args); t != nil {
			return t, nil
		}
		return nil, wrong()
	case parameter, rebuildParameter, rebuildParameterWithState:
		if len(args) > 0 {
			if t, ok := args[0].(*tensor); ok {
				return t, nil
			}
		}
		return nil, wrong()
	case torchSize:
		if len(args) != 1 {
			return nil, wrong()
		}
		switch size := args[0].(type) {
		case pickle.Tuple:
			return size, nil
		case *pickle.List:
			return pickle.Tuple(size.Items), nil
		}
		return nil, wrong()
	case orderedDict:
		return h.newDict(args)
	case defaultDict:
		return &pickle.Dict{}, nil
	case inert{}:
		return inert{}, nil
	}
	return nil, errors.New("damaged or malicious: it calls something that is not a function")
}

// newTensor returns the tensor of the arguments storage, offset, shape and strides, which
// others may follow; nil if they are something else.
func newTensor(args pickle.Tuple) *tensor {
	if len(args) < 4 {
		return nil
	}
	s, isStorage := args[0].(*storage)
	offset, isInt := args[1].(int64)
	shape, isShape := integers(args[2])
	strides, isStrides := integers(args[3])
	if !isStorage || !isInt || !isShape || !isStrides {
		return nil
	}
	return &tensor{s, tensorfile.View{DType: s.dtype, Shape: shape, Strides: strides, Offset: offset}}
}

// integers returns the items of a tuple that has an integer for each axis of a tensor.
func integers(value any) ([]int64, bool) {
	items, ok := value.(pickle.Tuple)
	if len(items) > tensorfile.MaxRank { // a long tuple, used again and again, would fill the memory
		return nil, false
	}
	list := make([]int64, len(items))
	for i, item := range items {
		n, isInt := item.(int64)
		ok = ok && isInt
		list[i] = n
	}
	return list, ok
}

// newDict returns an OrderedDict: an empty one, as Python 3 asks for, or one made from a
// list of pairs, as Python 2 asked for.
func (h *host) newDict(args pickle.Tuple) (any, error) {
	dict := &pickle.Dict{}
	if len(args) == 0 {
		return dict, nil
	}
	pairs, ok := args[0].(*pickle.List)
	if !ok {
		return nil, errors.New("damaged: an OrderedDict is made from something that is not a list")
	}
	const most = 1 << 20
	if h.entries += len(pairs.Items); h.entries > most {
		return nil, fmt.Errorf("malicious: its OrderedDicts have more than %d entries", most)
	}
	for _, item := range pairs.Items {
		pair, ok := item.(pickle.Tuple)
		if list, isList := item.(*pickle.List); isList {
			pair, ok = list.Items, true
		}
		if !ok || len(pair) != 2 {
			return nil, errors.New("damaged: an OrderedDict is made from items that are not pairs")
		}
		dict.Set(pair[0], pair[1])
	}
	return dict, nil
}

// Build implements pickle.Host. The state is dropped: a state dict's attribute _metadata,
// and, before version 0.4, a parameter's hooks and whether it requires a gradient.
func (h *host) Build(object, state any) error {
	switch object.(type) {
	case *pickle.Dict, inert:
		return nil
	case *tensor:
		if state, ok := state.(pickle.Tuple); ok && len(state) == 3 {
			return nil
		}
	}
	return errors.New("damaged or malicious: it sets the state of an object that has none")
}

// Persistent implements pickle.Host. The id of a storage is the word "storage", its class,
// its key, its device, the number of its elements and, in very old files, a view of it.
func (h *host) Persistent(id any) (any, error) {
	parts, _ := id.(pickle.Tuple)
	if len(parts) > 1 && parts[0] == "module" {
		return nil, errors.New("it holds a whole network, and only the program that defines the network can load it; in Python, save model.state_dict() instead")
	}
	if len(parts) < 5 || parts[0] != "storage" {
		return nil, errors.New("damaged: it refers to an object outside the pickle that is not a storage")
	}
	dtype, isDType := parts[1].(*tensorfile.DType)
	key, isText := parts[2].(string)
	count, isInt := parts[4].(int64)
	if !isDType || !isText || !isInt || count < 0 {
		return nil, errors.New("damaged: a storage has no dtype, key or size")
	}
	if len(parts) > 5 && parts[5] != nil {
		return nil, errors.New("it has views of storages, as PyTorch wrote before version 0.4; load it with PyTorch and save it again")
	}
	if s, ok := h.storages[key]; ok {
		if s.dtype != dtype || s.count != count {
			return nil, fmt.Errorf("damaged: storage %s has two dtypes or sizes", printable.Quote(key))
		}
		return s, nil
	}
	s := &storage{key: key, dtype: dtype, count: count}
	h.storages[key] = s
	return s, nil
}
