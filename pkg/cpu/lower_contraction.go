package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// contraction describes a convolution or a matrix product:
//
//	out[g, n, o, j] = Σ_k Σ_c in[g, n, o·stride + k·dilation − padding, c] · kernel[g, k, c, j]
//
// for groups g, images n of the batch, positions o and taps k along any number of spatial axes
// (none in a matrix product), input channels c and output channels j. Each of the three tensors
// may have its axes in any order.
type contraction struct {
	groups, n, ci, co int // sizes
	inG, inN, inC     int // strides in the input
	kerG, kerI, kerO  int // strides in the kernel; I and O are the input and output channels
	outG, outN, outC  int // strides in the output
	spatial           []spatialAxis
	kerSize           int
	cols              bool // computed by colsStep or winogradGradientStep, otherwise by rowsStep or winogradStep
}

// spatialAxis is one axis along which the kernel moves over the input.
type spatialAxis struct {
	in, ker, out                  int // sizes
	inS, kerS, outS               int // strides
	stride, padding               int
	kernelDilation, inputDilation int
	flip                          bool // the kernel is read backwards
}

// strides returns the row-major strides of a shape.
func strides(shape shapes.Shape) []int {
	s := make([]int, shape.Rank())
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape.Dimensions[i]
	}
	return s
}

// valueOr returns s[i], or otherwise if s is empty: settings that may be left out.
func valueOr(s []int, i, otherwise int) int {
	if len(s) == 0 {
		return otherwise
	}
	return s[i]
}

// convolve returns a convolution, or nil if its images are too large for the tables. Inputs and
// outputs are transposed if their channels are not contiguous, except in the gradient with
// respect to the kernel, which colsStep computes in that layout.
func (g *graph) convolve(x, kernel *tensor, conv convolution, shape shapes.Shape) *tensor {
	a := conv.axes
	// The gradient with respect to the input reverses the kernel. Read it backwards instead.
	flipped := make([]bool, kernel.shape.Rank())
	if kernel.kind == kindMove {
		if m, ok := kernel.attributes.(*moves); ok && m.reversed != nil {
			only := true
			for _, axis := range m.reversed {
				only = only && slices.Contains(a.KernelSpatial, axis)
			}
			if only {
				for _, axis := range m.reversed {
					flipped[axis] = true
				}
				kernel = kernel.inputs[0]
			}
		}
	}
	c, ok := newContraction(x.shape, kernel.shape, shape, conv, flipped)
	if !ok {
		// Transpose to channels last.
		order := append([]int{a.InputBatch}, append(slices.Clone(a.InputSpatial), a.InputChannels)...)
		x = g.transpose(x, order)
		outOrder := append([]int{a.OutputBatch}, append(slices.Clone(a.OutputSpatial), a.OutputChannels)...)
		canonical := shapes.Make(dtypes.Float32)
		for _, axis := range outOrder {
			canonical.Dimensions = append(canonical.Dimensions, shape.Dimensions[axis])
		}
		conv.axes.InputBatch, conv.axes.InputChannels = 0, x.shape.Rank()-1
		conv.axes.OutputBatch, conv.axes.OutputChannels = 0, x.shape.Rank()-1
		conv.axes.InputSpatial, conv.axes.OutputSpatial = nil, nil
		for i := range a.InputSpatial {
			conv.axes.InputSpatial = append(conv.axes.InputSpatial, 1+i)
			conv.axes.OutputSpatial = append(conv.axes.OutputSpatial, 1+i)
		}
		c, _ = newContraction(x.shape, kernel.shape, canonical, conv, flipped)
		if !c.tabulable() {
			return nil
		}
		y := g.make(kindContract, 0, canonical, c, x, kernel)
		back := make([]int, len(outOrder))
		for i, axis := range outOrder {
			back[axis] = i
		}
		return g.transpose(y, back)
	}
	if merged, m := g.mergeChannels(x, c); m.tabulable() {
		x, c = merged, m
	}
	if !c.tabulable() {
		return nil
	}
	return g.make(kindContract, 0, shape, c, x, kernel)
}

// tabulable reports whether the tables of one image have an acceptable size, and whether their
// int32 offsets reach the whole image.
func (c *contraction) tabulable() bool {
	const maxEntries = 1 << 26
	entries := 1
	for _, s := range c.spatial {
		entries *= s.out * s.ker
	}
	return entries <= maxEntries && c.reaches(1)
}

