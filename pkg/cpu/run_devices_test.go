package cpu

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	gomlx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// newDevices returns a backend of several devices that ends with the test.
func newDevices(t testing.TB, devices string) *Backend {
	t.Helper()
	b, err := New("devices=" + devices)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b.(*Backend)
}

// spmd starts a computation of so many replicas.
func spmd(t testing.TB, b *Backend, replicas int) *program {
	t.Helper()
	p := newProgram(t, b)
	if err := p.builder.DistributedSPMD(replicas); err != nil {
		t.Fatal(err)
	}
	return p
}

// on returns a buffer of the values on a device.
func on(t testing.TB, b *Backend, device compute.DeviceNum, values ...float32) compute.Buffer {
	t.Helper()
	made, err := b.BufferFromFlatData(device, values, shapes.Make(dtypes.Float32, len(values)))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// contents returns the values of all buffers.
func contents(t testing.TB, buffers []compute.Buffer) [][]float32 {
	t.Helper()
	var values [][]float32
	for _, b := range buffers {
		values = append(values, floats(t, b))
	}
	return values
}

// wantError checks that an error is one line with the words in it.
func wantError(t testing.TB, err error, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %q", words)
	}
	if text := err.Error(); !strings.Contains(text, words) || strings.Contains(text, "\n") {
		t.Errorf("the error is %q, want a line with %q", text, words)
	}
}

func TestNumberOfDevices(t *testing.T) {
	if got := newBackend(t, "").NumDevices(); got != 1 {
		t.Errorf("%d devices by default, want 1", got)
	}
	b := newDevices(t, "3")
	if got := b.NumDevices(); got != 3 {
		t.Errorf("%d devices, want 3", got)
	}
	if !b.Capabilities().Operations[compute.OpTypeAllReduce] {
		t.Error("several devices are not capable of AllReduce")
	}
	if newDevices(t, "1").Capabilities().Operations[compute.OpTypeAllReduce] {
		t.Error("one device is capable of AllReduce")
	}
	for _, option := range []string{"0", "9", "-1", "two", ""} {
		_, err := New("devices=" + option)
		wantError(t, err, "the number of devices is 1 to 8")
	}
}

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

// A computation for no device in particular runs on any, with what is there.
func TestPortableComputation(t *testing.T) {
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
	wantError(t, err, "input #0 (x) is on device 1, want device 0")
	_, err = e.Execute([]compute.Buffer{on(t, b, 0, 1, 2)}, nil, 3)
	wantError(t, err, "has no device 3")
}

func TestAllReduce(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   compute.ReduceOpType
		groups [][]int
		want   [][]float32
	}{
		{"sum", compute.ReduceOpSum, [][]int{{0, 1, 2, 3}}, [][]float32{{10, -2}, {10, -2}, {10, -2}, {10, -2}}},
		{"product", compute.ReduceOpProduct, [][]int{{3, 1, 2, 0}}, [][]float32{{24, -24}, {24, -24}, {24, -24}, {24, -24}}},
		{"max", compute.ReduceOpMax, [][]int{{0, 1, 2, 3}}, [][]float32{{4, 3}, {4, 3}, {4, 3}, {4, 3}}},
		{"min", compute.ReduceOpMin, [][]int{{0, 1, 2, 3}}, [][]float32{{1, -4}, {1, -4}, {1, -4}, {1, -4}}},
		{"two groups", compute.ReduceOpSum, [][]int{{2, 0}, {1, 3}}, [][]float32{{4, 2}, {6, -4}, {4, 2}, {6, -4}}},
		{"a group of some", compute.ReduceOpSum, [][]int{{1, 2}}, [][]float32{{1, -1}, {5, 3}, {5, 3}, {4, -4}}},
		{"no group", compute.ReduceOpSum, nil, [][]float32{{1, -1}, {2, 0}, {3, 3}, {4, -4}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newDevices(t, "4")
			p := spmd(t, b, 4)
			reduced, err := p.f.AllReduce([]compute.Value{p.parameter("x", 2)}, test.kind, test.groups)
			if err != nil {
				t.Fatal(err)
			}
			e := p.compile(reduced...)
			in := []compute.Buffer{on(t, b, 0, 1, -1), on(t, b, 1, 2, 0), on(t, b, 2, 3, 3), on(t, b, 3, 4, -4)}
			if test.kind == compute.ReduceOpProduct {
				in[1], in[2] = on(t, b, 1, 2, 2), on(t, b, 2, 3, 3)
				in[3] = on(t, b, 3, 4, 4)
			}
			out, err := e.Execute(in, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, out); !reflect.DeepEqual(got, test.want) {
				t.Errorf("the devices have %v, want %v", got, test.want)
			}
			for i, o := range out {
				if device, _ := o.DeviceNum(); int(device) != i {
					t.Errorf("output #%d is on device %d", i, device)
				}
			}
		})
	}
}

