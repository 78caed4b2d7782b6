package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
)

type opcode byte

// The opcodes, named as in Python's pickletools.
const (
	mark           opcode = '('
	stop           opcode = '.'
	pop            opcode = '0'
	popMark        opcode = '1'
	dup            opcode = '2'
	binFloat       opcode = 'G'
	binInt         opcode = 'J'
	binInt1        opcode = 'K'
	binInt2        opcode = 'M'
	none           opcode = 'N'
	binPersID      opcode = 'Q'
	reduce         opcode = 'R'
	binString      opcode = 'T'
	shortBinString opcode = 'U'
	binUnicode     opcode = 'X'
	emptyList      opcode = ']'
	appendOne      opcode = 'a'
	appends        opcode = 'e'
	build          opcode = 'b'
	global         opcode = 'c'
	emptyDict      opcode = '}'
	binGet         opcode = 'h'
	longBinGet     opcode = 'j'
	binPut         opcode = 'q'
	longBinPut     opcode = 'r'
	setItem        opcode = 's'
	setItems       opcode = 'u'
	tuple          opcode = 't'
	emptyTuple     opcode = ')'

	proto    opcode = 0x80
	newObj   opcode = 0x81
	tuple1   opcode = 0x85
	tuple2   opcode = 0x86
	tuple3   opcode = 0x87
	newTrue  opcode = 0x88
	newFalse opcode = 0x89
	long1    opcode = 0x8a

	binBytes      opcode = 'B'
	shortBinBytes opcode = 'C'

	shortBinUnicode opcode = 0x8c
	binUnicode8     opcode = 0x8d
	binBytes8       opcode = 0x8e
	emptySet        opcode = 0x8f
	addItems        opcode = 0x90
	frozenSet       opcode = 0x91
	newObjEx        opcode = 0x92
	stackGlobal     opcode = 0x93
	memoize         opcode = 0x94
	frame           opcode = 0x95

	byteArray8 opcode = 0x96
)

// step executes one instruction.
func (d *Decoder) step(op opcode) error {
	switch op {
	case proto:
		version, err := d.byte()
		if err == nil && version > 5 {
			err = fmt.Errorf("protocol %d, want at most 5", version)
		}
		return err
	case frame: // a hint for buffered reading
		length, err := d.uint(8)
		if err == nil && length > uint64(d.end-d.offset) {
			err = d.short(length)
		}
		return err

	case none:
		d.push(nil)
	case newTrue:
		d.push(true)
	case newFalse:
		d.push(false)
	case binInt1:
		return d.pushInt(1)
	case binInt2:
		return d.pushInt(2)
	case binInt:
		n, err := d.uint(4)
		d.push(int64(int32(n)))
		return err
	case long1:
		return d.pushLong()
	case binFloat:
		bits, err := d.take(8)
		if err != nil {
			return err
		}
		d.push(math.Float64frombits(binary.BigEndian.Uint64(bits)))

	case shortBinUnicode, shortBinString:
		return d.pushText(1)
	case binUnicode, binString:
		return d.pushText(4)
	case binUnicode8:
		return d.pushText(8)
	case shortBinBytes:
		return d.pushBytes(1)
	case binBytes:
		return d.pushBytes(4)
	case binBytes8, byteArray8:
		return d.pushBytes(8)

	case emptyTuple:
		d.push(Tuple{})
	case tuple1:
		return d.pushTuple(1)
	case tuple2:
		return d.pushTuple(2)
	case tuple3:
		return d.pushTuple(3)
	case tuple:
		items, err := d.popMark()
		d.push(Tuple(items))
		return err

	case emptyList, emptySet:
		d.push(&List{})
	case frozenSet:
		items, err := d.popMark()
		d.push(&List{items})
		return err
	case appendOne:
		item, err := d.pop()
		if err != nil {
			return err
		}
		return d.extend([]any{item})
	case appends, addItems:
		items, err := d.popMark()
		if err != nil {
			return err
		}
		return d.extend(items)

	case emptyDict:
		d.push(&Dict{})
	case setItem:
		items, err := d.popN(2)
		if err != nil {
			return err
		}
		return d.set(items)
	case setItems:
		items, err := d.popMark()
		if err != nil {
			return err
		}
		return d.set(items)

	case mark:
		d.marks = append(d.marks, len(d.stack))
	case pop:
		_, err := d.pop()
		return err
	case popMark:
		_, err := d.popMark()
		return err
	case dup:
		top, err := d.top()
		d.push(top)
		return err

	case binPut:
		return d.put(1)
	case longBinPut:
		return d.put(4)
	case memoize:
		top, err := d.top()
		d.memo[uint64(len(d.memo))] = top
		return err
	case binGet:
		return d.get(1)
	case longBinGet:
		return d.get(4)

	case global:
		return d.global()
	case stackGlobal:
		names, err := d.popN(2)
		if err != nil {
			return err
		}
		module, ok := names[0].(string)
		name, okay := names[1].(string)
		if !ok || !okay {
			return errors.New("a global's name is not text")
		}
		return d.pushHosts(d.host.Global(module, name))
	case binPersID:
		id, err := d.pop()
		if err != nil {
			return err
		}
		return d.pushHosts(d.host.Persistent(id))
	case reduce, newObj:
		return d.call()
	case newObjEx:
		if _, err := d.pop(); err != nil { // keyword arguments
			return err
		}
		return d.call()
	case build:
		state, err := d.pop()
		if err != nil {
			return err
		}
		object, err := d.top()
		if err != nil {
			return err
		}
		if err := d.host.Build(object, state); err != nil {
			return plainError{err}
		}

	default:
		return fmt.Errorf("unknown instruction %#02x", byte(op))
	}
	return nil
}

