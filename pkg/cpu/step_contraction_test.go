package cpu

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// sample is a random convolution: its settings, layouts and sizes.
type sample struct {
	convolution
	input, kernel, output shapes.Shape
	reversed              []int // axes of the kernel that are reversed first
}

// sample chooses a convolution whose spatial axes are chosen by axis. It reports whether the
// convolution is small enough to test.
func (g *generator) sample(axis func(*convolution) (in, kernel, out int)) (s sample, ok bool) {
	spatial := 1 + g.pick(3)
	s.channelGroups, s.batchGroups = 1, 1
	switch g.pick(6) {
	case 0:
		s.channelGroups = 2 + g.pick(4)
	case 1:
		s.batchGroups = 2 + g.pick(2)
	}
	sizes := []int{1, 3, 5, 16, 17, 33, 64}
	groups, in, out := s.channelGroups*s.batchGroups, sizes[g.pick(7)], sizes[g.pick(7)]
	if groups > 1 {
		in, out = min(in, 17), groups*min(out, 17)
	}
	n := 1 + g.pick(17)
	n = (n + s.batchGroups - 1) / s.batchGroups * s.batchGroups

	image, kernel, output := []int{n, in * s.channelGroups}, []int{in, out}, []int{n / s.batchGroups, out}
	work := n * in * out
	for range spatial {
		x, k, o := axis(&s.convolution)
		image, kernel, output = append(image, x), append(kernel, k), append(output, o)
		work *= k * o
	}
	if g.chance(4) { // leave out settings that are all 1
		s.strides, s.inputDilations, s.kernelDilations = orNone(s.strides), orNone(s.inputDilations), orNone(s.kernelDilations)
	}
	a := &s.axes
	s.input, a.InputBatch, a.InputChannels, a.InputSpatial = g.layout(image)
	s.kernel, a.KernelInputChannels, a.KernelOutputChannels, a.KernelSpatial = g.layout(kernel)
	s.output, a.OutputBatch, a.OutputChannels, a.OutputSpatial = g.layout(output)
	switch g.pick(4) {
	case 0: // as in the gradient of the input
		s.reversed = a.KernelSpatial
	case 1:
		s.reversed = g.permutation(spatial + 2)[:1+g.pick(spatial+2)]
	}
	return s, work <= 2<<20
}

// axis chooses the settings and the sizes of a spatial axis.
func (g *generator) axis(c *convolution) (in, kernel, out int) {
	in, kernel = 1+g.pick(11), 1+g.pick(4)
	stride, inputDilation, dilation := 1, 1, 1
	switch g.pick(5) {
	case 0, 1:
		stride = 1 + g.pick(3)
	case 2:
		dilation = 1 + g.pick(3)
	case 3:
		inputDilation = 1 + g.pick(3)
	}
	before, after := g.pick(5)-1, g.pick(5)-1
	room := (in-1)*inputDilation + 1 + before + after - ((kernel-1)*dilation + 1)
	if room < 0 {
		after, room = after-room, 0
	}
	c.strides, c.inputDilations, c.kernelDilations = append(c.strides, stride), append(c.inputDilations, inputDilation), append(c.kernelDilations, dilation)
	c.paddings = append(c.paddings, [2]int{before, after})
	return in, kernel, room/stride + 1
}

// layout puts axes of the given sizes in random order and returns the position of each.
func (g *generator) layout(sizes []int) (shape shapes.Shape, first, second int, rest []int) {
	order := g.permutation(len(sizes))
	dims := make([]int, len(sizes))
	for i, at := range order {
		dims[at] = sizes[i]
	}
	return shapes.Make(dtypes.Float32, dims...), order[0], order[1], order[2:]
}

// orNone returns nil if all elements are 1.
func orNone(ones []int) []int {
	if slices.ContainsFunc(ones, func(n int) bool { return n != 1 }) {
		return ones
	}
	return nil
}

// build adds the convolution of two values to f.
func (s *sample) build(f compute.Function, x, w compute.Value) (compute.Value, error) {
	if s.reversed != nil {
		w = must(f.Reverse(w, s.reversed...))
	}
	return f.ConvGeneral(x, w, s.axes, s.strides, s.paddings, s.inputDilations, s.kernelDilations, s.channelGroups, s.batchGroups)
}

// threeByThree reports whether the kernel has 3 by 3 taps, for which Winograd's algorithm may be used.
func (s *sample) threeByThree() bool {
	a := s.axes.KernelSpatial
	return len(a) == 2 && s.kernel.Dimensions[a[0]] == 3 && s.kernel.Dimensions[a[1]] == 3
}

