package cpu

import (
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
func share[T any](list []T, i, replicas int) []T {
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
