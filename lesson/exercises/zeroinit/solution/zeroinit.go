// Package zeroinit makes the residual blocks of a new network begin as the identity.
package zeroinit

import (
	"fmt"
	"strings"
)

// ZeroInit sets to 0 the weight (γ) of the last batch norm of each residual block and leaves
// everything else as it is.
//
// state has the tensors of a ResNet under torchvision's names. The blocks of the first stage are
// layer1.0, layer1.1 and so on, those of the second layer2.0, … The batch norms of a block's
// branch are bn1, bn2 and, if it is a bottleneck, bn3. The batch norm of its shortcut, if it
// has one, is downsample.1. A batch norm has weight, bias, running_mean and running_var.
func ZeroInit(state map[string][]float32) {
	// BEGIN SOLUTION
	for name, values := range state {
		block, found := strings.CutSuffix(name, ".weight")
		if !found || !strings.HasPrefix(name, "layer") {
			continue
		}
		last := 2
		if parts := strings.Split(block, "."); state[strings.Join(parts[:2], ".")+".bn3.weight"] != nil {
			last = 3
		}
		if strings.HasSuffix(block, fmt.Sprintf(".bn%d", last)) {
			clear(values)
		}
	}
	// END SOLUTION
}
