package statedict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
)

// Comparison says how a state dict and a network differ, in the words of PyTorch's
// load_state_dict. All names are sorted.
type Comparison struct {
	// Loaded are the names that both have, with the same shape: what loading copies.
	Loaded []string `json:"loaded"`
	// Missing are the names that only the network has.
	Missing []string `json:"missing"`
	// Unexpected are the names that only the state dict has.
	Unexpected []string `json:"unexpected"`
	// Mismatched are the names that both have, with different shapes.
	Mismatched []Mismatch `json:"mismatched"`
}

// Mismatch is a tensor whose shape is not the network's.
type Mismatch struct {
	Name string `json:"name"`
	// Shape is the tensor's shape in the state dict, and Want the network's.
	Shape []int `json:"shape"`
	Want  []int `json:"want"`
}

func (m Mismatch) String() string {
	return fmt.Sprintf("%s (shape %v, want %v)", m.Name, m.Shape, m.Want)
}

// Compare compares tensors with the shapes that a network wants, by name; see [Shapes].
func Compare(want map[string][]int, tensors map[string]Tensor) *Comparison {
	c := &Comparison{Loaded: []string{}, Missing: []string{}, Unexpected: []string{}, Mismatched: []Mismatch{}}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch tensor, ok := tensors[name]; {
		case !ok:
			c.Missing = append(c.Missing, name)
		case !slices.Equal(tensor.Shape, want[name]):
			c.Mismatched = append(c.Mismatched, Mismatch{name, tensor.Shape, want[name]})
		default:
			c.Loaded = append(c.Loaded, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		if _, ok := want[name]; !ok {
			c.Unexpected = append(c.Unexpected, name)
		}
	}
	return c
}

// Err returns nil if the state dict is exactly the network's, and otherwise a [*MismatchError]
// that calls the network by the given name.
func (c *Comparison) Err(network string) error {
	if len(c.Missing)+len(c.Unexpected)+len(c.Mismatched) == 0 {
		return nil
	}
	return &MismatchError{Network: network, Comparison: c}
}

// String describes the comparison in one to four lines.
func (c *Comparison) String() string {
	return strings.Join(append([]string{fmt.Sprintf("%d tensors loaded", len(c.Loaded))}, c.differences()...), "\n")
}

// differences describes what is missing, unexpected and mismatched.
func (c *Comparison) differences() []string {
	var all []string
	add := func(kind string, items []string) {
		if len(items) > 0 {
			all = append(all, kind+" "+few(items))
		}
	}
	var mismatched []string
	for _, m := range c.Mismatched {
		mismatched = append(mismatched, m.String())
	}
	add("missing", c.Missing)
	add("unexpected", c.Unexpected)
	add("mismatched", mismatched)
	return all
}

// few joins the first of the items and says how many more there are.
func few(items []string) string {
	const shown = 4
	if more := len(items) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(items[:shown], ", "), more)
	}
	return strings.Join(items, ", ")
}

// MismatchError reports a state dict that does not match a network.
type MismatchError struct {
	Network    string
	Comparison *Comparison
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the state dict does not match %s: %s", e.Network, strings.Join(e.Comparison.differences(), "; "))
}

// Shapes returns the shapes, in PyTorch's layout, of all weights and running statistics of
// the network, by their names in a state dict.
func Shapes(config resnet.Config) (map[string][]int, error) {
	scope := model.NewStore().RootScope()
	if err := config.Declare(scope); err != nil {
		return nil, err
	}
	return shapesUnder(scope), nil
}

// shapesUnder returns the shapes of the variables under scope.
func shapesUnder(scope *model.Scope) map[string][]int {
	shapes := map[string][]int{}
	for variable := range scope.IterVariables() {
		name, _ := resnet.StateDictKey(scope, variable)
		shapes[name] = pytorchShape(variable)
	}
	return shapes
}
