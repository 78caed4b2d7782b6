// Package weights compares networks with weights from elsewhere with PyTorch. The logits in
// testdata were computed by PyTorch, with tests/reference/weight_logits.py. If /usr/bin/python3
// has PyTorch and torchvision, they also exchange files with this project, in both directions.
package weights

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
	"github.com/residual-go/residual/pkg/weights"
)

// tolerance bounds the largest difference of logits, relative to the largest logit.
const tolerance = 1e-4

// reference reads testdata/name.safetensors: PyTorch's logits [images, classes], by network.
func reference(t *testing.T, name string) map[string]statedict.Tensor {
	t.Helper()
	file, err := weights.ReadFile(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return file.Tensors
}

// prepare returns the model as a network on the backend of the given name.
func prepare(t *testing.T, m *weights.Model, backendName string) *infer.Network {
	t.Helper()
	engine, err := backend.New(backendName)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Finalize)
	store := model.NewStore()
	if err := m.Restore(store, "/model"); err != nil {
		t.Fatal(err)
	}
	network, err := infer.New(engine, store, "/model", m.Config, m.Normalization)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Finalize)
	return network
}

// checkClose fails the test if got differs from want by more than the tolerance.
func checkClose(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d logits, want %d", what, len(got), len(want))
	}
	difference, largest := 0.0, 0.0
	for i := range want {
		difference = max(difference, math.Abs(float64(got[i]-want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
	}
	if !(difference <= tolerance*largest) {
		t.Errorf("%s: logits differ by %g from PyTorch's, whose largest is %g", what, difference, largest)
	}
	t.Logf("%s: logits differ by %.2g of the largest", what, difference/largest)
}

// TestTrainedNetworks runs the CIFAR-10 networks of Y. Idelbayev, trained in PyTorch, on real
// test images.
func TestTrainedNetworks(t *testing.T) {
	data := os.Getenv("RESIDUAL_TEST_DATA")
	if data == "" {
		t.Skip("RESIDUAL_TEST_DATA is not set: it names a folder with weights/ and cifar10-exact/")
	}
	_, images, err := cifar.Read(filepath.Join(data, "cifar10-exact"))
	if err != nil {
		t.Fatal(err)
	}
	logits := reference(t, "cifar10")
	for _, test := range []struct {
		file, name, backend string
		images, right       int
	}{
		{"resnet20-12fca82f.th", "resnet20", "cpu", 500, 455},
		{"resnet32-d509ac18.th", "resnet32", "cpu", 500, 466},
		// GoMLX's own backend is slow.
		{"resnet20-12fca82f.th", "resnet20", "go", 8, 8},
		{"resnet32-d509ac18.th", "resnet32", "go", 8, 8},
	} {
		t.Run(test.name+" on "+test.backend, func(t *testing.T) {
			m, err := weights.Open(context.Background(), filepath.Join(data, "weights", test.file), weights.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := logits[test.file]
			if m.Config.Name != test.name || m.Classes[3] != "cat" || images.Len() != want.Shape[0] {
				t.Fatalf("opened %s with the classes %q, for %d images; want %s, with a cat, for %d",
					m.Config.Name, m.Classes, images.Len(), test.name, want.Shape[0])
			}
			some := images.First(test.images)
			got, err := prepare(t, m, test.backend).Logits(some.Pixels, some.Height, some.Width)
			if err != nil {
				t.Fatal(err)
			}
			checkClose(t, test.file, got, want.Data[:10*test.images])
			right := 0
			for i, label := range some.Labels {
				if infer.Top(got[10*i:10*(i+1)], 1)[0].Class == int(label) {
					right++
				}
			}
			if right != test.right {
				t.Errorf("%d of %d images are classified correctly, want %d", right, test.images, test.right)
			}
		})
	}
}

// TestFormula gives every network weights by the formula of weight_networks.py.
func TestFormula(t *testing.T) {
	for name, want := range reference(t, "formula") {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && strings.Contains(name, "101") {
				t.Skip("large")
			}
			defer runtime.GC() // a network's weights have up to half a gigabyte
			c, err := resnet.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			file := &weights.File{Tensors: byFormula(t, c)}
			m, err := file.Model(hub.Origin{}, "")
			if err != nil {
				t.Fatal(err)
			}
			if m.Config.Name != name {
				t.Errorf("detected as %s", m.Config.Name)
			}
			got, err := prepare(t, m, "cpu").Logits(images(), side, side)
			if err != nil {
				t.Fatal(err)
			}
			checkClose(t, name, got, want.Data)
		})
	}
}
