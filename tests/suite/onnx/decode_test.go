package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of onnx.proto3, as far as pkg/onnx writes them.
type (
	modelProto struct {
		irVersion int64
		opsets    map[string]int64
		metadata  map[string]string
		graph     *graphProto
	}
	graphProto struct {
		name            string
		nodes           []nodeProto
		initializers    []tensorProto
		inputs, outputs []valueProto
	}
	nodeProto struct {
		name, operator  string
		inputs, outputs []string
		ints            map[string][]int64
		floats          map[string]float32
	}
	tensorProto struct {
		name string
		dims []int64
		kind int64
		raw  []byte
	}
	valueProto struct {
		name string
		kind int64
		dims []string // sizes or names
	}
)

// field is a field of a message: an integer or bytes.
type field struct {
	number protowire.Number
	x      uint64
	bytes  []byte
}

func (f field) text() string {
	if !utf8.Valid(f.bytes) {
		panic(fmt.Errorf("field %d is not UTF-8: %q", f.number, f.bytes))
	}
	return string(f.bytes)
}

// fields splits a message. Like the whole decoder, it panics if the message is invalid.
func fields(message []byte) []field {
	var all []field
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			panic(protowire.ParseError(n))
		}
		message = message[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.x, n = protowire.ConsumeVarint(message)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(message)
			f.x = uint64(x)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		default:
			panic(fmt.Errorf("field %d has wire type %d", number, kind))
		}
		if n < 0 {
			panic(protowire.ParseError(n))
		}
		message = message[n:]
		all = append(all, f)
	}
	return all
}

func unknown(message string, f field) error {
	return fmt.Errorf("%s has a field %d", message, f.number)
}

func decode(content []byte) (m *modelProto, err error) {
	defer func() {
		if failed := recover(); failed != nil {
			err = failed.(error)
		}
	}()
	m = &modelProto{opsets: map[string]int64{}, metadata: map[string]string{}}
	for _, f := range fields(content) {
		switch f.number {
		case 1:
			m.irVersion = int64(f.x)
		case 2: // the producer
			_ = f.text()
		case 7:
			m.graph = decodeGraph(f.bytes)
		case 8:
			var domain string
			var version int64
			for _, f := range fields(f.bytes) {
				switch f.number {
				case 1:
					domain = f.text()
				case 2:
					version = int64(f.x)
				}
			}
			m.opsets[domain] = version
		case 14:
			var key, value string
			for _, f := range fields(f.bytes) {
				switch f.number {
				case 1:
					key = f.text()
				case 2:
					value = f.text()
				}
			}
			if _, ok := m.metadata[key]; ok {
				panic(fmt.Errorf("two metadata %s", key))
			}
			m.metadata[key] = value
		default:
			panic(unknown("ModelProto", f))
		}
	}
	return m, nil
}

func decodeGraph(message []byte) *graphProto {
	g := &graphProto{}
	for _, f := range fields(message) {
		switch f.number {
		case 1:
			g.nodes = append(g.nodes, decodeNode(f.bytes))
		case 2:
			g.name = f.text()
		case 5:
			g.initializers = append(g.initializers, decodeTensor(f.bytes))
		case 11:
			g.inputs = append(g.inputs, decodeValue(f.bytes))
		case 12:
			g.outputs = append(g.outputs, decodeValue(f.bytes))
		default:
			panic(unknown("GraphProto", f))
		}
	}
	return g
}

func decodeNode(message []byte) nodeProto {
	n := nodeProto{ints: map[string][]int64{}, floats: map[string]float32{}}
	for _, f := range fields(message) {
		switch f.number {
		case 1:
			n.inputs = append(n.inputs, f.text())
		case 2:
			n.outputs = append(n.outputs, f.text())
		case 3:
			n.name = f.text()
		case 4:
			n.operator = f.text()
		case 5:
			n.decodeAttribute(f.bytes)
		default:
			panic(unknown("NodeProto", f))
		}
	}
	return n
}

// decodeAttribute checks that the kind an attribute states is that of its value.
func (n *nodeProto) decodeAttribute(message []byte) {
	var name string
	var kind uint64
	var ints, list []int64
	var floats []float32
	for _, f := range fields(message) {
		switch f.number {
		case 1:
			name = f.text()
		case 2:
			floats = append(floats, math.Float32frombits(uint32(f.x)))
		case 3:
			ints = append(ints, int64(f.x))
		case 8:
			list = append(list, int64(f.x))
		case 20:
			kind = f.x
		default:
			panic(unknown("AttributeProto", f))
		}
	}
	switch {
	case kind == 1 && len(floats) == 1 && ints == nil && list == nil:
		n.floats[name] = floats[0]
	case kind == 2 && floats == nil && len(ints) == 1 && list == nil:
		n.ints[name] = ints
	case kind == 7 && floats == nil && ints == nil && list != nil:
		n.ints[name] = list
	default:
		panic(fmt.Errorf("%s: attribute %s of kind %d is %v, %v, %v", n.name, name, kind, floats, ints, list))
	}
}

func decodeTensor(message []byte) tensorProto {
	var t tensorProto
	for _, f := range fields(message) {
		switch f.number {
		case 1:
			t.dims = append(t.dims, int64(f.x))
		case 2:
			t.kind = int64(f.x)
		case 8:
			t.name = f.text()
		case 9:
			t.raw = f.bytes
		default:
			panic(unknown("TensorProto", f))
		}
	}
	return t
}

// floats returns the content of a float32 tensor.
func (t tensorProto) floats() []float32 {
	var all []float32
	for raw := t.raw; len(raw) >= 4; raw = raw[4:] {
		all = append(all, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return all
}

// integers returns the content of an int64 tensor.
func (t tensorProto) integers() []int64 {
	var all []int64
	for raw := t.raw; len(raw) >= 8; raw = raw[8:] {
		all = append(all, int64(binary.LittleEndian.Uint64(raw)))
	}
	return all
}

func decodeValue(message []byte) valueProto {
	var v valueProto
	for _, f := range fields(message) {
		switch f.number {
		case 1:
			v.name = f.text()
		case 2:
			for _, f := range fields(f.bytes) { // TypeProto
				if f.number != 1 {
					panic(unknown("TypeProto", f))
				}
				v.decodeType(f.bytes)
			}
		case 3: // the description
			_ = f.text()
		default:
			panic(unknown("ValueInfoProto", f))
		}
	}
	return v
}

func (v *valueProto) decodeType(message []byte) {
	for _, f := range fields(message) { // TypeProto.Tensor
		if f.number == 1 {
			v.kind = int64(f.x)
			continue
		}
		for _, f := range fields(f.bytes) { // TensorShapeProto
			for _, f := range fields(f.bytes) { // Dimension
				switch f.number {
				case 1:
					v.dims = append(v.dims, fmt.Sprint(f.x))
				case 2:
					v.dims = append(v.dims, f.text())
				default:
					panic(unknown("Dimension", f))
				}
			}
		}
	}
}
