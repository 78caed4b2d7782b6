package cpu

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gomlx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

func TestBuffersAreOnDevices(t *testing.T) {
	b := newDevices(t, "2")
	x := on(t, b, 1, 1, 2, 3)
	if got, err := x.DeviceNum(); err != nil || got != 1 {
		t.Errorf("the buffer is on device %d (%v), want 1", got, err)
	}
	y, err := x.CopyToDevice(0)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := y.DeviceNum(); got != 0 {
		t.Errorf("the copy is on device %d, want 0", got)
	}
	floats(t, y)[0] = 7
	if got := floats(t, x)[0]; got != 1 {
		t.Errorf("the original has %g after the copy was written to", got)
	}
	_, err = x.CopyToDevice(2)
	wantError(t, err, "has no device 2, only devices 0 to 1")
	_, err = b.BufferFromFlatData(-1, []float32{1}, shapes.Make(dtypes.Float32, 1))
	wantError(t, err, "has no device -1")
	_, _, err = b.NewSharedBuffer(2, shapes.Make(dtypes.Float32, 1))
	wantError(t, err, "has no device 2")
}

// A computation without assigned devices runs on any device, on buffers of that device.
func TestComputationRunsOnAnyDevice(t *testing.T) {
	b := newDevices(t, "3")
	p := newProgram(t, b)
	e := p.compile(p.value(p.f.Neg(p.parameter("x", 2))))
	for device := range compute.DeviceNum(3) {
		out, err := e.Execute([]compute.Buffer{on(t, b, device, 1, 2)}, nil, device)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := out[0].DeviceNum(); got != device {
			t.Errorf("the output is on device %d, want %d", got, device)
		}
	}
	_, err := e.Execute([]compute.Buffer{on(t, b, 1, 1, 2)}, nil, 0)
	wantError(t, err, "input #0 (x): the buffer is on device 1, want device 0")
	_, err = e.Execute([]compute.Buffer{on(t, b, 0, 1, 2)}, nil, 3)
	wantError(t, err, "has no device 3")
}