// newContraction returns the convolution as a contraction, and whether the steps support its
// layout: they read and write several adjacent elements at a time.
func newContraction(x, kernel, out shapes.Shape, conv convolution, flipped []bool) (*contraction, bool) {
	a := conv.axes
	xs, ks, os := strides(x), strides(kernel), strides(out)
	c := &contraction{
		groups: 1,
		n:      x.Dimensions[a.InputBatch], ci: kernel.Dimensions[a.KernelInputChannels], co: kernel.Dimensions[a.KernelOutputChannels],
		inN: xs[a.InputBatch], inC: xs[a.InputChannels],
		kerI: ks[a.KernelInputChannels], kerO: ks[a.KernelOutputChannels],
		outN: os[a.OutputBatch], outC: os[a.OutputChannels],
		kerSize: kernel.Size(),
	}
	positions, taps := 1, 1
	for i := range a.InputSpatial {
		s := spatialAxis{
			in: x.Dimensions[a.InputSpatial[i]], ker: kernel.Dimensions[a.KernelSpatial[i]], out: out.Dimensions[a.OutputSpatial[i]],
			inS: xs[a.InputSpatial[i]], kerS: ks[a.KernelSpatial[i]], outS: os[a.OutputSpatial[i]],
			stride: valueOr(conv.strides, i, 1), kernelDilation: valueOr(conv.kernelDilations, i, 1), inputDilation: valueOr(conv.inputDilations, i, 1),
			flip: flipped[a.KernelSpatial[i]],
		}
		if len(conv.paddings) > 0 {
			s.padding = conv.paddings[i][0]
		}
		positions, taps = positions*s.out, taps*s.ker
		c.spatial = append(c.spatial, s)
	}
	if g := conv.channelGroups; g > 1 {
		c.groups, c.co = g, c.co/g
		c.inG, c.kerG, c.outG = c.ci*c.inC, c.co*c.kerO, c.co*c.outC
	}
	if g := conv.batchGroups; g > 1 {
		c.groups, c.n, c.co = g, c.n/g, c.co/g
		c.inG, c.kerG, c.outG = c.n*c.inN, c.co*c.kerO, c.co*c.outC
	}
	return c, c.choose(positions, taps)
}

// choose selects rows or columns, and reports whether one of them supports the layout.
func (c *contraction) choose(positions, taps int) bool {
	if c.outC != 1 && c.co > 1 {
		return false
	}
	rows := c.inC == 1 || c.ci == 1
	cols := c.inN == 1 || c.n == 1
	c.cols = cols && (!rows || taps > positions)
	return rows || cols
}

// mergeChannels makes short runs of channels longer: if an image has few channels, the adjacent
// pixels under a window become one run. The padding must then be in memory, so x is padded.
func (g *graph) mergeChannels(x *tensor, c *contraction) (*tensor, *contraction) {
	last := len(c.spatial) - 1
	// A row of a single pixel has the same stride as the axis outside it: they cannot be told
	// apart below.
	if last < 0 || c.groups != 1 || c.spatial[last].in == 1 {
		return x, c
	}
	s := c.spatial[last]
	merged := *c
	merged.spatial = slices.Clone(c.spatial)
	m := &merged.spatial[last]
	if c.cols {
		if c.n >= 8 || s.out == 1 || s.stride != 1 || s.inputDilation != 1 || s.inS != c.n || s.outS != c.n*c.outN {
			return x, c
		}
		merged.n *= s.out
		m.out = 1
	} else {
		if c.ci >= 8 || s.ker == 1 || s.kernelDilation != 1 || s.inputDilation != 1 || s.flip || s.inS != c.ci || s.kerS != c.ci*c.kerI {
			return x, c
		}
		merged.ci *= s.ker
		m.ker = 1
	}
	axis := -1
	for i, stride := range strides(x.shape) {
		if stride == s.inS && x.shape.Dimensions[i] == s.in {
			axis = i
		}
	}
	if axis < 0 {
		return x, c
	}
	reach := (s.out-1)*s.stride + (s.ker-1)*s.kernelDilation + 1
	pads := make([]compute.PadAxis, x.shape.Rank())
	pads[axis] = compute.PadAxis{Start: s.padding, End: reach - s.padding - s.in}
	if s.padding != 0 || reach != s.in {
		x = g.pad(x, g.scalar(0), pads)
	}
	m.in, m.padding = reach, 0
	// The strides of the axes outside the padded axis grow with it.
	grow := func(stride int) int {
		if stride > s.inS {
			return stride / s.in * reach
		}
		return stride
	}
	merged.inN, merged.inC = grow(c.inN), grow(c.inC)
	if c.cols {
		merged.inN = 1 // a batch of one may have had any stride
	}
	for i := range merged.spatial[:last] {
		merged.spatial[i].inS = grow(merged.spatial[i].inS)
	}
	return x, &merged
}

