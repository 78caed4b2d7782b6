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

// Training says how a network is trained, where there is a choice. The zero value is the
// usual: everything is trained.
type Training struct {
	// Freeze is the last part that stays as it is, and all before it do too, as one wants it
	// with weights that were trained on other images: one of Parts. "" freezes none.
	Freeze string
	// FreezeNorms has the batch norms of the other parts, too, use and keep their running
	// statistics; their γ and β are trained.
	FreezeNorms bool
	// LocalNorms has every device normalise by the moments of its own share of the batch,
	// where there are several; see [nn.BatchNormBuilder.Local].
	LocalNorms bool
}

// Parts returns the names that Training.Freeze takes, in the order of the network: stem, layer1,
// layer2, …, and body, which is everything but the last layer.
func (c Config) Parts() []string {
	parts := []string{stemName}
	for stage := range c.Blocks {
		parts = append(parts, fmt.Sprintf("layer%d", stage+1))
	}
	return append(parts, bodyName)
}

// Validate reports whether c has the part that is to be frozen.
func (t Training) Validate(c Config) error {
	if parts := c.Parts(); t.Freeze != "" && !slices.Contains(parts, t.Freeze) {
		return fmt.Errorf("unknown part %q of %s to freeze; its parts are %s", t.Freeze, c.Name, strings.Join(parts, ", "))
	}
	return nil
}

// KeepsStatistics reports whether all batch norms use and keep their running statistics, so
// that one image is enough to train on.
func (t Training) KeepsStatistics() bool { return t.FreezeNorms || t.Freeze == bodyName }

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

// freezes reports whether the layer of the given name is in a frozen part of c.
func (t Training) freezes(c Config, name string) bool {
	return c.part(name) <= slices.Index(c.Parts(), t.Freeze)
}

// ForwardTraining is Forward for training as t says. The variables of frozen parts
// become not trainable, and their batch norms always go by the running statistics, as
// PyTorch's do after requires_grad_(False) and eval(). It takes both: by the moments of the
// batch a part whose every weight is frozen would still compute something else for every
// batch, and move its running statistics towards images that its weights never saw.
//
// It panics where Validate has an error.
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
