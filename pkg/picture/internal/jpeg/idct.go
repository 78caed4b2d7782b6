package jpeg

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
		out := pix[y*stride : y*stride+8 : y*stride+8]
		// The sum over eight values is divided by 8.
		s0, s1, s2, s3, s4, s5, s6, s7 := line(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], fixed+kept+3)
		out[0], out[1], out[2], out[3] = level(s0), level(s1), level(s2), level(s3)
		out[4], out[5], out[6], out[7] = level(s4), level(s5), level(s6), level(s7)
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
	sample := level((int32(mean)<<kept + 1<<(kept+2)) >> (kept + 3))
	for y := range 8 {
		row := pix[y*stride : y*stride+8 : y*stride+8]
		for x := range row {
			row[x] = sample
		}
	}
}

// level makes a sample of a result of the transform, which is around 0.
func level(v int32) byte { return clamp(v + 128) }

// clamp returns the byte that is closest to v.
func clamp(v int32) byte {
	if uint32(v) > 255 {
		v = ^(v >> 31) // 0 for a negative v, else all bits
	}
	return byte(v)
}
