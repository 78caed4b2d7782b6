package cpu

import (
	"reflect"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

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
		{"not all replicas", compute.ReduceOpSum, [][]int{{1, 2}}, [][]float32{{1, -1}, {5, 3}, {5, 3}, {4, -4}}},
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
		{bfloat16.FromFloat32s(256, 2), bfloat16.FromFloat32s(3, 2), bfloat16.FromFloat32s(260, 4)}, // 259 is not representable
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

// Floating-point sums depend on their order, which must not depend on which device arrives first.
func TestAllReduceIsTheSameBitsEverywhere(t *testing.T) {
	const devices, n = 3, 1000
	b := newDevices(t, "3")
	p := spmd(t, b, devices)
	x := p.parameter("x", n)
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

// Two reductions of the same value are different tensors, and so are operations on them.
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
