package spmd_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/dtensor"

	"github.com/residual-go/residual/pkg/cpu"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/spmd"
)

func devices(t *testing.T, config string) compute.Backend {
	t.Helper()
	backend, err := cpu.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Finalize)
	return backend
}

// run runs f on three devices, each with a third of the values, and returns the outputs of each device.
func run(t *testing.T, f func(x *graph.Node) []*graph.Node, values []float32) [][][]float32 {
	t.Helper()
	const n = 3
	mesh, err := distributed.NewDeviceMesh([]int{n}, []string{"data"})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := distributed.NewShardingSpec(mesh, distributed.AxisSpec{"data"})
	if err != nil {
		t.Fatal(err)
	}
	x, err := dtensor.ShardTensor(spec, tensors.FromFlatDataAndDimensions(values, len(values)))
	if err != nil {
		t.Fatal(err)
	}
	exec, err := graph.NewExec(devices(t, "devices=3"), f)
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := exec.SPMD(mesh).WithInputShardingSpecs(spec).Call(x)
	if err != nil {
		t.Fatal(err)
	}
	of := make([][][]float32, n)
	for i, output := range outputs {
		device := i / (len(outputs) / n)
		of[device] = append(of[device], tensors.MustCopyFlatData[float32](output))
	}
	return of
}

func TestMeanIsTheSameOnAllDevices(t *testing.T) {
	for device, of := range run(t, func(x *graph.Node) []*graph.Node {
		return []*graph.Node{spmd.Mean(x), spmd.Means([]*graph.Node{graph.Neg(x), graph.MulScalar(x, 2)})[1]}
	}, []float32{8, 3, 1, 5, -3, 7}) {
		if got, want := of[0], []float32{2, 5}; !slices.Equal(got, want) {
			t.Errorf("device %d: mean %v, want %v", device, got, want)
		}
		if got, want := of[1], []float32{4, 10}; !slices.Equal(got, want) {
			t.Errorf("device %d: mean of the second tensor %v, want %v", device, got, want)
		}
	}
	// In float32 the result depends on the order of the additions, which must be the same everywhere.
	outputs := run(t, func(x *graph.Node) []*graph.Node { return []*graph.Node{spmd.Mean(x)} },
		[]float32{0.1, 1e7, -3.3, 77, 1e-4, 0.7})
	for device, of := range outputs {
		if !slices.Equal(of[0], outputs[0][0]) {
			t.Errorf("device %d has mean %v and device 0 %v", device, of[0], outputs[0][0])
		}
	}
}

// The sum of the losses is Σᵢ wᵢ·m², where m is the mean of the xⱼ and wᵢ a weight of device i. So its
// derivative by every xⱼ is 2m·Σw/3, on any device.
func TestMeanHasTheGradientOfAllLosses(t *testing.T) {
	for device, of := range run(t, func(xw *graph.Node) []*graph.Node {
		x, w := graph.Slice(xw, graph.AxisElem(0)), graph.Slice(xw, graph.AxisElem(1))
		loss := graph.ReduceAllSum(graph.Mul(graph.StopGradient(w), graph.Square(spmd.Mean(x))))
		return graph.Gradient(loss, x)
	}, []float32{2, 1, 4, 10, 9, 100}) {
		if got, want := of[0][0], float32(2*5*111)/3; math.Abs(float64(got-want)) > 1e-4*float64(want) {
			t.Errorf("device %d: gradient %g, want %g", device, got, want)
		}
	}
}

func TestOneDeviceChangesNothing(t *testing.T) {
	outputs, err := graph.CallOnceN(devices(t, ""), func(x *graph.Node) []*graph.Node {
		if spmd.Mean(x) != x {
			t.Error("Mean on one device adds operations")
		}
		return append(spmd.Means([]*graph.Node{x}), graph.Gradient(graph.ReduceAllSum(spmd.Mean(x)), x)...)
	}, []float32{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if got := tensors.MustCopyFlatData[float32](outputs[0]); !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("Means on one device returns %v", got)
	}
}

func TestSharesAreThePartsOfTheBatch(t *testing.T) {
	images := &dataset.Images{Name: "few", Classes: []string{"a", "b"}, Height: 1, Width: 1,
		Pixels: make([]byte, 3*12), Labels: make([]int32, 12)}
	for i := range images.Pixels {
		images.Pixels[i] = byte(i)
	}
	batches, err := dataset.NewBatches(images, dataset.Options{BatchSize: 6, Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	shares, err := spmd.Share(batches, devices(t, "devices=3"), 3)
	if err != nil {
		t.Fatal(err)
	}
	next := byte(0)
	for batch, err := range shares.DistributedIter() {
		if err != nil {
			t.Fatal(err)
		}
		for device, shard := range batch.Inputs[0].Shards() {
			pixels := tensors.MustCopyFlatData[uint8](shard)
			if len(pixels) != 6 || pixels[0] != next {
				t.Errorf("device %d got pixels %v, want six from %d on", device, pixels, next)
			}
			next += 6
		}
		if got := batch.Labels[0].Shards()[2].Shape().Dimensions; !slices.Equal(got, []int{2, 1}) {
			t.Errorf("labels of shape %v for the third device, want [2 1]", got)
		}
	}
	if next != 36 {
		t.Errorf("%d bytes in all, want 36", next)
	}
}

func TestTooManyDevices(t *testing.T) {
	for have, config := range map[int]string{1: "", 2: "devices=2"} {
		_, err := spmd.Share(nil, devices(t, config), 4)
		want := fmt.Sprintf("4 devices requested, but backend cpu has %d; request fewer, or use another backend, such as cpu:devices=4 to try it out", have)
		if err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %q", config, err, want)
		}
	}
}
