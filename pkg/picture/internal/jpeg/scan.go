package jpeg

// scan is the state while the coefficients of one scan are decoded: section B.2.3.
type scan struct {
	bits
	parts []part
	// Coefficients first to last are transmitted, in zigzag order.
	first, last int
	// refine is set if an earlier scan transmitted the upper bits of the coefficients.
	refine bool
	shift  int // how many lower bits are left to later scans
	// empty is how many of the next blocks have no new coefficient in this scan.
	empty int
}

// part is a component in a scan.
type part struct {
	*component
	dc, ac *huffman
	mean   int32 // the DC coefficient of the previous block
}

// scan reads a SOS segment and the scan that follows.
func (d *decoder) scan(data []byte) error {
	if d.components == nil {
		return FormatError("missing SOF marker")
	}
	if d.width == 0 || d.height == 0 {
		return FormatError("image without pixels")
	}
	if d.scans++; d.scans > MaxScans {
		return ErrScans
	}
	s, err := d.scanHeader(data)
	if err != nil {
		return err
	}
	d.whole = !d.progressive && d.scans == 1 && len(s.parts) == len(d.components)
	if d.scans == 1 {
		d.start()
	}
	s.in = d.in
	if err := d.units(s); err != nil {
		return err
	}
	d.in = s.in
	if d.whole {
		// What comes next does not matter, but the file must not end here.
		_, _, err = nextMarker(d.in)
	}
	return err
}

// scanHeader reads a SOS segment.
func (d *decoder) scanHeader(data []byte) (*scan, error) {
	if len(data) < 1 || data[0] < 1 || int(data[0]) > len(d.components) || len(data) != 4+2*int(data[0]) {
		return nil, FormatError("SOS has wrong length")
	}
	n := int(data[0])
	s := &scan{last: 63}
	if rest := data[1+2*n:]; d.progressive {
		s.first, s.last = int(rest[0]), int(rest[1])
		s.refine, s.shift = rest[2]>>4 != 0, int(rest[2]&15)
		switch {
		case s.first > s.last || s.last > 63 || s.first == 0 && s.last != 0:
			return nil, FormatError("bad spectral selection bounds")
		case s.first > 0 && n != 1:
			return nil, FormatError("progressive AC coefficients for more than one component")
		case s.shift > 13 || s.refine && int(rest[2]>>4) != s.shift+1:
			return nil, FormatError("bad successive approximation values")
		}
	}
	blocks := 0
	for i := range n {
		id, tables := data[1+2*i], data[2+2*i]
		p := part{component: d.component(id)}
		if p.component == nil {
			return nil, FormatError("unknown component selector")
		}
		for _, other := range s.parts {
			if other.component == p.component {
				return nil, FormatError("repeated component selector")
			}
		}
		blocks += p.h * p.v
		if tables>>4 > 3 || tables&15 > 3 {
			return nil, FormatError("bad Huffman table of a component")
		}
		p.dc, p.ac = d.huffman[0][tables>>4], d.huffman[1][tables&15]
		if s.first == 0 && !s.refine && p.dc == nil || s.last > 0 && p.ac == nil {
			return nil, FormatError("missing Huffman table")
		}
		if p.quant == nil {
			if p.quant = d.quant[p.table]; p.quant == nil {
				return nil, FormatError("missing quantization table")
			}
		}
		s.parts = append(s.parts, p)
	}
	if n > 1 && blocks > 10 {
		return nil, FormatError("sampling factors too large")
	}
	return s, nil
}

// component returns the component with that identifier, nil if there is none.
func (d *decoder) component(id byte) *component {
	for i := range d.components {
		if d.components[i].id == id {
			return &d.components[i]
		}
	}
	return nil
}

// units decodes a scan, unit by unit. A unit is a block in a scan of one component; in an
// interleaved scan it has h×v blocks of each component: section A.2.
func (d *decoder) units(s *scan) error {
	interleaved := len(s.parts) > 1
	across, down := s.parts[0].across, s.parts[0].down
	if interleaved {
		across, down = d.unitsAcross, d.unitsDown
	}
	decode := s.decoder(d.progressive)
	for y := range down {
		for x := range across {
			if unit := y*across + x; d.restartInterval > 0 && unit > 0 && unit%d.restartInterval == 0 {
				if err := s.restart(unit/d.restartInterval - 1); err != nil {
					return err
				}
			}
			for i := range s.parts {
				p := &s.parts[i]
				h, v := 1, 1
				if interleaved {
					h, v = p.h, p.v
				}
				for j := range h * v {
					column, row := x*h+j%h, j/h
					if d.whole {
						s.samples(p, p.at(row, column))
					} else {
						decode(p, &p.blocks[(y*v+row)*p.stride+column])
					}
				}
			}
			if err := s.err(); err != nil {
				return err
			}
		}
		if d.whole {
			d.paint(y)
		}
	}
	return nil
}