// axes is the size and stride of several axes merged into one.
type axes struct{ size, stride int }

// collapse merges the listed axes, in this order, into one. It reports whether that is possible
// without a copy.
func collapse(shape shapes.Shape, list []int) (axes, bool) {
	s := strides(shape)
	a := axes{1, 1}
	first := true
	for i := len(list) - 1; i >= 0; i-- {
		d := shape.Dimensions[list[i]]
		if d == 1 {
			continue
		}
		if first {
			a, first = axes{d, s[list[i]]}, false
			continue
		}
		if s[list[i]] != a.stride*a.size {
			return a, false
		}
		a.size *= d
	}
	return a, true
}

// multiply returns a DotGeneral as a matrix product: [batch, rows of lhs, columns of rhs]. It
// transposes operands whose axes cannot be merged.
func (g *graph) multiply(lhs, rhs *tensor, p product, shape shapes.Shape) *tensor {
	for {
		left, leftOK := sides(lhs.shape, p.lhsBatch, p.lhsContracting)
		right, rightOK := sides(rhs.shape, p.rhsBatch, p.rhsContracting)
		c := &contraction{
			groups: left.batch.size, n: left.free.size, ci: left.contracted.size, co: right.free.size,
			inG: left.batch.stride, inN: left.free.stride, inC: left.contracted.stride,
			kerG: right.batch.stride, kerI: right.contracted.stride, kerO: right.free.stride,
			outG: left.free.size * right.free.size, outN: right.free.size, outC: 1,
			kerSize: rhs.shape.Size(),
		}
		switch {
		case !rightOK:
			rhs, p.rhsBatch, p.rhsContracting = g.arrange(rhs, p.rhsBatch, p.rhsContracting)
		case !leftOK || !c.choose(1, 1):
			lhs, p.lhsBatch, p.lhsContracting = g.arrange(lhs, p.lhsBatch, p.lhsContracting)
		default:
			return g.make(kindContract, 0, shape, c, lhs, rhs)
		}
	}
}

// operand is one side of a matrix product: its batch, free and contracted axes, each merged.
type operand struct{ batch, free, contracted axes }

// sides returns an operand, and whether its axes could be merged without a copy.
func sides(shape shapes.Shape, batch, contracting []int) (operand, bool) {
	b, ok1 := collapse(shape, batch)
	f, ok2 := collapse(shape, otherAxes(shape.Rank(), batch, contracting))
	c, ok3 := collapse(shape, contracting)
	return operand{b, f, c}, ok1 && ok2 && ok3
}

// otherAxes returns the axes of a tensor of the given rank that are in none of the lists.
func otherAxes(rank int, lists ...[]int) []int {
	var rest []int
	for i := range rank {
		if !slices.ContainsFunc(lists, func(list []int) bool { return slices.Contains(list, i) }) {
			rest = append(rest, i)
		}
	}
	return rest
}

// arrange transposes an operand to [batch, free, contracted] and returns the new batch and
// contracted axes.
func (g *graph) arrange(x *tensor, batch, contracting []int) (*tensor, []int, []int) {
	free := otherAxes(x.shape.Rank(), batch, contracting)
	y := g.transpose(x, slices.Concat(batch, free, contracting))
	numbered := func(from, n int) []int {
		list := make([]int, n)
		for i := range list {
			list[i] = from + i
		}
		return list
	}
	return y, numbered(0, len(batch)), numbered(len(batch)+len(free), len(contracting))
}
