package block

import (
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/resnet"
)

func engine(t *testing.T) compute.Backend {
	t.Helper()
	engine, err := backend.New("go")
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func tiny(t *testing.T) resnet.Config {
	t.Helper()
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// block returns layer1.0, with the given mistake: "shortcut" or "beta" is left out.
func block(mistake string) Func {
	relu := func(x *graph.Node) *graph.Node { return graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x) }
	return func(x *graph.Node, get func(string) *graph.Node) *graph.Node {
		layer := func(x *graph.Node, number string) *graph.Node {
			x = graph.Convolve(x, get("conv"+number+".weight")).PadSame().Done()
			centred := graph.Sub(x, graph.ReduceAndKeep(x, graph.ReduceMean, 0, 1, 2))
			variance := graph.ReduceAndKeep(graph.Square(centred), graph.ReduceMean, 0, 1, 2)
			scale := graph.Div(get("bn"+number+".weight"), graph.Sqrt(graph.AddScalar(variance, 1e-5)))
			y := graph.Mul(centred, scale)
			if mistake != "beta" {
				y = graph.Add(y, get("bn"+number+".bias"))
			}
			return y
		}
		y := layer(relu(layer(x, "1")), "2")
		if mistake != "shortcut" {
			y = graph.Add(x, y)
		}
		return relu(y)
	}
}

func TestCompareIsZeroForARightBlockAlone(t *testing.T) {
	for _, mistake := range []string{"", "shortcut", "beta"} {
		difference, err := Compare(engine(t), tiny(t), "layer1.0", block(mistake))
		if err != nil {
			t.Fatal(err)
		}
		if (mistake == "") != (difference == 0) || mistake != "" && difference < 0.1 {
			t.Errorf("mistake %q: difference %g", mistake, difference)
		}
	}
}

func TestIdentityError(t *testing.T) {
	config := tiny(t)
	if difference, err := IdentityError(engine(t), config, "layer1.0"); err != nil || difference < 0.1 {
		t.Errorf("a random block differs from the identity by %g (error %v), want at least 0.1", difference, err)
	}
	config.ZeroInitResidual = true
	if difference, err := IdentityError(engine(t), config, "layer1.0"); err != nil || difference != 0 {
		t.Errorf("a block with γ = 0 differs from the identity by %g (error %v), want 0", difference, err)
	}
	if _, err := IdentityError(engine(t), config, "layer2.0"); err == nil || !strings.Contains(err.Error(), "layer2.0") {
		t.Errorf("a block that changes the shape: error %v, want one that names the block", err)
	}
}

// TestZeroed: with weights of zero, a residual block passes its input on and its plain twin
// outputs 0 for every input.
func TestZeroed(t *testing.T) {
	if difference, output, err := Zeroed(engine(t), tiny(t), "layer1.0"); err != nil || difference != 0 || output < 0.1 {
		t.Errorf("residual: difference %g, output up to %g (error %v), want 0 and at least 0.1", difference, output, err)
	}
	if difference, output, err := Zeroed(engine(t), tiny(t).PlainTwin(), "layer1.0"); err != nil || difference < 0.1 || output != 0 {
		t.Errorf("plain: difference %g, output up to %g (error %v), want at least 0.1 and 0", difference, output, err)
	}
}

func TestUnknownNames(t *testing.T) {
	if _, err := Compare(engine(t), tiny(t), "layer9.0", block("")); err == nil || !strings.Contains(err.Error(), "layer9.0") {
		t.Errorf("an unknown block: error %v, want one that names the block", err)
	}
	_, err := Compare(engine(t), tiny(t), "layer1.0", func(x *graph.Node, get func(string) *graph.Node) *graph.Node { return get("conv7.weight") })
	if err == nil || !strings.Contains(err.Error(), "conv7.weight") {
		t.Errorf("an unknown weight: error %v, want one that names the weight", err)
	}
}
