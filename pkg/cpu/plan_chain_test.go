package cpu

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/residual-go/residual/pkg/resnet"
)

// Chains do not change a bit. There are none for machines with so many cores that each would get few tasks.
func TestChainsChangeNothing(t *testing.T) {
	config, err := resnet.CIFAR(8, 16)
	if err != nil {
		t.Fatal(err)
	}
	onEachKernel(t, func(t *testing.T, b *Backend) {
		b.profile = newProfile()
		var want []byte
		for _, cores := range []int{2, 64} {
			b.granularity = func() granularity { return granularityFor(1<<20, cores) }
			step, store := newTraining(t, b, dtypes.Float32, config, 64, 16)
			for range 2 {
				step()
			}
			chained := slices.ContainsFunc(b.Profile(), func(p PartTime) bool { return strings.HasPrefix(p.Part, "chain") })
			if chained != (cores == 2) {
				t.Errorf("with %d cores there are chains: %v", cores, chained)
			}
			got := weights(t, store)
			if want == nil {
				want = got
			}
			if !bytes.Equal(got, want) {
				t.Error("the weights without chains are not those with chains")
			}
		}
	})
}

// A batch whose size has no useful divisor is not chained, and steps on different batches are not either.
func TestDivisions(t *testing.T) {
	for _, c := range []struct{ size, perTask, n, want int }{
		{64 * 1024 * 16, 16384, 64, 1},
		{64 * 256 * 32, 16384, 64, 2},
		{64 * 1000, 16384, 64, 64},
		{3 * 16384, 16384, 3, 1},
	} {
		d, ok := divide(c.size, c.perTask, c.n)
		if !ok || d.quantum != c.want {
			t.Errorf("%d elements of %d images in tasks of %d: %+v, %v, want %d images", c.size, c.n, c.perTask, d, ok, c.want)
		}
	}
	if _, ok := divide(100, 10, 3); ok {
		t.Error("100 elements are divided into 3 images")
	}
}

// buildLayers builds a graph of layers and their gradients on a batch of images. Many of its steps may be
// chained, and many may not: some use as a whole what others write, or sums over all images.
func buildLayers(f compute.Function, choices []byte) (*generator, []term) {
	const n, side, channels = 16, 8, 16
	g := newGenerator(f, choices)
	axes := channelsLast(2)
	gradient := compute.ConvolveAxesConfig{
		InputBatch: 3, InputSpatial: []int{1, 2}, InputChannels: 0,
		KernelSpatial: []int{1, 2}, KernelInputChannels: 0, KernelOutputChannels: 3,
		OutputBatch: 2, OutputSpatial: []int{0, 1}, OutputChannels: 3,
	}
	around := [][2]int{{1, 1}, {1, 1}}
	images := []int{n, side, side, channels}
	taps := []compute.Value{g.parameter(dtypes.Float32, []int{3, 3, channels, channels}).value}
	point := g.parameter(dtypes.Float32, []int{1, 1, channels, channels}).value
	vector := g.parameter(dtypes.Float32, []int{channels}).value
	layers := []compute.Value{g.parameter(dtypes.Float32, images).value, g.parameter(dtypes.Float32, images).value}
	recent := func(of []compute.Value) compute.Value { return of[len(of)-1-g.pick(min(4, len(of)))] }
	for len(g.choices) > 0 && len(layers) < 40 {
		a, b := recent(layers), recent(layers)
		var v compute.Value
		var err error
		switch g.pick(9) {
		case 0, 1:
			v, err = f.ConvGeneral(a, recent(taps), axes, nil, around, nil, nil, 1, 1)
		case 2:
			v, err = f.ConvGeneral(a, point, axes, nil, nil, nil, nil, 1, 1)
		case 3:
			kernel := must(f.ConvGeneral(a, b, gradient, nil, around, nil, nil, 1, 1))
			taps = append(taps, must(f.Div(kernel, must(f.Constant([]float32{n * side * side})))))
			continue
		case 4:
			v, _, _, err = f.BatchNormForTraining(a, vector, vector, 1e-3, 3)
		case 5:
			sum := must(f.ReduceSum(must(f.Mul(a, b)), 0, 1, 2))
			v, err = f.Add(a, must(f.BroadcastInDim(must(f.Div(sum, must(f.Constant([]float32{n * side * side})))), must(f.Shape(a)), []int{3})))
		case 6:
			v, err = f.Max(a, b)
		case 7:
			v, err = f.Mul(a, must(f.Tanh(b)))
		default:
			v, err = f.Sub(a, b)
		}
		layers = append(layers, must(v, err))
	}
	for _, v := range []compute.Value{layers[len(layers)-1], layers[len(layers)/2], taps[len(taps)-1]} {
		g.add(v, nil, term{})
	}
	return g, g.terms[len(g.terms)-3:]
}

// Results do not change if every step that can be chained is chained, even to a single task.
func TestChainsOfRandomLayersChangeNothing(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		b.granularity = func() granularity {
			g := granularityFor(1<<20, 2)
			g.chain = 1
			return g
		}
		chains, members := 0, map[string]bool{}
		for seed := range uint64(fewer(150)) {
			construct := []construction{buildLayers, buildLayers, buildGraph}[seed%3]
			g, e, apart, err := compileApart(b, choices(seed, 20+int(seed)%150), construct)
			if err != nil {
				continue // the choices make no valid graph
			}
			want, err := execute(b, apart, g.inputs, g.shapes, nil)
			if err != nil {
				continue // the reference backend cannot execute a delegated operation
			}
			for range 2 { // the second time, the memory is not cleared
				got, err := execute(b, e, g.inputs, g.shapes, nil)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				checkSameBits(t, fmt.Sprintf("seed %d", seed), got, want)
			}
			for _, s := range e.plan.steps {
				if c, ok := s.(*chainStep); ok {
					chains++
					for _, m := range c.members {
						members[fmt.Sprintf("%T", m)] = true
					}
				}
			}
			e.Finalize()
			apart.Finalize()
		}
		if chains < fewer(100) || len(members) < 5 {
			t.Errorf("%d chains of %v, want at least %d of all five kinds of steps", chains, members, fewer(100))
		}
	})
}
