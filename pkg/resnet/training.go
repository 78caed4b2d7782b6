package resnet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// HeadName is the name of the last layer, which computes the logits. Everything before it is the
// body.
const HeadName = "fc"

// stemName and bodyName are the names of the parts that are not stages.
const (
	stemName = "stem"
	bodyName = "body"
)

// Training says which parts of a network are trained, and how its batch norms work. The zero
// value trains everything.
type Training struct {
	// Freeze names a part, one of Parts. It and all parts before it stay as they are, which is
	// common with weights that were trained on other images. "" freezes nothing.
	Freeze string
	// FreezeNorms makes the batch norms of the other parts use and keep their running statistics
	// too; their γ and β are trained.
	FreezeNorms bool
	// LocalNorms makes each of several devices normalise its share of the batch on its own; see
	// [nn.BatchNormBuilder.Local].
	LocalNorms bool
}

// Parts returns the values that Training.Freeze can have, from the images to the logits: stem,
// layer1, layer2, …, and body, which is everything but the last layer.
func (c Config) Parts() []string {
	parts := []string{stemName}
	for stage := range c.Blocks {
		parts = append(parts, fmt.Sprintf("layer%d", stage+1))
	}
	return append(parts, bodyName)
}

// Validate returns an error if c does not have the part to freeze.
func (t Training) Validate(c Config) error {
	if parts := c.Parts(); t.Freeze != "" && !slices.Contains(parts, t.Freeze) {
		return fmt.Errorf("unknown part %q of %s to freeze; its parts are %s", t.Freeze, c.Name, strings.Join(parts, ", "))
	}
	return nil
}

// KeepsStatistics reports whether all batch norms use and keep their running statistics. Then a
// batch can be a single image.
func (t Training) KeepsStatistics() bool { return t.FreezeNorms || t.Freeze == bodyName }

// part returns the index in Parts of the part with the layer of the given name, and len(Parts) for
// the last layer, which is in no part.
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

// freezes reports whether the layer of the given name is in a frozen part of c.
func (t Training) freezes(c Config, name string) bool {
	return c.part(name) <= slices.Index(c.Parts(), t.Freeze)
}

// ForwardTraining does what Forward does, for training as t describes. It makes the variables of
// frozen parts not trainable, and their batch norms always use the running statistics, as in
// PyTorch after requires_grad_(False) and eval(). Both are needed: with the statistics of the
// batch, a part with frozen weights would still give different results for every batch, and its
// running statistics would drift towards images that its weights were not trained on.
//
// It panics if Validate returns an error.
func (c Config) ForwardTraining(scope *model.Scope, images *graph.Node, t Training, taps ...Tap) *graph.Node {
	if err := t.Validate(c); err != nil {
		panic(err)
	}
	logits := c.forward(scope, images, t, show(taps))
	for variable := range scope.IterVariables() {
		if name, ok := StateDictKey(scope, variable); ok && t.freezes(c, name) {
			variable.SetTrainable(false)
		}
	}
	return logits
}
