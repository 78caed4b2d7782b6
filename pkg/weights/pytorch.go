package weights

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights/internal/pickle"
)

// pytorch is the host of a pickle that torch.save wrote. It makes no tensor, but notes where
// its numbers will be found.
type pytorch struct {
	// storages are those the pickle speaks of, by key.
	storages map[string]*storage
	// entries counts those of all dicts made of lists of pairs: one list may be asked for
	// again and again.
	entries int
}

// A storage is a row of numbers, outside of the pickle.
type storage struct {
	key    string
	number *number
	count  int64
}

// A tensor is a view of a storage.
type tensor struct {
	storage *storage
	view
}

// A function is one that the pickle may call, by its name.
type function string

// inert stands for objects that are none of a tensor's business.
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

// inertNames are what checkpoints hold beside the weights.
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

// Global implements pickle.Host.
func (p *pytorch) Global(module, name string) (any, error) {
	full := module + "." + name
	switch f := function(full); f {
	case rebuildTensor, rebuildTensorV2, parameter, rebuildParameter, rebuildParameterWithState, torchSize, orderedDict, defaultDict:
		return f, nil
	}
	if slices.Contains(inertNames, full) {
		return inert{}, nil
	}
	if number := storageNumber(full); number != nil {
		return number, nil
	}
	asks := "asks for " + oneLine(full)
	const remedy = "in Python, save model.state_dict() instead"
	switch {
	case strings.Contains(full, "sparse"):
		return nil, fmt.Errorf("%s: it has sparse tensors, which are not read; %s with dense ones", asks, remedy)
	case strings.Contains(full, "rebuild_qtensor"):
		return nil, fmt.Errorf("%s: it has quantized tensors, which are not read; %s before quantization", asks, remedy)
	case full == "torch.storage._load_from_bytes":
		return nil, fmt.Errorf("%s: it was written by pickle.dump, which is not read; write it with torch.save", asks)
	case strings.HasPrefix(full, "torch.nn.parallel."), strings.HasPrefix(full, "torch.nn.modules."),
		strings.HasPrefix(full, "torchvision.models."), strings.HasPrefix(full, "timm.models."),
		strings.HasPrefix(full, "__main__."):
		return nil, fmt.Errorf("%s: it has a whole network, which takes its program to load; %s", asks, remedy)
	}
	return nil, fmt.Errorf("%s, which no tensor needs; not read; %s", asks, remedy)
}

// storageNumber returns the type of number in the storages of the class of that name, or nil.
func storageNumber(class string) *number {
	switch class {
	case "torch.FloatStorage":
		return float32Number
	case "torch.HalfStorage":
		return float16Number
	case "torch.BFloat16Storage":
		return bfloat16Number
	case "torch.DoubleStorage":
		return float64Number
	case "torch.LongStorage":
		return int64Number
	case "torch.IntStorage":
		return int32Number
	case "torch.ShortStorage":
		return int16Number
	case "torch.CharStorage":
		return int8Number
	case "torch.ByteStorage", "torch.storage.UntypedStorage", "torch.storage._UntypedStorage":
		return uint8Number
	case "torch.BoolStorage":
		return boolNumber
	}
	return nil
}

// Call implements pickle.Host.
func (p *pytorch) Call(called any, args pickle.Tuple) (any, error) {
	wrong := func() error { return fmt.Errorf("damaged: it calls %s with wrong arguments", called) }
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
		return p.newDict(args)
	case defaultDict:
		return &pickle.Dict{}, nil
	case inert{}:
		return inert{}, nil
	}
	return nil, fmt.Errorf("damaged, or made to do damage: it calls what is no function of a tensor's")
}

// newTensor returns the tensor of the arguments storage, offset, shape, strides, which others
// may follow; nil if they are not these.
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
	return &tensor{s, view{number: s.number, shape: shape, strides: strides, offset: offset}}
}

// integers returns the numbers of a tuple of integers, one for each axis of a tensor.
func integers(value any) ([]int64, bool) {
	items, ok := value.(pickle.Tuple)
	if len(items) > maxRank { // a long tuple, used again and again, would fill the memory
		return nil, false
	}
	numbers := make([]int64, len(items))
	for i, item := range items {
		n, isInt := item.(int64)
		ok = ok && isInt
		numbers[i] = n
	}
	return numbers, ok
}

// newDict returns an OrderedDict: an empty one, as Python 3 asks for, or one of a list of
// pairs, as Python 2 did.
func (p *pytorch) newDict(args pickle.Tuple) (any, error) {
	dict := &pickle.Dict{}
	if len(args) == 0 {
		return dict, nil
	}
	pairs, ok := args[0].(*pickle.List)
	if !ok {
		return nil, errors.New("damaged: an OrderedDict of what is no list")
	}
	const most = 1 << 20
	if p.entries += len(pairs.Items); p.entries > most {
		return nil, fmt.Errorf("made to do damage: its OrderedDicts have more than %d entries", most)
	}
	for _, item := range pairs.Items {
		pair, ok := item.(pickle.Tuple)
		if list, isList := item.(*pickle.List); isList {
			pair, ok = list.Items, true
		}
		if !ok || len(pair) != 2 {
			return nil, errors.New("damaged: an OrderedDict of what are no pairs")
		}
		dict.Set(pair[0], pair[1])
	}
	return dict, nil
}