// restart reads a restart marker, the one with that number modulo 8: section F.2.1.3.1.
func (s *scan) restart(number int) error {
	marker, rest, err := nextMarker(s.in)
	if err != nil {
		return err
	}
	if marker != rst0+byte(number%8) {
		return FormatError("bad RST marker")
	}
	s.bits = bits{in: rest}
	s.empty = 0
	for i := range s.parts {
		s.parts[i].mean = 0
	}
	return nil
}

// samples decodes a block of a sequential scan and computes its samples.
func (s *scan) samples(p *part, pix []byte) {
	var b block
	if last := s.sequential(p, &b, p.quant); last == 0 {
		flat(b[0], pix, 8*p.stride)
	} else {
		inverse(&b, pix, 8*p.stride)
	}
}

// decoder returns the method that decodes a block of the scan.
func (s *scan) decoder(progressive bool) func(*part, *block) {
	switch {
	case !progressive:
		return func(p *part, b *block) { *b = block{}; s.sequential(p, b, &ones) }
	case s.first == 0 && !s.refine:
		return s.dc
	case s.first == 0:
		return s.refineDC
	case !s.refine:
		return s.ac
	}
	return s.refineAC
}

// ones is the quantisation table for coefficients that are to be dequantised later.
var ones = func() (table [64]uint16) {
	for i := range table {
		table[i] = 1
	}
	return table
}()

// sequential decodes a block of a sequential scan into b, which must be zero, and multiplies
// it by the quantisation table. It returns the position of the last coefficient that is not
// zero, in zigzag order: section F.2.2.
func (s *scan) sequential(p *part, b *block, quant *[64]uint16) (last int) {
	s.need()
	p.mean += s.value(int(s.symbol(p.dc) & 15))
	b[0] = int16(p.mean * int32(quant[0]))
	for k := 1; k < 64; k++ {
		s.need()
		symbol := int(s.symbol(p.ac))
		zeros, size := symbol>>4, symbol&15
		if size == 0 {
			if zeros != 15 {
				break
			}
			k += 15
			continue
		}
		k += zeros
		at := zigzag[k] & 63
		b[at] = int16(s.value(size) * int32(quant[at]))
		last = k
	}
	return last
}

// dc decodes the upper bits of a DC coefficient: section G.1.2.1.
func (s *scan) dc(p *part, b *block) {
	s.need()
	p.mean += s.value(int(s.symbol(p.dc) & 15))
	b[0] = int16(p.mean << s.shift)
}

// refineDC decodes one more bit of a DC coefficient.
func (s *scan) refineDC(_ *part, b *block) {
	s.need()
	b[0] |= int16(s.unsigned(1) << s.shift)
}

// ac decodes the upper bits of some AC coefficients: section G.1.2.2.
func (s *scan) ac(p *part, b *block) {
	if s.empty > 0 {
		s.empty--
		return
	}
	for k := s.first; k <= s.last; k++ {
		s.need()
		symbol := int(s.symbol(p.ac))
		zeros, size := symbol>>4, symbol&15
		if size == 0 {
			if zeros != 15 {
				s.empty = 1<<zeros - 1 + int(s.unsigned(zeros))
				break
			}
			k += 15
			continue
		}
		k += zeros
		b[zigzag[k]] = int16(s.value(size) << s.shift)
	}
}

// refineAC decodes one more bit of some AC coefficients: section G.1.2.3.
func (s *scan) refineAC(p *part, b *block) {
	k := s.first
	if s.empty == 0 {
		for ; k <= s.last; k++ {
			s.need()
			symbol := int(s.symbol(p.ac))
			zeros, size := symbol>>4, symbol&15
			added := int16(0) // a coefficient that was 0 before
			if size == 0 && zeros != 15 {
				s.empty = 1<<zeros + int(s.unsigned(zeros))
				break
			}
			if size != 0 {
				added = int16(s.value(1) << s.shift)
			}
			k = s.correct(b, k, zeros)
			if added != 0 {
				b[zigzag[k]] = added
			}
		}
	}
	if s.empty > 0 {
		s.correct(b, k, 64)
		s.empty--
	}
}

// correct reads one more bit of each coefficient from k on that is not 0. It stops after the
// given number of zeros, at the next zero or beyond the last coefficient, and returns where.
func (s *scan) correct(b *block, k, zeros int) int {
	for ; k <= s.last; k++ {
		coefficient := &b[zigzag[k]]
		if *coefficient == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		s.need()
		if bit := int16(1) << s.shift; s.unsigned(1) != 0 && *coefficient&bit == 0 {
			if *coefficient > 0 {
				*coefficient += bit
			} else {
				*coefficient -= bit
			}
		}
	}
	return k
}
