package weights

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/statedict"
)

// longestName bounds a tensor's name, in bytes: reports and errors have it in their lines.
const longestName = 1 << 10

// Canonical returns the tensors under torchvision's names, with notes for people on what
// was changed on the way. Three things are:
//
//   - Prefixes go that programs put before every name: module. (DataParallel), _orig_mod.
//     (torch.compile), backbone. and model., alone or one behind another.
//   - linear, as pytorch_resnet_cifar10 and pytorch-cifar have it, becomes fc, and shortcut.0
//     and shortcut.1 of a block, as pytorch-cifar has them, become downsample.0 and .1.
//   - num_batches_tracked is left out: a batch norm that does not train has no use for it.
//
// The names of torchvision and timm pass as they are. It is an error when two tensors come
// to have one name, or when a name is not fit to print or longer than 1024 bytes. The
// tensors themselves are not copied.
func Canonical(tensors map[string]statedict.Tensor) (canonical map[string]statedict.Tensor, notes []string, err error) {
	canonical = make(map[string]statedict.Tensor, len(tensors))
	from := map[string]string{} // canonical name to the one in the file
	changes := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if !isText(name) {
			return nil, nil, fmt.Errorf("a tensor is called %s, which is no text to print", oneLine(name))
		}
		if len(name) > longestName {
			return nil, nil, fmt.Errorf("a tensor has a name of %d bytes, %s, want %d at most", len(name), oneLine(name), longestName)
		}
		bare, prefix := withoutPrefixes(name)
		if strings.HasSuffix(bare, ".num_batches_tracked") {
			continue
		}
		renamed, change := rename(bare)
		if other, ok := from[renamed]; ok {
			return nil, nil, fmt.Errorf("%s and %s are both %s: the weights of two networks in one file; keep one of them", other, name, renamed)
		}
		from[renamed], canonical[renamed] = name, tensors[name]
		if prefix != "" {
			changes["prefix "+prefix+" taken off"]++
		}
		if change != "" {
			changes[change]++
		}
	}
	for _, change := range slices.Sorted(maps.Keys(changes)) {
		notes = append(notes, fmt.Sprintf("%s, %d names", change, changes[change]))
	}
	return canonical, notes, nil
}

// withoutPrefixes takes off what stands before torchvision's name, and returns it too.
func withoutPrefixes(name string) (bare, prefix string) {
	bare = name
	for again := true; again; {
		again = false
		for _, p := range []string{"module.", "_orig_mod.", "backbone.", "model."} {
			if rest, ok := strings.CutPrefix(bare, p); ok {
				bare, prefix, again = rest, prefix+p, true
			}
		}
	}
	return bare, prefix
}

// rename returns torchvision's name for a layer, and says in words what it changed, if
// anything.
func rename(name string) (renamed, change string) {
	if rest, ok := strings.CutPrefix(name, "linear."); ok {
		return "fc." + rest, "linear called fc"
	}
	if block, rest, ok := strings.Cut(name, ".shortcut."); ok && strings.HasPrefix(block, "layer") {
		return block + ".downsample." + rest, "shortcut called downsample"
	}
	return name, ""
}
