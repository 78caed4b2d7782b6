// Package pickle reads Python's pickles without running what they ask for.
//
// A pickle is a program for a stack machine, and its instructions may name any Python
// function and call it. The machine here has no functions. What a pickle names and calls goes
// to a [Host], which knows the few functions it wants and refuses the others. Everything else
// becomes a plain value:
//
//	None, bool            nil, bool
//	int                   int64, or *big.Int if that is too small
//	float, str            float64, string
//	bytes, bytearray      Bytes
//	tuple                 Tuple
//	list, set, frozenset  *List
//	dict                  *Dict
//
// It knows the instructions of protocols 2 to 5. Those that only protocols 0 and 1 have are
// errors (https://github.com/python/cpython/blob/3.11/Lib/pickletools.py).
//
// # Limits
//
// A pickle may be malicious. No allocation is larger than the rest of the input. A pickle may
// have 64 MiB and 2²¹ instructions, each of which makes at most one value, so that no input
// takes more than a few hundred MiB. Values may contain each other in cycles or be nested a
// million levels deep: nothing here recurses into a value or prints one, and users of this
// package must not either.
//
// # Why not gopickle
//
// github.com/nlpodyssey/gopickle (v0.3.0) is not safe on such input. It allocates what a
// length field says before it reads (read, loadFrame: nine bytes ask for 2⁶² and panic). It
// panics at opcode 0xff (its table has 255 entries), at a LONG1 of no bytes, at an odd number
// of SETITEMS, and when a list is put into a set. Its errors print values with %#v, and the
// stack overflow of a list that contains itself cannot be recovered from. It resolves some
// built-in classes, copy_reg._reconstructor among them, before it asks its FindClass. Its
// package pytorch allocates storages by their claimed size, and panics at views and at TAR
// files.
//
// # Where to find what
//
//	pickle.go     the decoder and its host
//	machine.go    the instructions: what each does to the stack
//	values.go     the values that a pickle makes
package pickle

import (
	"bufio"
	"fmt"
	"io"
)

const (
	maxSize  = 64 << 20
	maxSteps = 1 << 21
)

// A Host decides which functions and classes a pickle may name and what they do. The values
// its methods return are pushed on the stack, and their errors are returned by Decode, both
// unchanged.
type Host interface {
	// Global returns a value that stands for a function or class.
	Global(module, name string) (any, error)
	// Call returns the result of calling a function, or a new object of a class.
	Call(function any, args Tuple) (any, error)
	// Build sets the state of an object.
	Build(object, state any) error
	// Persistent returns the object that is stored outside the pickle under id.
	Persistent(id any) (any, error)
}

// A Collection is an object of a host to which pickles may add items and entries, as they do
// to objects of classes that are derived from list and dict.
type Collection interface {
	Add(items []any)
	Set(key, value any)
}

// A Decoder reads a sequence of pickles.
type Decoder struct {
	in     *bufio.Reader
	offset int64
	size   int64
	host   Host

	// The state of one pickle: the largest offset it may reach, its stack, the heights at which
	// the stack was marked, and its memo, values that it has numbered for later use.
	end   int64
	stack []any
	marks []int
	memo  map[uint64]any
}

// NewDecoder returns a decoder of r, which holds size bytes.
func NewDecoder(r io.Reader, size int64, host Host) *Decoder {
	return &Decoder{in: bufio.NewReader(r), size: size, host: host}
}

// Offset returns the number of bytes read.
func (d *Decoder) Offset() int64 { return d.offset }

// Decode reads one pickle and returns its value. After an error the decoder cannot be used.
func (d *Decoder) Decode() (any, error) {
	d.end = min(d.size, d.offset+maxSize)
	d.stack, d.marks, d.memo = nil, nil, map[uint64]any{}
	for range maxSteps {
		at := d.offset
		op, err := d.byte()
		if err != nil {
			return nil, damaged(at, err)
		}
		if opcode(op) == stop {
			value, err := d.pop()
			return value, damaged(at, err)
		}
		if err := d.step(opcode(op)); err != nil {
			return nil, damaged(at, err)
		}
	}
	return nil, fmt.Errorf("the pickle has more than %d instructions", maxSteps)
}

// A plainError is returned as it is, without the offset.
type plainError struct{ error }

// damaged adds the offset to an error of the machine.
func damaged(at int64, err error) error {
	if err == nil {
		return nil
	}
	if plain, ok := err.(plainError); ok {
		return plain.error
	}
	return fmt.Errorf("the pickle is damaged at byte %d: %w", at, err)
}
