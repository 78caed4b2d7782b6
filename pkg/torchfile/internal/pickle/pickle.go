// Package pickle reads Python's pickles without doing what they ask for.
//
// A pickle is a program for a machine with a stack, and its instructions may name any
// function of Python and call it. The machine here has no functions. What a pickle names
// and what it calls goes to a [Host], which knows the few that it wants and refuses the
// rest; everything else becomes a plain value:
//
//	None, bool            nil, bool
//	int                   int64, or *big.Int if that is too small
//	float, str            float64, string
//	bytes, bytearray      Bytes
//	tuple                 Tuple
//	list, set, frozenset  *List
//	dict                  *Dict
//
// The instructions are those that pickles of protocol 2 to 5 consist of; the ones that only
// protocols 0 and 1 have are errors (https://github.com/python/cpython/blob/3.11/Lib/pickletools.py).
//
// # Limits
//
// A pickle may be malicious. Nothing is allocated for more bytes than the input still has;
// a pickle may be 64 MiB long and have 2²¹ instructions, each of which makes one value at
// most, so that no input takes more than a few hundred MiB. Values may contain one another
// in circles or be nested a million deep: nothing here recurses into a value or prints one,
// and no user of this package may.
//
// # Why not gopickle
//
// The machine of github.com/nlpodyssey/gopickle (v0.3.0) does not stand such input. It
// allocates what a length field says before it reads (read, loadFrame: nine bytes ask for
// 2⁶² and panic); panics at opcode 0xff (its table has 255 entries), at a LONG1 of no bytes,
// at an odd number of SETITEMS, and when a list is put into a set; its errors print values
// with %#v, and the stack overflow of a list that contains itself cannot be recovered from.
// Its FindClass is asked only after some built-in classes, copy_reg._reconstructor among
// them. Package pytorch there allocates storages by their claimed size and panics at views
// and at TAR files.
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

// A Host decides what a pickle may name and what becomes of it. The values that its methods
// return are put on the stack as they are; their errors end Decode, which returns them as
// they are.
type Host interface {
	// Global returns what stands for a function or class.
	Global(module, name string) (any, error)
	// Call is asked for the result of calling a function or class, or making an object of one.
	Call(function any, args Tuple) (any, error)
	// Build is told the state that an object is to be given.
	Build(object, state any) error
	// Persistent returns the object that is kept outside of the pickle under id.
	Persistent(id any) (any, error)
}

// A Decoder reads pickles that follow one another.
type Decoder struct {
	in     *bufio.Reader
	offset int64
	size   int64
	host   Host

	// What belongs to one pickle: the offset of its end at most, its stack, the heights at
	// which the stack was marked, and the values it has numbered.
	end   int64
	stack []any
	marks []int
	memo  map[uint64]any
}

// NewDecoder returns a decoder of r, which holds size bytes.
func NewDecoder(r io.Reader, size int64, host Host) *Decoder {
	return &Decoder{in: bufio.NewReader(r), size: size, host: host}
}

// Offset returns how many bytes were read.
func (d *Decoder) Offset() int64 { return d.offset }

// Decode reads one pickle and returns its value. After an error the decoder is of no more use.
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

// A plainError says all there is to say.
type plainError struct{ error }

// damaged adds to an error of the machine where it happened.
func damaged(at int64, err error) error {
	if err == nil {
		return nil
	}
	if plain, ok := err.(plainError); ok {
		return plain.error
	}
	return fmt.Errorf("the pickle is damaged at byte %d: %w", at, err)
}