// Replicas run on their assigned devices, and their outputs take over donated inputs.
func TestAssignedDevicesAndDonatedInputs(t *testing.T) {
	b := newDevices(t, "4")
	p := spmd(t, b, 2)
	if err := p.builder.DeviceAssignment(3, 1); err != nil {
		t.Fatal(err)
	}
	x, y := p.parameter("x", 2), p.parameter("y", 2)
	sum, err := p.f.AllReduce([]compute.Value{y}, compute.ReduceOpSum, [][]int{{0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	e := p.compile(p.value(p.f.Sub(x, sum[0])))
	in := []compute.Buffer{on(t, b, 3, 1, 2), on(t, b, 3, 10, 10), on(t, b, 1, 3, 4), on(t, b, 1, 20, 20)}
	first, kept := &floats(t, in[0])[0], &floats(t, in[2])[0]
	out, err := e.Execute(in, []bool{true, false, false, false}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, out), [][]float32{{-29, -28}, {-27, -26}}; !reflect.DeepEqual(got, want) {
		t.Errorf("outputs %v, want %v", got, want)
	}
	for i, want := range []compute.DeviceNum{3, 1} {
		if got, _ := out[i].DeviceNum(); got != want {
			t.Errorf("output #%d is on device %d, want %d", i, got, want)
		}
	}
	if &floats(t, out[0])[0] != first {
		t.Error("the output did not take over the memory of the donated input")
	}
	if &floats(t, out[1])[0] == kept {
		t.Error("an output took over the memory of an input that was not donated")
	}
	if _, err := in[0].Data(); err == nil {
		t.Error("the donated input can still be read")
	}
	if got := floats(t, in[2]); !slices.Equal(got, []float32{3, 4}) {
		t.Errorf("an input that was not donated is now %v", got)
	}
	_, err = e.Execute([]compute.Buffer{out[0], in[1], in[2]}, nil, 0)
	wantError(t, err, "3 inputs, want 4: 2 for each of 2 devices")
	_, err = e.Execute([]compute.Buffer{out[0], in[1], in[2], in[3]}, []bool{false}, 0)
	wantError(t, err, "donate has 1 values for 4 inputs")
	_, err = e.Execute([]compute.Buffer{in[2], in[1], in[2], in[3]}, nil, 0)
	wantError(t, err, "is on device 1, want device 3")
}

// failOn is a step that fails or panics on one device.
type failOn struct {
	device compute.DeviceNum
	panics bool
}

func (s failOn) run(r *run) error {
	if r.device != s.device {
		return nil
	}
	if s.panics {
		panic("test panic")
	}
	return compute.ErrNotImplemented
}

// If a replica fails, no other is left waiting, whether it has reached the AllReduce or not.
func TestAFailingReplicaStopsTheOthers(t *testing.T) {
	for _, panics := range []bool{false, true} {
		for device := range compute.DeviceNum(3) {
			b := newDevices(t, "3")
			p := spmd(t, b, 3)
			reduced, err := p.f.AllReduce([]compute.Value{p.parameter("x", 1)}, compute.ReduceOpSum, [][]int{{0, 1, 2}})
			if err != nil {
				t.Fatal(err)
			}
			e := p.compile(reduced...)
			in := []compute.Buffer{on(t, b, 0, 1), on(t, b, 1, 2), on(t, b, 2, 3)}
			steps := e.plan.steps
			e.plan.steps = slices.Concat([]step{failOn{device, panics}}, steps)
			_, err = e.Execute(in, nil, 0)
			if want := []string{"device 0", "device 1", "device 2"}[device]; err == nil || !strings.Contains(err.Error(), want) ||
				strings.Contains(err.Error(), errOtherFailed.Error()) {
				t.Errorf("the error is %v, want that of %s", err, want)
			}
			e.plan.steps = steps
			out, err := e.Execute(in, nil, 0)
			if err != nil {
				t.Fatalf("after a failure: %v", err)
			}
			if got := floats(t, out[2])[0]; got != 6 {
				t.Errorf("after a failure the sum is %g, want 6", got)
			}
		}
	}
}

// Graphs with control flow are delegated. Their replicas run one after another, so an AllReduce in
// them is an error.
func TestReplicasWithControlFlow(t *testing.T) {
	for _, meets := range []bool{false, true} {
		b := newDevices(t, "2")
		p := spmd(t, b, 2)
		x := p.parameter("x", 1)
		doubled := p.value(p.f.Closure())
		in := p.value(doubled.(compute.Function).Parameter("in", shapes.Make(dtypes.Float32, 1), nil))
		if err := doubled.(compute.Function).Return([]compute.Value{p.value(doubled.(compute.Function).Add(in, in))}, nil); err != nil {
			t.Fatal(err)
		}
		y, err := p.f.Call(doubled.(compute.Function), x)
		if err != nil {
			t.Fatal(err)
		}
		if meets {
			if y, err = p.f.AllReduce(y, compute.ReduceOpSum, [][]int{{0, 1}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.f.Return(y, nil); err != nil {
			t.Fatal(err)
		}
		e, err := p.builder.Compile()
		if meets {
			wantError(t, err, "does not support AllReduce in a computation with functions")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Execute([]compute.Buffer{on(t, b, 0, 3), on(t, b, 1, 5)}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := contents(t, out), [][]float32{{6}, {10}}; !reflect.DeepEqual(got, want) {
			t.Errorf("outputs %v, want %v", got, want)
		}
		if got, _ := out[1].DeviceNum(); got != 1 {
			t.Errorf("the second output is on device %d", got)
		}
	}
}

// mesh returns a GoMLX mesh of the given number of devices along one axis.
func mesh(t testing.TB, devices int) *distributed.DeviceMesh {
	t.Helper()
	m, err := distributed.NewDeviceMesh([]int{devices}, []string{"replica"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestExecSPMD(t *testing.T) {
	for devices := 1; devices <= 3; devices++ {
		b := newDevices(t, "3")
		e := gomlx.MustNewExec(b, func(x, y *gomlx.Node) []*gomlx.Node {
			d := x.Graph().Distributed()
			sums := d.AllReduce([]*gomlx.Node{gomlx.Square(x), y}, compute.ReduceOpSum)
			return append(sums, gomlx.Sub(sums[1], y))
		}).SPMD(mesh(t, devices))
		var args []any
		squares, sum := float32(0), float32(0)
		for d := range devices {
			args = append(args, []float32{float32(d + 1), 2}, float32(10*d))
			squares, sum = squares+float32((d+1)*(d+1)), sum+float32(10*d)
		}
		out, err := e.Call(args...)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != 3*devices {
			t.Fatalf("%d outputs of %d devices, want 3 each", len(out), devices)
		}
		for d := range devices {
			got := []any{out[3*d].Value(), out[3*d+1].Value(), out[3*d+2].Value()}
			want := []any{[]float32{squares, float32(4 * devices)}, sum, sum - float32(10*d)}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("device %d of %d has %v, want %v", d, devices, got, want)
			}
		}
	}
}

// Gradient descent on the shards of a batch gives the same weights as on the whole batch.
func TestModelExecSPMD(t *testing.T) {
	const rows, features, steps = 12, 5, 4
	inputs, targets := make([][]float32, rows), make([]float32, rows)
	for i := range rows {
		inputs[i] = ramp(rows * features)[i*features:][:features]
		targets[i] = float32(i%3) - 1
	}
	weights := func(devices int) []float32 {
		b := newDevices(t, "3")
		store := model.NewStore()
		defer store.Finalize()
		w := store.RootScope().VariableWithValue("w", []float32{1, -1, 0.5, 0, 2})
		e, err := model.NewExec(b, store, func(_ *model.Scope, x, y *gomlx.Node) *gomlx.Node {
			g := x.Graph()
			v := w.NodeValue(g)
			loss := gomlx.ReduceAllSum(gomlx.Square(gomlx.Sub(gomlx.Dot(x, v).Product(), y)))
			reduced := []*gomlx.Node{loss, gomlx.Gradient(loss, v)[0]}
			if devices > 1 {
				reduced = g.Distributed().AllReduce(reduced, compute.ReduceOpSum)
			}
			w.SetNodeValue(gomlx.Sub(v, gomlx.MulScalar(reduced[1], 0.02)))
			return reduced[0]
		})
		if err != nil {
			t.Fatal(err)
		}
		if devices > 1 {
			e = e.SPMD(mesh(t, devices))
		}
		var args []any
		for d := range devices {
			from, to := d*rows/devices, (d+1)*rows/devices
			args = append(args, inputs[from:to], targets[from:to])
		}
		for range steps {
			out, err := e.Call(args...)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out[1:] {
				if !reflect.DeepEqual(o.Value(), out[0].Value()) {
					t.Fatalf("the devices have losses %v and %v", out[0].Value(), o.Value())
				}
			}
		}
		if devices == 1 {
			return tensors.MustCopyFlatData[float32](must(w.Value()))
		}
		shards := must(w.DistributedValue()).Shards()
		first := tensors.MustCopyFlatData[float32](shards[0])
		for d, shard := range shards {
			if !slices.Equal(tensors.MustCopyFlatData[float32](shard), first) {
				t.Errorf("the weights of device %d differ", d)
			}
		}
		return first
	}
	want := weights(1)
	for devices := 2; devices <= 3; devices++ {
		for i, got := range weights(devices) {
			if diff := got - want[i]; diff > 1e-5 || diff < -1e-5 {
				t.Errorf("%d devices: weight %d is %g, want %g", devices, i, got, want[i])
			}
		}
	}
}
