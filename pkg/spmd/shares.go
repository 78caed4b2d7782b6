package spmd

import (
	"errors"
	"fmt"
	"iter"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/dtensor"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
)

// Shares is a dataset whose batches are split into equal shares, one for each device. It implements
// GoMLX's train.DistributedDataset.
type Shares struct {
	batches train.Dataset
	mesh    *distributed.DeviceMesh
	spec    *distributed.ShardingSpec
}

// axis is the name of the only axis of the device mesh.
const axis = "data"

// Check returns an error if the backend has fewer than the given number of devices.
func Check(backend compute.Backend, devices int) error {
	if have := backend.NumDevices(); devices > have {
		return fmt.Errorf("%d devices requested, but backend %s has %d; request fewer, or use another backend, such as cpu:devices=%d to try it out",
			devices, backend.Name(), have, devices)
	}
	return nil
}

// Share splits the batches among the first devices of the backend: it cuts every tensor of inputs and
// labels along its first axis into equal parts, in the order of the devices.
func Share(batches train.Dataset, backend compute.Backend, devices int) (*Shares, error) {
	if err := Check(backend, devices); err != nil {
		return nil, err
	}
	mesh, err := distributed.NewDeviceMesh([]int{devices}, []string{axis})
	if err != nil {
		return nil, fmt.Errorf("split batches among %d devices: %w", devices, err)
	}
	spec, err := distributed.NewShardingSpec(mesh, distributed.AxisSpec{axis})
	if err != nil {
		return nil, fmt.Errorf("split batches among %d devices: %w", devices, err)
	}
	return &Shares{batches, mesh, spec}, nil
}

// Name returns the name of the dataset that is split.
func (s *Shares) Name() string { return s.batches.Name() }

// Distribute makes the program run on the devices. Its inputs are the tensors of the shared batches.
func (s *Shares) Distribute(program *model.Exec) {
	program.SPMD(s.mesh).
		WithInputShardingSpecs(s.spec).
		WithOutputShardingSpecs(distributed.NewReplicatedShardingSpec(s.mesh)).
		WithDeviceAssignment(s.DeviceAssignment())
}

// Strategy returns SPMD: every device runs the same program, with collective operations.
func (s *Shares) Strategy() distributed.Strategy { return distributed.SPMD }

// DeviceAssignment returns the numbers of the devices.
func (s *Shares) DeviceAssignment() []compute.DeviceNum {
	devices := make([]compute.DeviceNum, s.mesh.NumDevices())
	for i := range devices {
		devices[i] = compute.DeviceNum(i)
	}
	return devices
}

// Iter yields an error. Use DistributedIter.
func (s *Shares) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		yield(train.Batch{}, errors.New("batches split among devices need DistributedIter"))
	}
}

// DistributedIter yields the batches, split into shares.
func (s *Shares) DistributedIter() iter.Seq2[train.DistributedBatch, error] {
	return func(yield func(train.DistributedBatch, error) bool) {
		for batch, err := range s.batches.Iter() {
			shared := train.DistributedBatch{Spec: batch.Spec}
			if err == nil {
				shared.Inputs, err = s.cut(batch.Inputs)
			}
			if err == nil {
				shared.Labels, err = s.cut(batch.Labels)
			}
			if err != nil {
				yield(train.DistributedBatch{}, err)
				return
			}
			if !yield(shared, nil) {
				return
			}
		}
	}
}

func (s *Shares) cut(whole []*tensors.Tensor) ([]*dtensor.Tensor, error) {
	cut := make([]*dtensor.Tensor, len(whole))
	for i, t := range whole {
		var err error
		if cut[i], err = dtensor.ShardTensor(s.spec, t); err != nil {
			return nil, fmt.Errorf("split a batch of %s among %d devices: %w", s.Name(), s.mesh.NumDevices(), err)
		}
	}
	return cut, nil
}
