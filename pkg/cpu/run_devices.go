package cpu

import (
	"github.com/gomlx/compute"
	"github.com/pkg/errors"
)

// maxDevices is the largest number of devices that a backend can present.
const maxDevices = 8

// checkDevice returns an error if the backend does not have the device.
func (b *Backend) checkDevice(device compute.DeviceNum) error {
	if device >= 0 && int(device) < b.devices {
		return nil
	}
	if b.devices == 1 {
		return errors.Errorf("backend %q has no device %d, only device 0", Name, device)
	}
	return errors.Errorf("backend %q has no device %d, only devices 0 to %d", Name, device, b.devices-1)
}

// placement lists the devices of a computation's replicas, in the order of the replicas. If it is
// empty there is one replica, on the device given to Execute.
type placement []compute.DeviceNum

// devicesFor returns the devices of an execution: those of the placement or, if it is empty, the
// given one. It returns an error if the number of inputs does not match the parameters.
func (b *Backend) devicesFor(p placement, device compute.DeviceNum, inputs []compute.Buffer, donate []bool, parameters int) (placement, error) {
	if len(p) == 0 {
		if err := b.checkDevice(device); err != nil {
			return nil, err
		}
		p = placement{device}
	}
	want := len(p) * parameters
	switch {
	case len(inputs) != want && len(p) > 1:
		return nil, errors.Errorf("%d inputs, want %d: %d for each of %d devices", len(inputs), want, parameters, len(p))
	case len(inputs) != want:
		return nil, errors.Errorf("%d inputs, want %d", len(inputs), want)
	case len(donate) > 0 && len(donate) != want:
		return nil, errors.Errorf("donate has %d values for %d inputs", len(donate), want)
	}
	return p, nil
}

// share returns replica i's part of a list that holds the parts of all replicas in order. The parts
// of an empty list are empty.
func share[T any](list []T, i, replicas int) []T {
	n := len(list) / replicas
	return list[i*n : (i+1)*n]
}

// bufferOn returns an input as a buffer, or an error if it is not a buffer of this backend on the
// given device.
func (b *Backend) bufferOn(device compute.DeviceNum, input compute.Buffer) (*Buffer, error) {
	own, ok := input.(*Buffer)
	if !ok || own == nil || own.backend != b {
		return nil, errors.New("not a buffer of this backend")
	}
	if own.device != device {
		return nil, errors.Errorf("the buffer is on device %d, want device %d: copy it with CopyToDevice", own.device, device)
	}
	return own, nil
}