func TestAllReduceOfOtherTypes(t *testing.T) {
	b := newDevices(t, "2")
	for _, test := range []struct{ one, two, want any }{
		{[]float64{1, 2}, []float64{0.5, -2}, []float64{1.5, 0}},
		{[]int32{1, 2}, []int32{3, -2}, []int32{4, 0}},
		{[]int64{1 << 40, 2}, []int64{1, 2}, []int64{1<<40 + 1, 4}},
		{[]uint32{1 << 31, 2}, []uint32{1, 2}, []uint32{1<<31 + 1, 4}},
		{[]uint64{1, 2}, []uint64{1 << 63, 2}, []uint64{1<<63 + 1, 4}},
		{bfloat16.FromFloat32s(256, 2), bfloat16.FromFloat32s(3, 2), bfloat16.FromFloat32s(260, 4)}, // 259 is none
	} {
		p := spmd(t, b, 2)
		shape := shapes.Make(dtypes.FromGoType(reflect.TypeOf(test.one).Elem()), 2)
		x := p.value(p.f.Parameter("x", shape, nil))
		reduced, err := p.f.AllReduce([]compute.Value{x}, compute.ReduceOpSum, [][]int{{0, 1}})
		if err != nil {
			t.Fatal(err)
		}
		e := p.compile(reduced...)
		one, _ := b.BufferFromFlatData(0, test.one, shape)
		two, _ := b.BufferFromFlatData(1, test.two, shape)
		out, err := e.Execute([]compute.Buffer{one, two}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if got, err := out[i].Data(); err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: device %d has %v (%v), want %v", shape.DType, i, got, err, test.want)
			}
		}
	}
}

