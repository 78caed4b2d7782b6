package kernel

func init() {
	if hasBF16() {
		neon.BFloat16 = bfloat16ConvertNEON
	}
}

// vectorSets returns the NEON kernels, which every arm64 machine can run.
func vectorSets() []*Set { return []*Set{&neon} }

// neon is the set of kernels for NEON. It computes the same bits as avx2, with two exceptions: the payload
// of a NaN, and the sign of the maximum or minimum of 0 and -0.
//
// Of the BF16 instructions it uses only the one that rounds. BFDOT and BFMMLA, which multiply bfloat16,
// round intermediate sums differently and treat subnormal numbers as 0, so their sums would not be those
// of float32.
var neon = Set{
	Name:  "neon",
	Lanes: 8, // as in avx2; see Set
	Shapes: []Shape{
		{
			MR: 6, NR: 16, Rows: rows6x16NEON,
			Cols: []func(*Cols){
				cols6x16m1NEON, cols6x16m2NEON, cols6x16m3NEON, cols6x16m4NEON,
				cols6x16m5NEON, cols6x16m6NEON,
			},
		},
	},

	WinogradInput:  winogradInputNEON,
	WinogradTaps:   winogradTapsNEON,
	WinogradDelta:  winogradDeltaNEON,
	WinogradOutput: winogradOutputNEON,
	WinogradSum:    winogradSumNEON,

	Add: addNEON,
	Sub: subNEON,
	Mul: mulNEON,
	Div: divNEON,
	Max: maxNEON,
	Min: minNEON,

	Equal:     equalNEON,
	NotEqual:  notEqualNEON,
	Less:      lessNEON,
	LessEqual: lessEqualNEON,

	And:    andNEON,
	Or:     orNEON,
	Xor:    xorNEON,
	AndNot: andNotNEON,

	Select: selectNEON,
	MulAdd: mulAddNEON,

	Neg:   negNEON,
	Abs:   absNEON,
	Sqrt:  sqrtNEON,
	Rsqrt: rsqrtNEON,
	Exp:   expNEON,

	BFloat16: bfloat16NEON,

	Fill:      fillNEON,
	FromBytes: fromBytesNEON,
	FromMask:  fromMaskNEON,

	SumRows:    sumRowsNEON,
	DotRows:    dotRowsNEON,
	MomentRows: momentRowsNEON,

	Prefetch: prefetchNEON,

	Burn: burnNEON,
}