// direct computes the convolution by its definition.
func (s *sample) direct(x, w []float32) []float32 {
	xs, ws, os := strides(s.input), strides(s.kernel), strides(s.output)
	wAt := 0 // offset of the first weight, which is the last one along a reversed axis
	for _, axis := range s.reversed {
		wAt += (s.kernel.Dimensions[axis] - 1) * ws[axis]
		ws[axis] = -ws[axis]
	}
	a := s.axes
	in := s.kernel.Dimensions[a.KernelInputChannels]
	perChannelGroup := s.output.Dimensions[a.OutputChannels] / s.channelGroups
	perBatchGroup := s.output.Dimensions[a.OutputChannels] / s.batchGroups
	y := make([]float32, s.output.Size())
	for i := range y {
		index := make([]int, len(os))
		for axis, left := 0, i; axis < len(os); axis++ {
			index[axis], left = left/os[axis], left%os[axis]
		}
		channel := index[a.OutputChannels]
		image := channel/perBatchGroup*s.output.Dimensions[a.OutputBatch] + index[a.OutputBatch]
		xAt := image*xs[a.InputBatch] + channel/perChannelGroup*in*xs[a.InputChannels]
		s.taps(index, 0, xAt, wAt+channel*ws[a.KernelOutputChannels], xs, ws, func(xAt, wAt int) {
			for c := range in {
				y[i] += x[xAt+c*xs[a.InputChannels]] * w[wAt+c*ws[a.KernelInputChannels]]
			}
		})
	}
	return y
}

// taps calls visit with the offsets in the input and the kernel of every tap that falls on a pixel.
func (s *sample) taps(index []int, axis, xAt, wAt int, xs, ws []int, visit func(xAt, wAt int)) {
	if axis == len(s.axes.InputSpatial) {
		visit(xAt, wAt)
		return
	}
	xAxis, wAxis := s.axes.InputSpatial[axis], s.axes.KernelSpatial[axis]
	inputDilation := valueOr(s.inputDilations, axis, 1)
	for k := range s.kernel.Dimensions[wAxis] {
		at := index[s.axes.OutputSpatial[axis]]*valueOr(s.strides, axis, 1) + k*valueOr(s.kernelDilations, axis, 1) - s.paddings[axis][0]
		if at >= 0 && at%inputDilation == 0 && at/inputDilation < s.input.Dimensions[xAxis] {
			s.taps(index, axis+1, xAt+at/inputDilation*xs[xAxis], wAt+k*ws[wAxis], xs, ws, visit)
		}
	}
}

// checkConvolution compares the convolution of the choices with its definition, to the bit: the values
// are chosen so that all sums are exact. It reports whether the choices make a convolution.
func checkConvolution(t *testing.T, b *Backend, what string, choices []byte) bool {
	t.Helper()
	g := newGenerator(nil, choices)
	s, ok := g.sample(g.axis)
	if !ok {
		return false
	}
	x, _ := g.numbers(dtypes.Float32, s.input.Size())
	w, _ := g.numbers(dtypes.Float32, s.kernel.Size())
	want := s.direct(x.([]float32), w.([]float32))
	inputs, of := []any{x, w}, []shapes.Shape{s.input, s.kernel}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(s.build(f, in[0], in[1]))}
	})
	if err != nil {
		t.Fatalf("%s: %v: %+v", what, err, s)
	}
	defer e.Finalize()
	if shape := e.Outputs()[0]; !shape.Equal(s.output) {
		t.Fatalf("%s: the result's shape is %s, want %s", what, shape, s.output)
	}
	for range 2 { // the second time, the memory is not cleared
		got, err := execute(b, e, inputs, of, nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		difference := firstDifference(got[0].([]float32), want)
		if usesWinograd(e) { // which rounds, even if all sums are exact
			difference = farthest(got[0].([]float32), want, 1e-5)
		}
		if difference != "" {
			t.Errorf("%s: %s: %+v", what, difference, s)
			break
		}
	}
	return true
}

// usesWinograd reports whether a step of the executable uses Winograd's algorithm.
func usesWinograd(e compute.Executable) bool {
	return slices.ContainsFunc(e.(*executable).plan.describe(), func(step string) bool { return strings.HasPrefix(step, "winograd") })
}

// farthest describes an element that differs by more than the given part of the largest one, or returns "" if
// there is none.
func farthest(got, want []float32, part float64) string {
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(float64(w)))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i]-w)) <= part*largest) {
			return fmt.Sprintf("element %d of %d is %v, want %v, of at most %v", i, len(want), got[i], w, largest)
		}
	}
	return ""
}