// Build implements pickle.Host. A state dict's attribute _metadata is of no use here, nor is
// what a parameter had before version 0.4: whether it wants a gradient, and hooks.
func (p *pytorch) Build(object, state any) error {
	switch object.(type) {
	case *pickle.Dict, inert:
		return nil
	case *tensor:
		if state, ok := state.(pickle.Tuple); ok && len(state) == 3 {
			return nil
		}
	}
	return errors.New("damaged, or made to do damage: it changes what has no attributes")
}

// Persistent implements pickle.Host: the id of a storage is the word "storage", its class,
// its key, the device it was on, how many numbers it has, and, in files of old, a view of it.
func (p *pytorch) Persistent(id any) (any, error) {
	parts, _ := id.(pickle.Tuple)
	if len(parts) > 1 && parts[0] == "module" {
		return nil, errors.New("it has a whole network, which takes its program to load; in Python, save model.state_dict() instead")
	}
	if len(parts) < 5 || parts[0] != "storage" {
		return nil, errors.New("damaged: an object outside of the pickle that is no storage")
	}
	number, isNumber := parts[1].(*number)
	key, isText := parts[2].(string)
	count, isInt := parts[4].(int64)
	if !isNumber || !isText || !isInt || count < 0 {
		return nil, errors.New("damaged: a storage without type, key or size")
	}
	if len(parts) > 5 && parts[5] != nil {
		return nil, errors.New("it has views of storages, as PyTorch wrote before version 0.4; load it with PyTorch and save it anew")
	}
	if s, ok := p.storages[key]; ok {
		if s.number != number || s.count != count {
			return nil, fmt.Errorf("damaged: storage %s is of two types or sizes", oneLine(key))
		}
		return s, nil
	}
	s := &storage{key: key, number: number, count: count}
	p.storages[key] = s
	return s, nil
}

// stateDict returns the tensors of the state dict in what a pickle held.
func stateDict(root any) (map[string]*tensor, error) {
	dict, ok := root.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("it has no state dict but a value of type %s; in Python, save model.state_dict()", typeName(root))
	}
	for _, key := range []string{"state_dict", "model", "model_state_dict"} {
		if value, ok := dict.Get(key); ok {
			if nested, ok := value.(*pickle.Dict); ok {
				if found := tensorsIn(nested); len(found) > 0 {
					return found, nil
				}
			}
		}
	}
	if found := tensorsIn(dict); len(found) > 0 {
		return found, nil
	}
	var has strings.Builder
	for key, value := range dict.All() {
		const enough = 200
		if has.Len() > enough {
			has.WriteString(", …")
			break
		}
		fmt.Fprintf(&has, ", %s (%s)", oneLine(key), typeName(value))
	}
	return nil, fmt.Errorf("it has no state dict, neither as state_dict, model or model_state_dict nor at its root; what it has: %s",
		cmp.Or(strings.TrimPrefix(has.String(), ", "), "nothing"))
}

func tensorsIn(dict *pickle.Dict) map[string]*tensor {
	found := map[string]*tensor{}
	for name, value := range dict.All() {
		if t, ok := value.(*tensor); ok {
			found[name] = t
		}
	}
	return found
}

func typeName(value any) string {
	switch value.(type) {
	case *tensor:
		return "Tensor"
	case *storage:
		return "Storage"
	}
	return pickle.TypeName(value)
}

// oneLine returns a text out of a file as it may stand in a line of an error.
func oneLine(text string) string {
	const longest = 100
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	quoted := fmt.Sprintf("%q", text)
	if quoted == `"`+text+`"` && text != "" {
		return text
	}
	return quoted
}

// An extent is where a storage is in the file.
type extent struct {
	offset, length int64
	// verify checks the content; nil where the format has no checksum.
	verify func(content []byte) error
}

// readTensors reads the tensors of a state dict from r, a file of size bytes. Where is each
// storage's place.
func readTensors(f *File, r io.ReaderAt, size int64, tensors map[string]*tensor, where func(*storage) (extent, error)) error {
	f.Tensors, f.Counters = map[string]statedict.Tensor{}, map[string]int64{}
	type part struct {
		name  string
		count int64
	}
	parts := map[*storage][]part{} // those of one storage are read together
	extents := map[*storage]extent{}
	var order []*storage
	left, bytes := size, size
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		if _, ok := extents[t.storage]; !ok {
			e, err := where(t.storage)
			if err != nil {
				return fmt.Errorf("%s: %w", oneLine(name), err)
			}
			if bytes -= e.length; bytes < 0 {
				return errors.New("damaged, or made to do damage: its storages have more bytes than the file")
			}
			extents[t.storage] = e
			order = append(order, t.storage)
		}
		count, err := t.check(extents[t.storage].length, left)
		if err != nil {
			return fmt.Errorf("%s %w", oneLine(name), err)
		}
		left -= count
		parts[t.storage] = append(parts[t.storage], part{name, count})
	}
	slices.SortFunc(order, func(a, b *storage) int { return cmp.Compare(extents[a].offset, extents[b].offset) })
	var buffer []byte
	for _, s := range order {
		e := extents[s]
		var err error
		if buffer, err = readFull(r, buffer, e.offset, e.length); err != nil {
			return err
		}
		if e.verify != nil {
			if err := e.verify(buffer); err != nil {
				return err
			}
		}
		for _, part := range parts[s] {
			tensors[part.name].into(f, part.name, part.count, buffer)
		}
	}
	return nil
}