// call calls the function below a tuple of arguments.
func (d *Decoder) call() error {
	operands, err := d.popN(2)
	if err != nil {
		return err
	}
	args, ok := operands[1].(Tuple)
	if !ok {
		return errors.New("the arguments are not a tuple")
	}
	return d.pushHosts(d.host.Call(operands[0], args))
}

// global asks the host for the function or class that two lines of text name.
func (d *Decoder) global() error {
	var names [2]string
	for i := range names {
		const longest = 1 << 10
		var line []byte
		for {
			c, err := d.byte()
			if err != nil {
				return err
			}
			if c == '\n' {
				break
			}
			if line = append(line, c); len(line) > longest {
				return fmt.Errorf("a name of more than %d bytes", longest)
			}
		}
		names[i] = string(line)
	}
	return d.pushHosts(d.host.Global(names[0], names[1]))
}

// extend adds items to the list on the stack.
func (d *Decoder) extend(items []any) error {
	top, err := d.top()
	if err != nil {
		return err
	}
	switch top := top.(type) {
	case *List:
		top.Items = append(top.Items, items...)
	case Collection:
		top.Add(items)
	default:
		return errors.New("items are added to something that is not a list")
	}
	return nil
}

// set adds alternating keys and values to the dict on the stack.
func (d *Decoder) set(items []any) error {
	top, err := d.top()
	if err != nil {
		return err
	}
	dict, ok := top.(interface{ Set(key, value any) })
	if !ok || len(items)%2 != 0 {
		return errors.New("entries are set in something that is not a dict, or a key has no value")
	}
	for entry := range slices.Chunk(items, 2) {
		dict.Set(entry[0], entry[1])
	}
	return nil
}

// put stores the value on top of the stack in the memo, under a number of n bytes. get pushes
// a value from the memo.
func (d *Decoder) put(n int) error {
	number, err := d.uint(n)
	if err != nil {
		return err
	}
	d.memo[number], err = d.top()
	return err
}

func (d *Decoder) get(n int) error {
	number, err := d.uint(n)
	if err != nil {
		return err
	}
	value, ok := d.memo[number]
	if !ok {
		return fmt.Errorf("the memo has no value %d", number)
	}
	d.push(value)
	return nil
}

func (d *Decoder) push(value any) { d.stack = append(d.stack, value) }

