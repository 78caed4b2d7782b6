package cpu

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// block is the memory of one tensor, aligned for vector instructions.
type block struct {
	bytes []byte
}

func (b *block) pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b.bytes)) }

// alignment is the size of a cache line and of the widest vectors, in bytes.
const alignment = 64

// newBlock returns a block of the given size, which must not be 0.
func newBlock(size int) *block {
	raw := make([]byte, size+alignment)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (alignment - 1)
	return &block{raw[skip : skip+size : skip+size]}
}

// storage keeps the blocks of finalized and donated buffers for reuse: training makes tensors of
// the same sizes in every step. The garbage collector may empty it.
type storage struct {
	pools sync.Map // int, the size in bytes -> *sync.Pool of *block
}

// get returns a block of at least size bytes, which is not cleared.
func (s *storage) get(size int) *block {
	size = max(alignment, (size+alignment-1)&^(alignment-1))
	if pool, ok := s.pools.Load(size); ok {
		if b, ok := pool.(*sync.Pool).Get().(*block); ok {
			return b
		}
	}
	return newBlock(size)
}

func (s *storage) put(b *block) {
	pool, ok := s.pools.Load(len(b.bytes))
	if !ok {
		pool, _ = s.pools.LoadOrStore(len(b.bytes), &sync.Pool{})
	}
	pool.(*sync.Pool).Put(b)
}

func (s *storage) clear() { s.pools.Clear() }

// Buffer is a tensor in memory, in row-major order.
type Buffer struct {
	backend *Backend
	device  compute.DeviceNum
	shape   shapes.Shape

	mu    sync.Mutex
	block *block // nil once finalized or donated
}

var _ compute.Buffer = (*Buffer)(nil)

func (b *Backend) newBuffer(device compute.DeviceNum, shape shapes.Shape) *Buffer {
	return &Buffer{backend: b, device: device, shape: shape, block: b.storage.get(byteSize(shape))}
}

// byteSize returns the size in bytes of a tensor of the shape.
func byteSize(shape shapes.Shape) int { return shape.DType.SizeForDimensions(shape.Dimensions...) }

// flatOf returns the memory at p as a slice of the Go type of the shape.
func flatOf(p unsafe.Pointer, shape shapes.Shape) any {
	if shape.Size() == 0 {
		return dtypes.MakeAnySlice(shape.DType, 0)
	}
	return dtypes.UnsafeAnySliceFromBytes(p, shape.DType, shape.Size())
}

// take returns the buffer's memory, or an error if the buffer has been finalized or donated.
func (b *Buffer) take() (*block, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.block == nil {
		return nil, errors.Errorf("the buffer of shape %s has been finalized or donated", b.shape)
	}
	return b.block, nil
}

// release takes the memory from the buffer. It returns nil if the buffer has been finalized or
// donated.
func (b *Buffer) release() *block {
	b.mu.Lock()
	defer b.mu.Unlock()
	block := b.block
	b.block = nil
	return block
}

// Backend returns the backend that the buffer belongs to.
func (b *Buffer) Backend() compute.Backend { return b.backend }

// Finalize releases the buffer's memory. It may be called more than once.
func (b *Buffer) Finalize() error {
	if block := b.release(); block != nil && !b.backend.IsFinalized() {
		b.backend.storage.put(block)
	}
	return nil
}

// Shape returns the shape of the tensor.
func (b *Buffer) Shape() (shapes.Shape, error) {
	if _, err := b.take(); err != nil {
		return shapes.Invalid(), err
	}
	return b.shape, nil
}

// DeviceNum returns the device that the buffer is on.
func (b *Buffer) DeviceNum() (compute.DeviceNum, error) {
	_, err := b.take()
	return b.device, err
}

// Data returns the buffer's memory, not a copy, as a slice of the shape's Go type.
func (b *Buffer) Data() (any, error) {
	block, err := b.take()
	if err != nil {
		return nil, err
	}
	return flatOf(block.pointer(), b.shape), nil
}

// ToFlatData copies the tensor to flat, a slice of the shape's Go type and size.
func (b *Buffer) ToFlatData(flat any) error {
	own, err := b.Data()
	if err != nil {
		return err
	}
	if err := checkFlat(flat, own, b.shape); err != nil {
		return err
	}
	reflect.Copy(reflect.ValueOf(flat), reflect.ValueOf(own))
	return nil
}

// CopyToDevice returns a copy of the buffer on the device, which may be the buffer's own.
func (b *Buffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	own, err := b.Data()
	if err != nil {
		return nil, err
	}
	return b.backend.BufferFromFlatData(device, own, b.shape)
}

// BufferFromFlatData returns a new buffer with a copy of flat, a slice of the shape's Go type and size.
func (b *Backend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	buffer, own, err := b.NewSharedBuffer(device, shape)
	if err != nil {
		return nil, err
	}
	if err := checkFlat(flat, own, shape); err != nil {
		return nil, err
	}
	reflect.Copy(reflect.ValueOf(own), reflect.ValueOf(flat))
	return buffer, nil
}

// HasSharedBuffers returns true: Go code can use the memory of buffers directly.
func (b *Backend) HasSharedBuffers() bool { return true }

// NewSharedBuffer returns a new buffer and its memory, which is not cleared.
func (b *Backend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	if b.IsFinalized() {
		return nil, nil, b.errFinalized("make a buffer")
	}
	if err := b.checkDevice(device); err != nil {
		return nil, nil, err
	}
	if !shape.Ok() || shape.IsDynamic() {
		return nil, nil, errors.Errorf("cannot make a buffer of shape %s: all dimensions must be known", shape)
	}
	buffer := b.newBuffer(device, shape.Clone())
	return buffer, flatOf(buffer.block.pointer(), shape), nil
}

// checkFlat returns an error unless flat has the type and length of own, the data of a tensor of the
// given shape.
func checkFlat(flat, own any, shape shapes.Shape) error {
	got, want := reflect.ValueOf(flat), reflect.ValueOf(own)
	if got.Kind() != reflect.Slice || got.Type() != want.Type() || got.Len() != want.Len() {
		return errors.Errorf("the data of a tensor of shape %s must be %s of length %d, not %T", shape, want.Type(), want.Len(), flat)
	}
	return nil
}
