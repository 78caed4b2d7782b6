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
// records where the elements of each are found. Whatever else a pickle names, calls or
// builds becomes an [object], which does nothing.
type host struct {
	// storages are those that the pickle mentions, by key.
	storages map[string]*storage
	// entries counts the entries of all dicts that were made from lists of pairs, since a
	// pickle can ask for one list again and again.
	entries int
	// classes are the functions and classes that stand for nothing here, by name, and names
	// are theirs in the order of the pickle.
	classes map[string]*class
	names   []string
}

func newHost() *host {
	return &host{storages: map[string]*storage{}, classes: map[string]*class{}}
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

// A class is a function or class that has nothing to do with tensors.
type class struct{ name string }

// An object is what a call of a class returns. It is never a tensor.
type object struct {
	class *class
	// entries are what the pickle put into it, if it is of a class derived from dict.
	entries pickle.Dict
	// network is set if it has the attributes of a torch.nn.Module.
	network bool
}

// Set implements pickle.Collection.
func (o *object) Set(key, value any) { o.entries.Set(key, value) }

// Add implements pickle.Collection. No list holds a state dict.
func (o *object) Add([]any) {}

// An unreadable is a tensor of a kind that cannot be read, for the given reason.
type unreadable struct{ reason string }

const (
	rebuildTensor             function = "torch._utils._rebuild_tensor"
	rebuildTensorV2           function = "torch._utils._rebuild_tensor_v2"
	parameter                 function = "torch.nn.parameter.Parameter" // before version 0.4
	rebuildParameter          function = "torch._utils._rebuild_parameter"
	rebuildParameterWithState function = "torch._utils._rebuild_parameter_with_state"
	torchSize                 function = "torch.Size"
	orderedDict               function = "collections.OrderedDict"
	defaultDict               function = "collections.defaultdict"
	rebuildFromType           function = "torch._tensor._rebuild_from_type"
	rebuildFromTypeV2         function = "torch._tensor._rebuild_from_type_v2"
)

// unreadables are the functions that build the tensors that cannot be read, with the reasons.
var unreadables = []struct{ part, reason string }{
	{"_rebuild_sparse", "is sparse: sparse tensors are not supported; in Python, save model.state_dict() instead with dense ones"},
	{"_rebuild_qtensor", "is quantized: quantized tensors are not supported; in Python, save model.state_dict() instead before quantization"},
	{"_rebuild_device_tensor", "is on a device: tensors of such devices are not supported; in Python, move the model to the CPU before saving it"},
	{"_rebuild_xla_tensor", "is on a TPU: tensors of such devices are not supported; in Python, move the model to the CPU before saving it"},
	{"_rebuild_meta_tensor", "is on PyTorch's meta device, so it has no elements"},
	{"_rebuild_nested_tensor", "is nested: nested tensors are not supported"},
	{"_rebuild_wrapper_subclass", "is of a class derived from Tensor, which is not supported; in Python, save plain tensors"},
	{"_rebuild_tensor_v3", "has a dtype that no weight of a residual network has"},
	{"torch.storage._load_from_bytes", "was written by pickle.dump; write it with torch.save"},
	{"torch.distributed.", "is spread over several processes; in Python, gather the full state dict before saving it"},
}

// plain are what pickles use for Python's own values: nothing worth mentioning.
var plain = []string{
	"builtins.", "__builtin__.", "_codecs.", "copyreg.", "copy_reg.", "numpy.dtype", "numpy.ndarray", "numpy.dtypes.",
	"torch.device", "torch.dtype", "torch.float", "torch.bfloat16", "torch.int", "torch.uint8", "torch.bool",
	"torch.qint8", "torch.quint8", "torch.per_tensor_affine", "torch.per_channel_affine", "torch.serialization.",
	"collections.Counter",
}

// attacks are modules and functions that no checkpoint has a use for. Naming one is harmless
// here, as nothing is run, but would not be in Python.
var attacks = []string{
	"os", "posix", "nt", "subprocess", "sys", "pty", "socket", "shutil", "importlib", "runpy", "ctypes", "webbrowser", "marshal",
	"builtins.eval", "builtins.exec", "builtins.compile", "builtins.open", "builtins.__import__", "builtins.input", "builtins.breakpoint",
	"__builtin__.eval", "__builtin__.execfile", "__builtin__.compile", "__builtin__.open", "__builtin__.file", "__builtin__.__import__",
	"__builtin__.exec", "torch.load", "torch.hub", "torch.jit.load", "pickle.loads", "_pickle.loads", "pickle.load",
}

// storageDTypes are the dtypes of the storage classes.
var storageDTypes = map[string]*tensorfile.DType{
	"torch.FloatStorage": tensorfile.Float32, "torch.HalfStorage": tensorfile.Float16,
	"torch.BFloat16Storage": tensorfile.BFloat16, "torch.DoubleStorage": tensorfile.Float64,
	"torch.LongStorage": tensorfile.Int64, "torch.IntStorage": tensorfile.Int32,
	"torch.ShortStorage": tensorfile.Int16, "torch.CharStorage": tensorfile.Int8,
	"torch.ByteStorage": tensorfile.Uint8, "torch.storage.UntypedStorage": tensorfile.Uint8,
	"torch.storage._UntypedStorage": tensorfile.Uint8, "torch.BoolStorage": tensorfile.Bool,
	"torch.QInt8Storage": tensorfile.QInt8, "torch.QUInt8Storage": tensorfile.QUint8, "torch.QInt32Storage": tensorfile.QInt32,
	"torch.ComplexFloatStorage": tensorfile.Complex64, "torch.ComplexDoubleStorage": tensorfile.Complex128,
}

// Global implements pickle.Host.
func (h *host) Global(module, name string) (any, error) {
	const longest = 1 << 10
	full := module + "." + name
	if len(full) > longest || !printable.Is(full) {
		return nil, fmt.Errorf("asks for %s, which no class is called, so the file is refused", printable.Quote(full))
	}
	switch f := function(full); f {
	case rebuildTensor, rebuildTensorV2, parameter, rebuildParameter, rebuildParameterWithState, torchSize, orderedDict, defaultDict,
		rebuildFromType, rebuildFromTypeV2:
		return f, nil
	}
	if dtype := storageDTypes[full]; dtype != nil {
		return dtype, nil
	}
	if isAttack(full) {
		return nil, attack(full)
	}
	if known := h.classes[full]; known != nil {
		return known, nil
	}
	made := &class{full}
	h.classes[full] = made
	h.names = append(h.names, full)
	return made, nil
}

func attack(name string) error {
	return fmt.Errorf("asks for %s, which no tensor needs, so the file is refused; in Python, save model.state_dict() instead", printable.Quote(name))
}

// isAttack reports whether a name is on the list of attacks, or reaches one of its modules by
// way of another, as in torch.os.system.
func isAttack(name string) bool {
	for _, attack := range attacks {
		if strings.HasPrefix(name+".", attack+".") || !strings.Contains(attack, ".") && strings.Contains("."+name+".", "."+attack+".") {
			return true
		}
	}
	return false
}

// skipped returns the names of the classes whose objects were not read, apart from Python's
// and PyTorch's own values.
func (h *host) skipped() []string {
	var names []string
	for _, name := range h.names {
		isPart := func(p string) bool { return strings.HasPrefix(name, p) }
		if !slices.ContainsFunc(plain, isPart) && reasonFor(name) == "" {
			names = append(names, printable.Quote(name))
		}
	}
	return names
}

// reasonFor says why a tensor that the function of the given name builds cannot be read; ""
// if it builds none.
func reasonFor(name string) string {
	for _, u := range unreadables {
		if strings.Contains(name, u.part) {
			return u.reason
		}
	}
	return ""
}

// Call implements pickle.Host.
func (h *host) Call(called any, args pickle.Tuple) (any, error) {
	wrong := func() error { return fmt.Errorf("damaged: it calls %s with the wrong arguments", called) }
	switch called {
	case rebuildTensor, rebuildTensorV2:
		if len(args) > 0 {
			if u, ok := args[0].(*unreadable); ok { // the storage
				return u, nil
			}
		}
		if t := newTensor(args); t != nil {
			return t, nil
		}
		return nil, wrong()
	case parameter, rebuildParameter, rebuildParameterWithState:
		if len(args) > 0 {
			switch t := args[0].(type) {
			case *tensor, *unreadable, *object:
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
	case rebuildFromType, rebuildFromTypeV2: // a subclass, or attributes beside the elements
		if len(args) > 2 {
			inner, isTuple := args[2].(pickle.Tuple)
			if called := args[0]; isTuple && called != rebuildFromType && called != rebuildFromTypeV2 {
				return h.Call(called, inner)
			}
		}
		return nil, wrong()
	}
	switch c := called.(type) {
	case *class:
		if reason := reasonFor(c.name); reason != "" {
			return &unreadable{reason}, nil
		}
		if strings.HasSuffix(c.name, ".getattr") && !isMember(args) {
			return nil, attack(c.name)
		}
		return &object{class: c}, nil
	case *object:
		return &object{class: c.class}, nil
	}
	return nil, errors.New("damaged or malicious: it calls something that is not a function")
}

// wholeNetwork says what to do about a file of torch.save(model).
const wholeNetwork = "a whole network, and only the program that defines the network can load it; in Python, save model.state_dict() instead"

// isMember reports whether the arguments of getattr ask for something inside a class or an
// object, as pickles do for methods and for classes in classes.
func isMember(args pickle.Tuple) bool {
	if len(args) != 2 {
		return false
	}
	switch args[0].(type) {
	case *class, *object, function:
		return true
	}
	return false
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
// and, before version 0.4, a parameter's hooks and whether it requires a gradient. So are the
// attributes of other objects, but for whether they are those of a network.
func (h *host) Build(built, state any) error {
	switch o := built.(type) {
	case *pickle.Dict, *class, *unreadable:
		return nil
	case *object:
		if state, ok := state.(*pickle.Dict); ok {
			_, hasModules := state.Get("_modules")
			_, hasParameters := state.Get("_parameters")
			o.network = o.network || hasModules && hasParameters
		}
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
	if len(parts) > 1 && parts[0] == "module" { // a class, followed by its source code
		if c, ok := parts[1].(*class); ok {
			return c, nil
		}
		return nil, errors.New("it holds " + wholeNetwork)
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
