package weights

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/statedict"
)

// longestName bounds a tensor's name, in bytes: names appear in reports and error messages.
const longestName = 1 << 10

// Canonical returns the tensors under torchvision's names, with notes for the user on what
// was changed:
//
//   - Prefixes that programs put before every name are removed: module. (DataParallel),
//     _orig_mod. (torch.compile), backbone. and model., also one after the other.
//   - linear, the name in pytorch_resnet_cifar10 and pytorch-cifar, becomes fc. A block's
//     shortcut.0 and shortcut.1, the names in pytorch-cifar, become downsample.0 and .1.
//   - num_batches_tracked is dropped: no network here uses it.
//
// The names of torchvision and timm stay as they are. It is an error if two tensors get the
// same name, or if a name is not printable or is longer than 1024 bytes. The tensors' data is
// not copied.
func Canonical(tensors map[string]statedict.Tensor) (canonical map[string]statedict.Tensor, notes []string, err error) {
	canonical = make(map[string]statedict.Tensor, len(tensors))
	from := map[string]string{} // canonical name to the one in the file
	changes := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if !printable.Is(name) {
			return nil, nil, fmt.Errorf("a tensor's name, %s, is not printable text", printable.Quote(name))
		}
		if len(name) > longestName {
			return nil, nil, fmt.Errorf("a tensor's name, %s, has %d bytes, want at most %d", printable.Quote(name), len(name), longestName)
		}
		bare, prefix := withoutPrefixes(name)
		if strings.HasSuffix(bare, ".num_batches_tracked") {
			continue
		}
		renamed, change := rename(bare)
		if other, ok := from[renamed]; ok {
			return nil, nil, fmt.Errorf("%s and %s are both %s, so the file has the weights of two networks; keep one of them", other, name, renamed)
		}
		from[renamed], canonical[renamed] = name, tensors[name]
		if prefix != "" {
			changes["prefix "+prefix+" removed"]++
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

// withoutPrefixes splits a name into torchvision's and what precedes it.
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

// rename returns torchvision's name for a layer and describes the change, if there is one.
func rename(name string) (renamed, change string) {
	if rest, ok := strings.CutPrefix(name, "linear."); ok {
		return "fc." + rest, "linear renamed to fc"
	}
	if block, rest, ok := strings.Cut(name, ".shortcut."); ok && strings.HasPrefix(block, "layer") {
		return block + ".downsample." + rest, "shortcut renamed to downsample"
	}
	return name, ""
}
