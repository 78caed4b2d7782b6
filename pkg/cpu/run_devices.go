package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/pkg/errors"
)

// maxDevices is how many devices a backend can present.
const maxDevices = 8

// checkDevice reports a device that the backend has not got.
func (b *Backend) checkDevice(device compute.DeviceNum) error {
	if device >= 0 && int(device) < b.devices {
		return nil
	}
	if b.devices == 1 {
		return errors.Errorf("the backend %q has no device %d, only device 0", Name, device)
	}
	return errors.Errorf("the backend %q has no device %d, only devices 0 to %d", Name, device, b.devices-1)
}

// placement has the devices of a computation's replicas, in their order. Without any, it has
// one replica, on the device that Execute is told.
type placement []compute.DeviceNum

// on returns the devices of an execution.
func (p placement) on(b *Backend, device compute.DeviceNum) (placement, error) {
	if len(p) > 0 {
		return p, nil
	}
	if err := b.checkDevice(device); err != nil {
		return nil, err
	}
	return placement{device}, nil
}

// check compares the numbers of what is given to Execute with those of the parameters.
func (p placement) check(inputs []compute.Buffer, donate []bool, parameters int) error {
	want := len(p) * parameters
	switch {
	case len(inputs) != want && len(p) > 1:
		return errors.Errorf("%d inputs, want %d: %d for each of %d devices", len(inputs), want, parameters, len(p))
	case len(inputs) != want:
		return errors.Errorf("%d inputs, want %d", len(inputs), want)
	case len(donate) > 0 && len(donate) != want:
		return errors.Errorf("donate has %d values for %d inputs", len(donate), want)
	}
	return nil
}

// of returns replica i's part of a list that has the replicas' one after the other. An empty
// list has empty parts.
func of[T any](list []T, i, replicas int) []T {
	n := len(list) / replicas
	return list[i*n : (i+1)*n]
}

// bufferOn returns an input as a buffer of this backend that is on the device.
func (b *Backend) bufferOn(device compute.DeviceNum, input compute.Buffer) (*Buffer, error) {
	own, ok := input.(*Buffer)
	if !ok || own == nil || own.backend != b {
		return nil, errors.New("is not a buffer of this backend")
	}
	if own.device != device {
		return nil, errors.Errorf("is on device %d, want device %d: copy it there first", own.device, device)
	}
	return own, nil
}

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
