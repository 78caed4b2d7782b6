package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// DistributedSPMD makes a computation of which several devices each run a replica, with
// inputs of their own: Execute takes those of all replicas, one replica after the other, and
// returns outputs likewise. The replicas meet where there is an AllReduce. They run on
// devices 0, 1, … unless DeviceAssignment says otherwise, which is called later.
func (b *builder) DistributedSPMD(numDevices int) error {
	switch has := b.backend.devices; {
	case numDevices < 1:
		return errors.Errorf("%s: SPMD on %d devices: at least one is needed", b.Name(), numDevices)
	case numDevices > has && has < maxDevices:
		return errors.Errorf("%s: SPMD on %d devices: the backend %q has %d; its option devices=N, up to %d, makes more",
			b.Name(), numDevices, Name, has, maxDevices)
	case numDevices > has:
		return errors.Errorf("%s: SPMD on %d devices: the backend %q has %d at most", b.Name(), numDevices, Name, has)
	}
	b.replicas, b.placement = numDevices, nil
	for device := range numDevices {
		b.placement = append(b.placement, compute.DeviceNum(device))
	}
	return nil
}

// DistributedAutoSharding is refused: nothing here divides a computation by itself.
func (b *builder) DistributedAutoSharding(...compute.Mesh) error {
	return errors.Wrapf(compute.ErrNotImplemented, "%s: the backend %q has no auto-sharding; use SPMD", b.Name(), Name)
}

// DeviceAssignment fixes the devices that the computation runs on, one for each replica:
// one, or as many as DistributedSPMD was told.
func (b *builder) DeviceAssignment(devices ...compute.DeviceNum) error {
	if want := max(1, b.replicas); len(devices) != want {
		return errors.Errorf("%s: %d devices are assigned to a computation on %d", b.Name(), len(devices), want)
	}
	for i, device := range devices {
		if err := b.backend.checkDevice(device); err != nil {
			return errors.WithMessage(err, b.Name())
		}
		if slices.Contains(devices[:i], device) {
			return errors.Errorf("%s: device %d is assigned twice", b.Name(), device)
		}
	}
	b.placement = slices.Clone(devices)
	return nil
}

// allReduction has the settings of AllReduce, and the shapes of its operands.
type allReduction struct {
	kind compute.ReduceOpType
	// groups are the replicas that reduce with each other, in increasing order. Every replica
	// is in one.
	groups [][]int
	shapes outputs
}

func (a *allReduction) at(i int) shapes.Shape { return a.shapes[i] }

// AllReduce reduces each operand over the replicas of a group, which all get the result: the
// same bits, as it is reduced in the order of the replicas. A replica that is in no group
// keeps what it has. Operands are integers or floats of 32 or 64 bits, or bfloat16, which is
// reduced in float32.
func (f *function) AllReduce(operands []v, reductionType compute.ReduceOpType, replicaGroups [][]int) ([]v, error) {
	const op = compute.OpTypeAllReduce
	b := f.builder
	switch {
	case b.replicas == 0:
		return nil, errors.Errorf("%s: %s is a computation on one device, not an SPMD one", op, b.Name())
	case f != b.main:
		return nil, errors.Errorf("%s: it is in %q, and can only be in the main function", op, f.Name())
	case len(operands) == 0:
		return nil, errors.Errorf("%s: there are no operands", op)
	}
	groups, err := completeGroups(replicaGroups, b.replicas)
	if err != nil {
		return nil, errors.WithMessagef(err, "%s", op)
	}
	_, own, err := f.unwrap(op, operands)
	if err != nil {
		return nil, err
	}
	a := &allReduction{kind: reductionType, groups: groups}
	// To the reference backend, what comes of the others is another parameter.
	references := make([]v, len(own))
	for i, operand := range own {
		if operand == nil {
			return nil, errors.Errorf("%s: operand #%d is nil", op, i)
		}
		shape, err := f.Shape(operand)
		if err != nil {
			return nil, errors.WithMessagef(err, "%s: operand #%d", op, i)
		}
		if combiner(asFloat32(shape).DType, reductionType) == nil {
			return nil, errors.Errorf("%s: operand #%d is %s, of which there is no %s", op, i, shape, reductionType)
		}
		if references[i], err = f.reference.Parameter(fmt.Sprintf("%s %d.%d", op, len(b.nodes), i), shape, nil); err != nil {
			return nil, errors.WithMessagef(err, "%s: operand #%d", op, i)
		}
		a.shapes = append(a.shapes, asFloat32(shape))
	}
	b.hasAllReduce = true
	return f.record(&node{op: op, inputs: own, attributes: a}, references)
}

// partners returns the groups in increasing order, and each replica that is in none as a
// group of its own.
func completeGroups(groups [][]int, replicas int) ([][]int, error) {
	var all [][]int
	in := make([]bool, replicas)
	for _, group := range groups {
		if len(group) == 0 {
			return nil, errors.New("a replica group is empty")
		}
		group = slices.Sorted(slices.Values(group))
		for _, replica := range group {
			if replica < 0 || replica >= replicas {
				return nil, errors.Errorf("there is no replica %d for a replica group: %d devices have replicas 0 to %d",
					replica, replicas, replicas-1)
			}
			if in[replica] {
				return nil, errors.Errorf("replica %d is in two replica groups, or in one twice", replica)
			}
			in[replica] = true
		}
		all = append(all, group)
	}
	for replica := range in {
		if !in[replica] {
			all = append(all, []int{replica})
		}
	}
	return all, nil
}
