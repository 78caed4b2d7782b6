package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// DistributedSPMD makes each of numDevices devices run a replica of the computation with its
// own inputs. Execute takes the inputs of all replicas, one replica after the other, and
// returns the outputs in the same order. The replicas meet at every AllReduce. They run on
// devices 0, 1, … unless DeviceAssignment, called later, assigns others.
func (b *builder) DistributedSPMD(numDevices int) error {
	switch has := b.backend.devices; {
	case numDevices < 1:
		return errors.Errorf("%s: SPMD needs at least one device, not %d", b.Name(), numDevices)
	case numDevices > has && has < maxDevices:
		return errors.Errorf("%s: SPMD on %d devices: backend %q has %d; its option devices=N provides up to %d",
			b.Name(), numDevices, Name, has, maxDevices)
	case numDevices > has:
		return errors.Errorf("%s: SPMD on %d devices: backend %q has at most %d", b.Name(), numDevices, Name, has)
	}
	b.replicas, b.placement = numDevices, nil
	for device := range numDevices {
		b.placement = append(b.placement, compute.DeviceNum(device))
	}
	return nil
}

// DistributedAutoSharding returns an error: the backend does not divide computations by itself.
func (b *builder) DistributedAutoSharding(...compute.Mesh) error {
	return errors.Wrapf(compute.ErrNotImplemented, "%s: backend %q has no auto-sharding; use SPMD", b.Name(), Name)
}

// DeviceAssignment sets the devices that the computation runs on, one for each replica:
// as many as the argument of DistributedSPMD, or one.
func (b *builder) DeviceAssignment(devices ...compute.DeviceNum) error {
	if want := max(1, b.replicas); len(devices) != want {
		return errors.Errorf("%s: %d devices assigned, want %d", b.Name(), len(devices), want)
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

// allReduction holds the settings of AllReduce and the shapes of its operands.
type allReduction struct {
	kind compute.ReduceOpType
	// groups lists the replicas that reduce together, in increasing order. Every replica is in
	// exactly one group.
	groups [][]int
	shapes outputs
}

func (a *allReduction) at(i int) shapes.Shape { return a.shapes[i] }

// AllReduce reduces each operand over the replicas of each group, in the order of the replicas.
// All replicas of a group get the same bits. A replica that is in no group keeps its operands.
// Operands are integers or floats of 32 or 64 bits, or bfloat16, which is reduced in float32.
func (f *function) AllReduce(operands []v, reductionType compute.ReduceOpType, replicaGroups [][]int) ([]v, error) {
	const op = compute.OpTypeAllReduce
	b := f.builder
	switch {
	case b.replicas == 0:
		return nil, errors.Errorf("%s: %s is not an SPMD computation: call DistributedSPMD first", op, b.Name())
	case f != b.main:
		return nil, errors.Errorf("%s: must be in the main function, not in %q", op, f.Name())
	case len(operands) == 0:
		return nil, errors.Errorf("%s: no operands", op)
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
	// To the reference backend, the result of the other replicas is one more parameter.
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
			return nil, errors.Errorf("%s: operand #%d: cannot reduce %s by %s", op, i, shape, reductionType)
		}
		if references[i], err = f.reference.Parameter(fmt.Sprintf("%s %d.%d", op, len(b.nodes), i), shape, nil); err != nil {
			return nil, errors.WithMessagef(err, "%s: operand #%d", op, i)
		}
		a.shapes = append(a.shapes, asFloat32(shape))
	}
	b.hasAllReduce = true
	return f.record(&node{op: op, inputs: own, attributes: a}, references)
}

// completeGroups sorts each group and adds a group of one for every replica that is in none.
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
				return nil, errors.Errorf("no replica %d in a computation with replicas 0 to %d", replica, replicas-1)
			}
			if in[replica] {
				return nil, errors.Errorf("replica %d appears twice in the replica groups", replica)
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
