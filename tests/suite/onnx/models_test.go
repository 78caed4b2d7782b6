// Package onnx tests the models that pkg/onnx writes: the structure of the file and, if ONNX
// Runtime is installed, what it computes with the model.
package onnx

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/onnx"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// engine is the backend of all these tests, because a tensor belongs to one backend.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("cpu") })

// kinds returns a tiny network for every combination of a resnet.Config's settings, by name.
func kinds() map[string]resnet.Config {
	all := map[string]resnet.Config{}
	for stem, stemName := range []string{"ImageNet", "CIFAR", "CIFAR with pool"} {
		for block, blockName := range []string{"basic", "bottleneck", "grouped", "stride first"} {
			for shortcut, shortcutName := range []string{"B", "A", "C", "pad-end", "plain"} {
				for pre, preName := range []string{"", ", pre-activation"} {
					// The width is odd, so that the channels that shortcut A adds do not divide by two.
					c := resnet.Config{Name: "tiny", Stem: resnet.Stem(stem), Blocks: []int{1, 2}, Width: 3, PreActivation: pre == 1, Classes: 4}
					if block > 0 {
						c.Block = resnet.Bottleneck
					}
					if block == 2 {
						c.Groups = 2
					}
					c.StrideFirst = blockName == "stride first"
					if c.Plain = shortcutName == "plain"; !c.Plain {
						c.Shortcut = resnet.Shortcut(shortcut)
					}
					all[fmt.Sprintf("%s stem, %s, %s%s", stemName, blockName, shortcutName, preName)] = c
				}
			}
		}
	}
	return all
}

// random returns the network with random weights and running statistics, for images of the
// given size.
func random(t *testing.T, config resnet.Config, height, width int) *weights.Model {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		t.Fatal(err)
	}
	if err := config.Declare(store.Scope("/network")); err != nil {
		t.Fatal(err)
	}
	if err := store.InitializeVariables(engine, nil); err != nil {
		t.Fatal(err)
	}
	m := &weights.Model{Config: config, Description: weights.Description{Transform: picture.Transform{Resize: height, Height: height, Width: width}}}
	if m.Tensors, err = statedict.FromScope(store.Scope("/network")); err != nil {
		t.Fatal(err)
	}
	numbers := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(m.Tensors)) {
		tensor := m.Tensors[name]
		for i := range tensor.Data {
			switch {
			case strings.HasSuffix(name, "running_var"), len(tensor.Shape) == 1 && strings.HasSuffix(name, "weight"):
				tensor.Data[i] = 0.5 + numbers.Float32()
			case len(tensor.Shape) == 1:
				tensor.Data[i] = float32(numbers.NormFloat64())
			}
		}
	}
	return m
}

// write returns the model as ONNX.
func write(t *testing.T, m *weights.Model, fold bool) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := onnx.Write(&content, m, onnx.Options{Fold: fold}); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}
