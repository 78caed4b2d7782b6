package jpeg

import (
	"encoding/binary"
	"io"
)

// lookup is the length of the codes that are decoded with a table, in bits. Nearly all are
// that short.
const lookup = 9

// huffman is a Huffman code.
type huffman struct {
	// short holds, for each possible value of the next bits, the length of the code that they
	// begin with (upper byte) and its symbol, or 0 if there is no short code.
	short [1 << lookup]uint16
	// Codes of one length are consecutive numbers. limit is the number after the last of them,
	// shifted left to 16 bits; a code plus offset is the index of its symbol.
	limit   [17]int32
	offset  [17]int32
	symbols [256]byte
}

// huffmanTables reads a DHT segment: section B.2.4.2.
func (d *decoder) huffmanTables(data []byte) error {
	for len(data) > 0 {
		if len(data) < 1+16 {
			return FormatError("DHT has wrong length")
		}
		class, number := data[0]>>4, data[0]&15
		if class > 1 || number > 3 {
			return FormatError("bad Huffman table")
		}
		counts := data[1 : 1+16] // of codes of 1 to 16 bits
		total := 0
		for _, n := range counts {
			total += int(n)
		}
		data = data[1+16:]
		if total > 256 || total > len(data) {
			return FormatError("Huffman table has wrong length")
		}
		h := new(huffman)
		copy(h.symbols[:], data[:total])
		data = data[total:]
		code, index := 0, 0
		for i, n := range counts {
			length := i + 1
			h.offset[length] = int32(index - code)
			for range n {
				if length <= lookup && code < 1<<length {
					first := code << (lookup - length)
					for j := range 1 << (lookup - length) {
						h.short[first+j] = uint16(length)<<8 | uint16(h.symbols[index])
					}
				}
				code++
				index++
			}
			if code > 1<<length {
				return FormatError("bad Huffman code")
			}
			h.limit[length] = int32(code) << (16 - length)
			code <<= 1
		}
		d.huffman[class][number] = h
	}
	return nil
}

// bits reads the bits of a scan up to the next marker, and zeros beyond it. Method err reports
// whether such zeros have been used.
type bits struct {
	in     []byte // the unread bytes
	buffer uint64 // the next bits, from the top
	n      int    // how many of them are valid
	beyond int    // how many of those are from beyond the end
	bad    bool   // whether there was a code that the table does not have
}

// need makes at least 32 bits available: enough for a code of up to 16 bits and a value of up
// to 16 more.
func (b *bits) need() {
	if b.n < 32 {
		b.fill()
	}
}

func (b *bits) fill() {
	if len(b.in) >= 8 {
		next := binary.BigEndian.Uint64(b.in)
		// Is no byte 0xff? In other words, is no byte of ^next 0?
		if const01, const80 := uint64(0x0101010101010101), uint64(0x8080808080808080); (^next-const01)&next&const80 == 0 {
			// Add as many bytes as fit. The first bits of the next byte may get in as well,
			// which does no harm: the next fill writes them to the same place.
			b.buffer |= next >> b.n
			b.in = b.in[(63-b.n)>>3:]
			b.n |= 56
			return
		}
	}
	for b.n <= 56 {
		var next byte
		switch {
		case len(b.in) > 0 && b.in[0] != 0xff:
			next, b.in = b.in[0], b.in[1:]
		case b.stuffed():
			next = 0xff
		default:
			b.beyond += 8
		}
		b.buffer |= uint64(next) << (56 - b.n)
		b.n += 8
	}
}

// stuffed skips 0xff bytes that are followed by 0, and reports whether there were any. They
// stand for one 0xff; if another byte follows, they are a marker.
func (b *bits) stuffed() bool {
	for i, next := range b.in {
		if next == 0 && i > 0 {
			b.in = b.in[i+1:]
			return true
		}
		if next != 0xff {
			break
		}
	}
	return false
}

// err returns an error if there was an invalid code or if the data ended early.
func (b *bits) err() error {
	switch {
	case b.bad:
		return FormatError("bad Huffman code")
	case b.n >= b.beyond:
		return nil
	case len(b.in) < 2:
		return io.ErrUnexpectedEOF
	}
	return FormatError("short Huffman data")
}

// symbol decodes the next code. It uses up to 16 bits, which must be available.
func (b *bits) symbol(h *huffman) byte {
	if entry := h.short[b.buffer>>(64-lookup)]; entry != 0 {
		b.skip(int(entry >> 8))
		return byte(entry)
	}
	return b.long(h)
}

// long is symbol for codes that are longer than lookup.
func (b *bits) long(h *huffman) byte {
	next := int32(b.buffer >> (64 - 16))
	for length := lookup + 1; length <= 16; length++ {
		if next < h.limit[length] {
			b.skip(length)
			return h.symbols[byte(next>>(16-length)+h.offset[length])]
		}
	}
	b.bad = true
	return 0
}

// value reads n bits, up to 16, which must be available, and returns the number that they
// stand for: figure F.12.
func (b *bits) value(n int) int32 {
	value := int32(b.buffer >> (64 - n))
	// If the first bit is 0 the number is negative.
	value -= int32(^int64(b.buffer)>>63) & (1<<n - 1)
	b.skip(n)
	return value
}

// unsigned reads n bits, up to 16, which must be available.
func (b *bits) unsigned(n int) int32 {
	value := int32(b.buffer >> (64 - n))
	b.skip(n)
	return value
}

func (b *bits) skip(n int) {
	b.buffer <<= n
	b.n -= n
}
