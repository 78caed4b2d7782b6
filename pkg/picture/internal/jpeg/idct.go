package jpeg

import "encoding/binary"

// Products of cosines, scaled by 1<<fixed: jidctint.c names them in the same way.
const (
	fixed = 13
	// The results of the first pass keep two bits after the binary point.
	kept = 2

	fix0_298631336 = 2446
	fix0_390180644 = 3196
	fix0_541196100 = 4433
	fix0_765366865 = 6270
	fix0_899976223 = 7373
	fix1_175875602 = 9633
	fix1_501321110 = 12299
	fix1_847759065 = 15137
	fix1_961570560 = 16069
	fix2_053119869 = 16819
	fix2_562915447 = 20995
	fix3_072711026 = 25172
)

// inverse computes the inverse cosine transform of dequantised coefficients and writes 8×8
// samples to pix, whose rows are stride bytes apart.
//
// It is the transform of C. Loeffler, A. Ligtenberg and G. Moschytz, Practical Fast 1-D DCT
// Algorithms with 11 Multiplications, 1989, with the fixed-point numbers and the rounding of
// libjpeg's jidctint.c: "islow", its default.
func inverse(b *block, pix []byte, stride int) {
	var columns [64]int32
	for x := range 8 {
		in := b[x : x+57 : x+57]
		if in[8]|in[16]|in[24]|in[32]|in[40]|in[48]|in[56] == 0 {
			// Many columns have nothing but a mean.
			mean := int32(in[0]) << kept
			for y := range 8 {
				columns[8*y+x] = mean
			}
			continue
		}
		out := columns[x : x+57 : x+57]
		out[0], out[8], out[16], out[24], out[32], out[40], out[48], out[56] = line(
			int32(in[0]), int32(in[8]), int32(in[16]), int32(in[24]),
			int32(in[32]), int32(in[40]), int32(in[48]), int32(in[56]), fixed-kept)
	}
	for y := range 8 {
		in := columns[8*y : 8*y+8 : 8*y+8]
		// The sum over eight values is divided by 8. Samples are around 128, not 0.
		s0, s1, s2, s3, s4, s5, s6, s7 := line(in[0]+128<<(kept+3), in[1], in[2], in[3], in[4], in[5], in[6], in[7], fixed+kept+3)
		if uint32(s0|s1|s2|s3|s4|s5|s6|s7) > 255 {
			s0, s1, s2, s3 = clamp(s0), clamp(s1), clamp(s2), clamp(s3)
			s4, s5, s6, s7 = clamp(s4), clamp(s5), clamp(s6), clamp(s7)
		}
		// One write is faster than eight.
		binary.LittleEndian.PutUint64(pix[y*stride:], uint64(s0)|uint64(s1)<<8|uint64(s2)<<16|uint64(s3)<<24|
			uint64(s4)<<32|uint64(s5)<<40|uint64(s6)<<48|uint64(s7)<<56)
	}
}

// line is the transform of one row or column. The results are shifted right by scale, rounded.
func line(c0, c1, c2, c3, c4, c5, c6, c7 int32, scale int) (s0, s1, s2, s3, s4, s5, s6, s7 int32) {
	round := int32(1) << (scale - 1)

	// The even coefficients.
	z1 := (c2 + c6) * fix0_541196100
	even2 := z1 - c6*fix1_847759065
	even3 := z1 + c2*fix0_765366865
	even0 := (c0+c4)<<fixed + round
	even1 := (c0-c4)<<fixed + round
	sum0, sum3 := even0+even3, even0-even3
	sum1, sum2 := even1+even2, even1-even2

	// The odd coefficients.
	z1, z2, z3, z4 := c7+c1, c5+c3, c7+c3, c5+c1
	z5 := (z3 + z4) * fix1_175875602
	z1, z2 = -z1*fix0_899976223, -z2*fix2_562915447
	z3, z4 = z5-z3*fix1_961570560, z5-z4*fix0_390180644
	odd0 := c7*fix0_298631336 + z1 + z3
	odd1 := c5*fix2_053119869 + z2 + z4
	odd2 := c3*fix3_072711026 + z2 + z3
	odd3 := c1*fix1_501321110 + z1 + z4

	return (sum0 + odd3) >> scale, (sum1 + odd2) >> scale, (sum2 + odd1) >> scale, (sum3 + odd0) >> scale,
		(sum3 - odd0) >> scale, (sum2 - odd1) >> scale, (sum1 - odd2) >> scale, (sum0 - odd3) >> scale
}

// flat is inverse for a block whose coefficients are all 0 but the first, the mean.
func flat(mean int16, pix []byte, stride int) {
	sample := byte(clamp(128 + (int32(mean)<<kept+1<<(kept+2))>>(kept+3)))
	for y := range 8 {
		row := pix[y*stride : y*stride+8 : y*stride+8]
		for x := range row {
			row[x] = sample
		}
	}
}

// clamp returns the value from 0 to 255 that is closest to v.
func clamp(v int32) int32 {
	if uint32(v) > 255 {
		v = ^(v >> 31) & 255 // 0 for a negative v, else all bits
	}
	return v
}
