package weights

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// A head is what computes the logits from the output of the body: the average over each
// channel.
type head struct {
	// layers describes its layers, by the file's names; nil if it is the one linear layer fc,
	// or if there is none.
	layers []string
	// names are those of its tensors, and classes how many logits its last layer has, or 0.
	names   []string
	classes int
}

// HeadError reports a head other than the single linear layer of ResNet. It can be replaced by
// a new one, but not be used.
type HeadError struct {
	// Head describes its layers.
	Head string
}

func (e *HeadError) Error() string {
	return fmt.Sprintf("the head of this network is not a single linear layer but %s, which is not supported; it can only be replaced", e.Head)
}

// isHead reports whether the name belongs to the layer that computes the logits.
func isHead(name string) bool { return strings.HasPrefix(name, resnet.HeadName+".") }

// inBlock matches the names of a body's blocks.
var inBlock = regexp.MustCompile(`^(conv1|bn1|norm|layer\d+)\.`)

// findHead finds the head, among the tensors that are not the body's. If it is one linear
// layer, it gets the name fc.
func (n *names) findHead() error {
	if n.unclear != nil || n.tensors["conv1.weight"].Shape == nil {
		return nil // not a network that is known here
	}
	var rest []layer
	order := n.order
	if order == nil {
		order = slices.SortedFunc(maps.Keys(n.tensors), naturally)
	}
	linears := 0
	tops := map[string]bool{}
	for _, l := range layersOf(n.tensors, order) {
		if inBlock.MatchString(l.path + ".") {
			continue
		}
		rest = append(rest, l)
		if l.isLinear() {
			linears++
			tops[top(l.path)] = true
		}
	}
	for name := range n.unreadable {
		if !inBlock.MatchString(name) {
			tops[top(name)] = true
		}
	}
	all := 0
	for name := range n.from {
		if tops[top(name)] {
			all++
			n.head.names = append(n.head.names, name)
		}
	}
	slices.SortFunc(n.head.names, naturally)
	if linears == 1 {
		for _, l := range rest {
			_, hasBias := n.tensors[l.path+".bias"]
			if l.isLinear() && (all == 1 || all == 2 && hasBias) {
				return n.renameHead(l)
			}
		}
	}
	for _, l := range rest {
		switch {
		case !tops[top(l.path)]:
		case l.isLinear():
			n.head.layers = append(n.head.layers, fmt.Sprintf("the linear layer %s (%d → %d)", strings.TrimSuffix(n.nameInFile(l.path+".weight"), ".weight"), l.shape[1], l.shape[0]))
			n.head.classes = l.shape[0]
		case l.norm:
			n.head.layers = append(n.head.layers, "the batch norm "+strings.TrimSuffix(n.nameInFile(l.path+".weight"), ".weight"))
		default:
			n.head.layers = append(n.head.layers, "the convolution "+strings.TrimSuffix(n.nameInFile(l.path+".weight"), ".weight"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.unreadable)) {
		if tops[top(name)] {
			layer, _, _ := strings.Cut(n.nameInFile(name), "._packed_params")
			reason, _, _ := strings.Cut(n.unreadable[name], ":")
			n.head.layers = append(n.head.layers, fmt.Sprintf("%s, which %s", layer, reason))
		}
	}
	return nil
}

// top returns the first part of a name.
func top(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

// renameHead gives the only linear layer the name fc.
func (n *names) renameHead(l layer) error {
	n.head = head{}
	if l.path == resnet.HeadName {
		return nil
	}
	count := 0
	for _, part := range []string{".weight", ".bias"} {
		old, to := l.path+part, resnet.HeadName+part
		if tensor, ok := n.tensors[old]; ok {
			n.tensors[to], n.from[to] = tensor, n.from[old]
			delete(n.tensors, old)
			delete(n.from, old)
			count++
		}
	}
	n.notes = append(n.notes, fmt.Sprintf("%s renamed to fc, %d names", l.path, count))
	return nil
}

// describe describes the head for people, if it is not one linear layer.
func (h *head) describe() string {
	if len(h.layers) == 0 {
		return ""
	}
	const shown = 4
	if more := len(h.layers) - shown; more > 0 {
		return strings.Join(h.layers[:shown], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(h.layers, ", ")
}

// replaceHead puts a head of zeros in the place of the network's, with as many classes or, if
// it has none, one. A head of one linear layer stays.
func (n *names) replaceHead() {
	if len(n.head.layers) == 0 && n.tensors[resnet.HeadName+".weight"].Shape != nil {
		return
	}
	for _, name := range n.head.names {
		delete(n.tensors, name)
		delete(n.unreadable, name)
		delete(n.from, name)
	}
	channels := 0 // the last stage has the most
	for name, tensor := range n.tensors {
		if strings.HasPrefix(name, "layer") && len(tensor.Shape) == 4 {
			channels = max(channels, tensor.Shape[0])
		}
	}
	if channels == 0 {
		return
	}
	classes := max(1, n.head.classes)
	n.tensors[resnet.HeadName+".weight"] = statedict.Tensor{Shape: []int{classes, channels}, Data: make([]float32, classes*channels)}
	n.tensors[resnet.HeadName+".bias"] = statedict.Tensor{Shape: []int{classes}, Data: make([]float32, classes)}
}