// Sums of floats depend on their order, which must not depend on who comes first.
func TestAllReduceIsTheSameBitsEverywhere(t *testing.T) {
	const devices, n = 3, 1000
	b := newDevices(t, "3")
	p := spmd(t, b, devices)
	x := p.parameter("x", n)
	// The first device has the least to do before they meet, and then the most.
	y := p.value(p.f.Exp(p.value(p.f.Sin(x))))
	first, err := p.f.AllReduce([]compute.Value{y, x}, compute.ReduceOpSum, [][]int{{2, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.f.AllReduce([]compute.Value{p.value(p.f.Mul(first[0], x))}, compute.ReduceOpSum, [][]int{{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	e := p.compile(first[0], first[1], second[0])
	values := make([][]float32, devices)
	var in []compute.Buffer
	for d := range devices {
		for i := range n {
			values[d] = append(values[d], float32(d*n+i)*1.37e-3*[]float32{1, 1e-3, -1}[d])
		}
		in = append(in, on(t, b, compute.DeviceNum(d), values[d]...))
	}
	var known [][]float32
	for round := range fewer(40) {
		out, err := e.Execute(in, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := contents(t, out)
		if round == 0 {
			known = got
		}
		for i, o := range got {
			if !slices.Equal(o, known[i%3]) {
				t.Fatalf("round %d: output #%d of device %d differs", round, i%3, i/3)
			}
		}
	}
	for i := range n {
		if want := values[0][i] + values[1][i] + values[2][i]; known[1][i] != want {
			t.Fatalf("the sum of %g, %g and %g is %g, want %g, added in this order", values[0][i], values[1][i], values[2][i], known[1][i], want)
		}
	}
}

// Two all-reduces of one value are not taken for the same, nor what is made of them for what
// is made of the value.
func TestAllReducesAreDifferent(t *testing.T) {
	b := newDevices(t, "2")
	p := spmd(t, b, 2)
	x := p.parameter("x", 1)
	one := func(kind compute.ReduceOpType) compute.Value {
		reduced, err := p.f.AllReduce([]compute.Value{x}, kind, [][]int{{0, 1}})
		if err != nil {
			t.Fatal(err)
		}
		return p.value(p.f.Neg(reduced[0]))
	}
	e := p.compile(p.value(p.f.Neg(x)), one(compute.ReduceOpSum), one(compute.ReduceOpMax), x)
	out, err := e.Execute([]compute.Buffer{on(t, b, 0, 1), on(t, b, 1, 5)}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]float32{{-1}, {-6}, {-5}, {1}, {-5}, {-6}, {-5}, {5}}
	if got := contents(t, out); !reflect.DeepEqual(got, want) {
		t.Errorf("outputs %v, want %v", got, want)
	}
}

// Replicas run where they are assigned, and their outputs take over what they are given.
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
		t.Error("the donated input is still there")
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

// failOn is a step that fails, or panics, on one device.
type failOn struct {
	device compute.DeviceNum
	panics bool
}

func (s failOn) run(r *run) error {
	if r.device != s.device {
		return nil
	}
	if s.panics {
		panic("a test's panic")
	}
	return compute.ErrNotImplemented
}

// A replica that fails leaves no other waiting, whether those are before or at the meeting.
func TestReplicaThatFails(t *testing.T) {
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
				strings.Contains(err.Error(), errLeft.Error()) {
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

func TestRefusedDistribution(t *testing.T) {
	b := newDevices(t, "2")
	builder := b.Builder("refused")
	wantError(t, builder.DistributedSPMD(3), `SPMD on 3 devices: the backend "cpu" has 2; its option devices=N, up to 8, makes more`)
	wantError(t, builder.DistributedSPMD(0), "at least one")
	wantError(t, builder.DistributedAutoSharding(), "use SPMD")
	wantError(t, builder.DeviceAssignment(0, 1), "2 devices are assigned to a computation on 1")
	if err := builder.DistributedSPMD(2); err != nil {
		t.Fatal(err)
	}
	wantError(t, builder.DeviceAssignment(0), "1 devices are assigned to a computation on 2")
	wantError(t, builder.DeviceAssignment(0, 2), "has no device 2")
	wantError(t, builder.DeviceAssignment(1, 1), "device 1 is assigned twice")
	wantError(t, newDevices(t, "8").Builder("refused").DistributedSPMD(9), "has 8 at most")
}

func TestRefusedAllReduce(t *testing.T) {
	b := newDevices(t, "2")
	single := newProgram(t, b)
	_, err := single.f.AllReduce([]compute.Value{single.parameter("x", 1)}, compute.ReduceOpSum, [][]int{{0, 1}})
	wantError(t, err, "not an SPMD one")

	p := spmd(t, b, 2)
	x := p.parameter("x", 1)
	bools := p.value(p.f.Parameter("bools", shapes.Make(dtypes.Bool, 2), nil))
	for _, test := range []struct {
		operands []compute.Value
		kind     compute.ReduceOpType
		groups   [][]int
		want     string
	}{
		{nil, compute.ReduceOpSum, [][]int{{0, 1}}, "no operands"},
		{[]compute.Value{nil}, compute.ReduceOpSum, [][]int{{0, 1}}, "operand #0 is nil"},
		{[]compute.Value{x, bools}, compute.ReduceOpSum, [][]int{{0, 1}}, "operand #1 is (Bool)[2], of which there is no Sum"},
		{[]compute.Value{x}, compute.ReduceOpUndefined, [][]int{{0, 1}}, "of which there is no Undefined"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{0, 2}}, "no replica 2"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{-1}}, "no replica -1"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{0}, {1, 0}}, "replica 0 is in two"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{0, 1}, {}}, "empty"},
	} {
		_, err := p.f.AllReduce(test.operands, test.kind, test.groups)
		wantError(t, err, test.want)
	}
}

// Control flow is left to the reference backend: each replica runs on its own, or not at all
// if they have to meet.
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
			wantError(t, err, "AllReduce in a computation with functions")
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

// mesh returns a mesh of GoMLX's of so many devices along one axis.
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

// A step of gradient descent on shares of a batch gives the weights of one on all of it.
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
