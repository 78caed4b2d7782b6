package onnx

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/residual-go/residual/pkg/tensorfile"
)

// message is an encoded Protocol Buffers message, to which fields are appended. The field
// numbers are those of https://github.com/onnx/onnx/blob/v1.12.0/onnx/onnx.proto3. Lists of
// integers are not packed, since ONNX's own readers are generated from onnx.proto, where they
// are not.
type message []byte

func (m *message) integer(field protowire.Number, x int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(x))
}

func (m *message) float(field protowire.Number, x float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), math.Float32bits(x))
}

func (m *message) text(field protowire.Number, s string) {
	// Readers reject the whole file if one string is not UTF-8, and file names need not be.
	s = strings.ToValidUTF8(s, "\uFFFD")
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
}

func (m *message) message(field protowire.Number, sub message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), sub)
}

// begin appends the tag and length of a message, or of bytes, whose size bytes follow.
func (m *message) begin(field protowire.Number, size int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.BytesType), uint64(size))
}

const (
	irVersion     = 8
	opsetVersion  = 17
	largestLength = math.MaxInt32 // of a message
)

// Values of TensorProto.DataType and of AttributeProto.AttributeType.
const (
	typeFloat = 1
	typeInt64 = 7

	attributeFloat = 1
	attributeInt   = 2
	attributeInts  = 7
)

// write writes the graph as a ModelProto. In Protocol Buffers a length precedes its content, so
// everything but the stored elements is encoded first, and those need not be copied.
func (g *graph) write(w io.Writer, metadata []property) error {
	content := g.encode()
	names := g.stored()
	heads := make([]message, len(names))
	size := len(content)
	for i, name := range names {
		t := g.constants[name]
		head := t.head(name)
		heads[i].begin(5, len(head)+t.size())
		heads[i] = append(heads[i], head...)
		size += len(heads[i]) + t.size()
	}

	var model message
	model.integer(1, irVersion)
	model.text(2, "residual")
	for _, p := range metadata {
		var entry message
		entry.text(1, p.key)
		entry.text(2, p.value)
		model.message(14, entry)
	}
	var operators message // of the default domain
	operators.integer(2, opsetVersion)
	model.message(8, operators)
	model.begin(7, size)
	if total := len(model) + size; total > largestLength {
		return fmt.Errorf("%d bytes do not fit into one file, whose limit is %d", total, largestLength)
	}

	if _, err := w.Write(append(model, content...)); err != nil {
		return err
	}
	for i, name := range names {
		if _, err := w.Write(heads[i]); err != nil {
			return err
		}
		if err := g.constants[name].writeData(w); err != nil {
			return err
		}
	}
	return nil
}

// encode returns the GraphProto without its initializers.
func (g *graph) encode() message {
	var m message
	for _, node := range g.nodes {
		m.message(1, node.encode())
	}
	m.text(2, g.name)
	m.message(11, g.input.encode())
	m.message(12, g.output.encode())
	return m
}

// encode returns a NodeProto.
func (n node) encode() message {
	var m message
	for _, input := range n.inputs {
		m.text(1, input)
	}
	m.text(2, n.output)
	m.text(3, n.name)
	m.text(4, n.operator)
	for _, attribute := range n.attributes {
		m.message(5, attribute.encode())
	}
	return m
}

// encode returns an AttributeProto.
func (a attribute) encode() message {
	var m message
	m.text(1, a.name)
	switch value := a.value.(type) {
	case float32:
		m.float(2, value)
		m.integer(20, attributeFloat)
	case int:
		m.integer(3, int64(value))
		m.integer(20, attributeInt)
	case []int:
		for _, x := range value {
			m.integer(8, int64(x))
		}
		m.integer(20, attributeInts)
	}
	return m
}

// encode returns a ValueInfoProto.
func (v valueInfo) encode() message {
	var shape message
	for _, dim := range v.dims {
		var dimension message
		switch dim := dim.(type) {
		case int:
			dimension.integer(1, int64(dim))
		case string:
			dimension.text(2, dim)
		}
		shape.message(1, dimension)
	}
	var tensor, kind, m message
	tensor.integer(1, typeFloat)
	tensor.message(2, shape)
	kind.message(1, tensor)
	m.text(1, v.name)
	m.message(2, kind)
	if v.doc != "" {
		m.text(3, v.doc)
	}
	return m
}

// head returns a TensorProto up to the bytes of its raw data.
func (t tensor) head(name string) message {
	var m message
	for _, dim := range t.dims {
		m.integer(1, int64(dim))
	}
	if t.integers != nil {
		m.integer(2, typeInt64)
	} else {
		m.integer(2, typeFloat)
	}
	m.text(8, name)
	m.begin(9, t.size())
	return m
}

// size returns the size of the raw data in bytes.
func (t tensor) size() int { return 4*len(t.floats) + 8*len(t.integers) }

// writeData writes the raw data: little-endian, in row-major order.
func (t tensor) writeData(w io.Writer) error {
	if err := tensorfile.WriteFloats(w, tensorfile.Float32, t.floats); err != nil {
		return err
	}
	var buffer []byte
	for _, x := range t.integers {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(x))
	}
	_, err := w.Write(buffer)
	return err
}
