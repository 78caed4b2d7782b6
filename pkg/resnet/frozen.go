package resnet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// HeadName is the name of the last layer, which makes logits of features. What comes before
// it is the body.
const HeadName = "fc"

// stemName and bodyName are the names of parts that are no stages.
const (
	stemName = "stem"
	bodyName = "body"
)

// Frozen says what of a network stays as it is while the rest is trained, as one does with
// weights that were trained on other images. The zero value freezes nothing.
type Frozen struct {
	// Through is the last part that is frozen, and all before it are too: one of Parts. ""
	// freezes none.
	Through string
	// Norms has the batch norms of the other parts, too, use and keep their running
	// statistics; their γ and β are trained.
	Norms bool
}

// Parts returns the names that [Frozen] takes, in the order of the network: stem, layer1,
// layer2, …, and body, which is everything but the last layer.
func (c Config) Parts() []string {
	parts := []string{stemName}
	for stage := range c.Blocks {
		parts = append(parts, fmt.Sprintf("layer%d", stage+1))
	}
	return append(parts, bodyName)
}

// Validate reports whether c has such a part.
func (f Frozen) Validate(c Config) error {
	if parts := c.Parts(); f.Through != "" && !slices.Contains(parts, f.Through) {
		return fmt.Errorf("unknown part %q of %s to freeze; its parts are %s", f.Through, c.Name, strings.Join(parts, ", "))
	}
	return nil
}

// KeepsStatistics reports whether all batch norms use and keep their running statistics, so
// that one image is enough to train on.
func (f Frozen) KeepsStatistics() bool { return f.Norms || f.Through == bodyName }

// part is the index in Parts of the part that the layer of the given name is in. The last
// layer, which is in none, comes after them all.
func (c Config) part(name string) int {
	parts := c.Parts()
	first, _, _ := strings.Cut(name, ".")
	switch first {
	case "conv1", "bn1":
		return 0
	case "norm":
		return len(parts) - 1
	}
	if part := slices.Index(parts, first); part >= 0 {
		return part
	}
	return len(parts)
}

// holds reports whether the layer of the given name is in a frozen part of c.
func (f Frozen) holds(c Config, name string) bool {
	return c.part(name) <= slices.Index(c.Parts(), f.Through)
}

// ForwardFrozen is Forward for training what is not frozen. The variables of frozen parts
// become not trainable, and their batch norms always go by the running statistics, as
// PyTorch's do after requires_grad_(False) and eval(). It takes both: by the moments of the
// batch a part whose every weight is frozen would still compute something else for every
// batch, and move its running statistics towards images that its weights never saw.
//
// It panics where Validate has an error.
func (c Config) ForwardFrozen(scope *model.Scope, images *graph.Node, frozen Frozen, taps ...Tap) *graph.Node {
	if err := frozen.Validate(c); err != nil {
		panic(err)
	}
	logits := c.forward(scope, images, frozen, show(taps))
	for variable := range scope.IterVariables() {
		if name, ok := StateDictKey(scope, variable); ok && frozen.holds(c, name) {
			variable.SetTrainable(false)
		}
	}
	return logits
}
