package kernel

func init() {
	if hasBF16() {
		neon.BFloat16 = bfloat16ConvertNEON
	}
}

// vectorSets returns the set of NEON, which every arm64 machine can run.
func vectorSets() []*Set { return []*Set{&neon} }

// neon is the set of kernels for NEON. It computes the same bits as avx2, with two exceptions: which NaN
// a NaN is, and the sign of the maximum or minimum of 0 and -0.
//
// Of the instructions of BF16 it uses the one that rounds. BFDOT and BFMMLA, which multiply bfloat16,
// are not for us: they round intermediate sums in a way of their own and take subnormal numbers for 0,
// so sums would not be those of float32.
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

	Burn: burnNEON,
}
