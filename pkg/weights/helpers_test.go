package weights

import (
	"testing"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// small is a network with every kind of tensor.
func small(classes int) resnet.Config {
	return resnet.Config{Name: "small", Stem: resnet.CIFARStem, Block: resnet.Bottleneck, Blocks: []int{1, 2},
		Width: 4, Classes: classes}
}

// valued returns tensors of the network whose data counts up, times scale.
func valued(t testing.TB, c resnet.Config, scale float32) map[string]statedict.Tensor {
	t.Helper()
	found := declared(t, c)
	for name, tensor := range found {
		size := 1
		for _, dim := range tensor.Shape {
			size *= dim
		}
		tensor.Data = make([]float32, size)
		for i := range tensor.Data {
			tensor.Data[i] = scale * float32(i%17+1)
		}
		found[name] = tensor
	}
	return found
}

// values returns the values of the variables under scope.
func values(t testing.TB, scope *model.Scope) map[string]statedict.Tensor {
	t.Helper()
	found, err := statedict.FromScope(scope)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
