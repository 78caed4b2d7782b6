package cpu

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

func TestInvalidDistributionIsAnError(t *testing.T) {
	b := newDevices(t, "2")
	builder := b.Builder("refused")
	wantError(t, builder.DistributedSPMD(3), `SPMD on 3 devices: backend "cpu" has 2; its option devices=N provides up to 8`)
	wantError(t, builder.DistributedSPMD(0), "at least one")
	wantError(t, builder.DistributedAutoSharding(), "use SPMD")
	wantError(t, builder.DeviceAssignment(0, 1), "2 devices assigned, want 1")
	if err := builder.DistributedSPMD(2); err != nil {
		t.Fatal(err)
	}
	wantError(t, builder.DeviceAssignment(0), "1 devices assigned, want 2")
	wantError(t, builder.DeviceAssignment(0, 2), "has no device 2")
	wantError(t, builder.DeviceAssignment(1, 1), "device 1 is assigned twice")
	wantError(t, newDevices(t, "8").Builder("refused").DistributedSPMD(9), "has at most 8")
}

func TestInvalidAllReduceIsAnError(t *testing.T) {
	b := newDevices(t, "2")
	single := newProgram(t, b)
	_, err := single.f.AllReduce([]compute.Value{single.parameter("x", 1)}, compute.ReduceOpSum, [][]int{{0, 1}})
	wantError(t, err, "not an SPMD computation")

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
		{[]compute.Value{x, bools}, compute.ReduceOpSum, [][]int{{0, 1}}, "operand #1: cannot reduce (Bool)[2] by Sum"},
		{[]compute.Value{x}, compute.ReduceOpUndefined, [][]int{{0, 1}}, "by Undefined"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{0, 2}}, "no replica 2"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{-1}}, "no replica -1"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{0}, {1, 0}}, "replica 0 appears twice"},
		{[]compute.Value{x}, compute.ReduceOpSum, [][]int{{0, 1}, {}}, "empty"},
	} {
		_, err := p.f.AllReduce(test.operands, test.kind, test.groups)
		wantError(t, err, test.want)
	}
}
