package pickle

import (
	"iter"
	"math/big"
)

// Bytes is a Python bytes or bytearray.
type Bytes []byte

// Tuple is a Python tuple.
type Tuple []any

// List is a Python list, or a set in insertion order.
type List struct{ Items []any }

// Dict is a Python dict in insertion order. Entries whose keys are not strings, such as an
// optimiser's for parameter number 3, are dropped: no state dict has them.
type Dict struct {
	keys   []string
	values map[string]any
}

// Get returns the value of key, and whether there is one.
func (d *Dict) Get(key string) (value any, ok bool) {
	value, ok = d.values[key]
	return value, ok
}

// Set sets the value of key. A key that is not a string is ignored.
func (d *Dict) Set(key, value any) {
	text, ok := key.(string)
	if !ok {
		return
	}
	if d.values == nil {
		d.values = map[string]any{}
	}
	if _, ok := d.values[text]; !ok {
		d.keys = append(d.keys, text)
	}
	d.values[text] = value
}

// All iterates over the entries.
func (d *Dict) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, key := range d.keys {
			if !yield(key, d.values[key]) {
				return
			}
		}
	}
}

// TypeName returns Python's name for the type of a value. It does not look into the value,
// which may be large or contain itself.
func TypeName(value any) string {
	switch value.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case Bytes:
		return "bytes"
	case Tuple:
		return "tuple"
	case *List:
		return "list"
	case *Dict:
		return "dict"
	}
	return "object"
}