func TestRandomConvolutionsAreComputedAsDefined(t *testing.T) {
	convolutions := uint64(fewer(400))
	onEachKernel(t, func(t *testing.T, b *Backend) {
		made := uint64(0)
		for seed := range convolutions {
			if checkConvolution(t, b, fmt.Sprintf("seed %d", seed), choices(seed, 100)) {
				made++
			}
		}
		if made < convolutions/2 {
			t.Errorf("only %d of %d convolutions were small enough", made, convolutions)
		}
	})
}

func FuzzConvolutions(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(choices(seed+1000, 100))
	}
	b := newBackend(f, "")
	f.Fuzz(func(t *testing.T, choices []byte) { checkConvolution(t, b, "convolution", choices) })
}

// stepsOfConvolution returns the steps of a convolution with the given shapes of image and kernel.
func stepsOfConvolution(t *testing.T, b *Backend, image, kernel []int) []step {
	t.Helper()
	of := []shapes.Shape{shapes.Make(dtypes.Float32, image...), shapes.Make(dtypes.Float32, kernel...)}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(f.ConvGeneral(in[0], in[1], channelsLast(len(image)-2), nil, nil, nil, nil, 1, 1))}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	return e.(*executable).plan.steps
}

// Offsets in tables are int32. Compiling allocates no memory for tensors, so these can be huge.
func TestTablesReachNoFurtherThanTheirOffsets(t *testing.T) {
	b := newBackend(t, "")
	for _, test := range []struct {
		image, kernel []int
		native        bool
	}{
		{[]int{1 << 20, 4, 4, 512}, []int{3, 3, 512, 8}, true},        // 2³³ floats, but each image is small
		{[]int{1, 1 << 12, 1 << 12, 512}, []int{1, 1, 512, 8}, false}, // an image of 2³³ floats
		{[]int{1, 1 << 15, 1 << 15, 1}, []int{3, 3, 1, 1}, false},     // a table of 9·2³⁰ offsets
	} {
		steps := stepsOfConvolution(t, b, test.image, test.kernel)
		_, delegated := steps[len(steps)-1].(*delegateStep)
		if delegated == test.native {
			t.Errorf("image %v, kernel %v: native is %t, want %t", test.image, test.kernel, !delegated, test.native)
		}
		for _, s := range steps {
			if rows, ok := s.(*rowsStep); ok {
				checkOffsets(t, rows)
			}
		}
	}
}

// checkOffsets checks that no offset has overflowed.
func checkOffsets(t *testing.T, s *rowsStep) {
	t.Helper()
	for _, c := range s.classes {
		for _, at := range slices.Concat(c.off, c.place) {
			if at < -1 {
				t.Fatalf("an offset of %d", at)
			}
		}
	}
}

// If the batch size is a large prime, it has no divisor of suitable size, so the table would cover the
// whole batch.
func TestTablesOfLargePrimeBatches(t *testing.T) {
	b := newBackend(t, "")
	const rows, depth = 1000003, 4096
	of := []shapes.Shape{shapes.Make(dtypes.Float32, rows, depth), shapes.Make(dtypes.Float32, depth, 4)}
	e, err := compileFor(b, of, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{0}, nil, compute.DotGeneralConfig{}))}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	checkOffsets(t, e.(*executable).plan.steps[0].(*rowsStep))
}

// Contracted channels share a table as far as int32 offsets reach.
func TestPeriodsReachNoFurtherThanTheirOffsets(t *testing.T) {
	for _, test := range []struct{ apart, rows, want int }{
		{1 << 10, 1, 256}, {1 << 10, 100, 4}, {1 << 24, 1, 128}, {1 << 24, 9, 32}, {1 << 32, 1, 1},
	} {
		c := &contraction{ci: 1024, inC: test.apart}
		if got := c.period(test.rows); got != test.want {
			t.Errorf("channels %d apart, %d rows: a period of %d channels, want %d", test.apart, test.rows, got, test.want)
		}
	}
}

func TestLayersOfOneSizeShareTheirTables(t *testing.T) {
	b := newBackend(t, "")
	square := shapes.Make(dtypes.Float32, 100, 100)
	e, err := compileFor(b, []shapes.Shape{square, square}, func(f compute.Function, in []compute.Value) []compute.Value {
		x := in[0]
		for range 3 {
			x = must(f.DotGeneral(x, []int{1}, nil, in[1], []int{0}, nil, compute.DotGeneralConfig{}))
		}
		return []compute.Value{x}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Finalize()
	first := e.(*executable).plan.steps[0].(*rowsStep)
	for _, s := range e.(*executable).plan.steps {
		if s.(*rowsStep).rowsTables != first.rowsTables {
			t.Error("two products of the same size have different tables")
		}
	}
}