func (d *Decoder) pushHosts(value any, err error) error {
	if err != nil {
		return plainError{err}
	}
	d.push(value)
	return nil
}

func (d *Decoder) pushInt(n int) error {
	value, err := d.uint(n)
	d.push(int64(value))
	return err
}

// pushLong reads an int of up to 255 bytes, little-endian and in two's complement.
func (d *Decoder) pushLong() error {
	length, err := d.uint(1)
	if err != nil {
		return err
	}
	digits, err := d.take(length)
	if err != nil {
		return err
	}
	slices.Reverse(digits)
	n := new(big.Int).SetBytes(digits)
	if length > 0 && digits[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 8*uint(length)))
	}
	if n.IsInt64() {
		d.push(n.Int64())
	} else {
		d.push(n)
	}
	return nil
}

// pushText and pushBytes read a length of n bytes and then as many bytes of content.
func (d *Decoder) pushText(n int) error {
	text, err := d.counted(n)
	d.push(string(text))
	return err
}

func (d *Decoder) pushBytes(n int) error {
	content, err := d.counted(n)
	d.push(Bytes(content))
	return err
}

func (d *Decoder) pushTuple(n int) error {
	items, err := d.popN(n)
	d.push(Tuple(items))
	return err
}

// floor is the height of the last mark, below which the stack cannot be used.
func (d *Decoder) floor() int {
	if len(d.marks) == 0 {
		return 0
	}
	return d.marks[len(d.marks)-1]
}

func (d *Decoder) top() (any, error) {
	if len(d.stack) <= d.floor() {
		return nil, errors.New("the stack is empty")
	}
	return d.stack[len(d.stack)-1], nil
}

func (d *Decoder) pop() (any, error) {
	items, err := d.popN(1)
	if err != nil {
		return nil, err
	}
	return items[0], nil
}

// popN pops the last n values, and popMark those since the last mark.
func (d *Decoder) popN(n int) ([]any, error) {
	if len(d.stack)-n < d.floor() {
		return nil, errors.New("the stack is empty")
	}
	items := slices.Clone(d.stack[len(d.stack)-n:])
	d.stack = d.stack[:len(d.stack)-n]
	return items, nil
}

func (d *Decoder) popMark() ([]any, error) {
	if len(d.marks) == 0 {
		return nil, errors.New("the stack has no mark")
	}
	items, err := d.popN(len(d.stack) - d.floor())
	d.marks = d.marks[:len(d.marks)-1]
	return items, err
}

// byte reads one byte, uint a little-endian number of n bytes, take n bytes, and counted a
// length of n bytes and as many bytes as it says.
func (d *Decoder) byte() (byte, error) {
	if d.offset >= d.end {
		return 0, d.short(1)
	}
	c, err := d.in.ReadByte()
	if err != nil {
		return 0, err
	}
	d.offset++
	return c, nil
}

func (d *Decoder) uint(n int) (uint64, error) {
	var number uint64
	for i := range n {
		c, err := d.byte()
		if err != nil {
			return 0, err
		}
		number |= uint64(c) << (8 * i)
	}
	return number, nil
}

func (d *Decoder) take(n uint64) ([]byte, error) {
	if n > uint64(d.end-d.offset) {
		return nil, d.short(n)
	}
	content := make([]byte, n)
	if _, err := io.ReadFull(d.in, content); err != nil {
		return nil, err
	}
	d.offset += int64(n)
	return content, nil
}

func (d *Decoder) counted(n int) ([]byte, error) {
	length, err := d.uint(n)
	if err != nil {
		return nil, err
	}
	return d.take(length)
}

// short returns the error of a pickle that needs n more bytes than there are.
func (d *Decoder) short(n uint64) error {
	if d.end < d.size {
		return plainError{fmt.Errorf("the pickle has more than %d MiB", maxSize>>20)}
	}
	return plainError{fmt.Errorf("cut short: the pickle needs %d bytes at byte %d and has %d", n, d.offset, d.end-d.offset)}
}
