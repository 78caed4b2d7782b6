//go:build amd64

package kernel

import "golang.org/x/sys/cpu"

// vectorSets returns the assembly sets that this machine can run, fastest first.
func vectorSets() []*Set {
	var sets []*Set
	// The masks are made by a BMI2 instruction. All machines with AVX-512 have BMI2, but it is a
	// separate feature.
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW && cpu.X86.HasBMI2 {
		sets = append(sets, &avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, &avx2)
	}
	return sets
}

// avx512 is the set of kernels for AVX-512.
var avx512 = Set{
	Name:  "avx512",
	Lanes: 16,
	Shapes: []Shape{
		{
			MR: 8, NR: 32, Rows: rows8x32AVX512,
			Cols: []func(*Cols){
				cols8x32m1AVX512, cols8x32m2AVX512, cols8x32m3AVX512, cols8x32m4AVX512,
				cols8x32m5AVX512, cols8x32m6AVX512, cols8x32m7AVX512, cols8x32m8AVX512,
			},
		},
		{
			MR: 8, NR: 16, Rows: rows8x16AVX512,
			Cols: []func(*Cols){
				cols8x16m1AVX512, cols8x16m2AVX512, cols8x16m3AVX512, cols8x16m4AVX512,
				cols8x16m5AVX512, cols8x16m6AVX512, cols8x16m7AVX512, cols8x16m8AVX512,
			},
		},
	},

	WinogradInput:  winogradInputAVX512,
	WinogradTaps:   winogradTapsAVX512,
	WinogradDelta:  winogradDeltaAVX512,
	WinogradOutput: winogradOutputAVX512,
	WinogradSum:    winogradSumAVX512,

	Add: addAVX512,
	Sub: subAVX512,
	Mul: mulAVX512,
	Div: divAVX512,
	Max: maxAVX512,
	Min: minAVX512,

	Equal:     equalAVX512,
	NotEqual:  notEqualAVX512,
	Less:      lessAVX512,
	LessEqual: lessEqualAVX512,

	And:    andAVX512,
	Or:     orAVX512,
	Xor:    xorAVX512,
	AndNot: andNotAVX512,

	Select: selectAVX512,
	MulAdd: mulAddAVX512,

	Neg:   negAVX512,
	Abs:   absAVX512,
	Sqrt:  sqrtAVX512,
	Rsqrt: rsqrtAVX512,
	Exp:   expAVX512,

	BFloat16: bfloat16AVX512,

	Fill:      fillAVX512,
	FromBytes: fromBytesAVX512,
	FromMask:  fromMaskAVX512,

	SumRows:    sumRowsAVX512,
	DotRows:    dotRowsAVX512,
	MomentRows: momentRowsAVX512,

	Prefetch: prefetchAVX512,

	Burn: burnAVX512,
}

// avx2 is the set of kernels for AVX2 with FMA.
var avx2 = Set{
	Name:  "avx2",
	Lanes: 8,
	Shapes: []Shape{
		{
			MR: 6, NR: 16, Rows: rows6x16AVX2,
			Cols: []func(*Cols){
				cols6x16m1AVX2, cols6x16m2AVX2, cols6x16m3AVX2, cols6x16m4AVX2,
				cols6x16m5AVX2, cols6x16m6AVX2,
			},
		},
	},

	WinogradInput:  winogradInputAVX2,
	WinogradTaps:   winogradTapsAVX2,
	WinogradDelta:  winogradDeltaAVX2,
	WinogradOutput: winogradOutputAVX2,
	WinogradSum:    winogradSumAVX2,

	Add: addAVX2,
	Sub: subAVX2,
	Mul: mulAVX2,
	Div: divAVX2,
	Max: maxAVX2,
	Min: minAVX2,

	Equal:     equalAVX2,
	NotEqual:  notEqualAVX2,
	Less:      lessAVX2,
	LessEqual: lessEqualAVX2,

	And:    andAVX2,
	Or:     orAVX2,
	Xor:    xorAVX2,
	AndNot: andNotAVX2,

	Select: selectAVX2,
	MulAdd: mulAddAVX2,

	Neg:   negAVX2,
	Abs:   absAVX2,
	Sqrt:  sqrtAVX2,
	Rsqrt: rsqrtAVX2,
	Exp:   expAVX2,

	BFloat16: bfloat16AVX2,

	Fill:      fillAVX2,
	FromBytes: fromBytesAVX2,
	FromMask:  fromMaskAVX2,

	SumRows:    sumRowsAVX2,
	DotRows:    dotRowsAVX2,
	MomentRows: momentRowsAVX2,

	Prefetch: prefetchAVX2,

	Burn: burnAVX2,
}
