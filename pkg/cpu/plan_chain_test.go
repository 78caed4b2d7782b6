package cpu

import (
	"bytes"
	"fmt"
	"math"
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
	recent := func(of []compute.Value) compute.Value {
		if g.chance(8) {
			return of[g.pick(len(of))]
		}
		return of[len(of)-1-g.pick(min(4, len(of)))]
	}
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

// Results do not change if every step that can be chained is chained, even to a single task, and if all
// tensors are computed again that can be.
func TestChainsOfRandomLayersChangeNothing(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		usual, chained := granularityFor(1<<20, 2), granularityFor(1<<20, 2)
		usual.chain, usual.again = math.MaxInt, math.MaxInt
		chained.chain, chained.again, chained.far = 1, 1, 1
		chains, again, members := 0, 0, map[string]bool{}
		seeds := 120
		if b.kernels.Name == "portable" {
			seeds = 30
		}
		for seed := range uint64(fewer(seeds)) {
			construct := []construction{buildLayers, buildLayers, buildGraph}[seed%3]
			var want []any
			for _, g := range []granularity{usual, chained} {
				b.granularity = func() granularity { return g }
				graph, err := build(b, choices(seed, 20+int(seed)%150), construct)
				if err != nil {
					break // the choices make no valid graph
				}
				got, err := graph.run(b)
				if err != nil {
					break // the reference backend cannot execute a delegated operation
				}
				if want == nil {
					want = got
					graph.executable.Finalize()
					continue
				}
				checkSameBits(t, fmt.Sprintf("seed %d", seed), got, want)
				// The second time, the memory is not cleared.
				if got, err = graph.run(b); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				checkSameBits(t, fmt.Sprintf("seed %d, again", seed), got, want)
				for _, s := range graph.executable.(*executable).plan.steps {
					c, ok := s.(*chainStep)
					if !ok {
						again += copies(s)
						continue
					}
					chains++
					for _, m := range c.members {
						again += copies(m)
						members[fmt.Sprintf("%T", m)] = true
					}
				}
				graph.executable.Finalize()
			}
		}
		// A few graphs do not have everything.
		if n := fewer(seeds); n == seeds && (chains < n/2 || len(members) < 5 || again < n/30) {
			t.Errorf("%d chains of %v, %d tensors computed again; want at least %d of all five kinds of steps, and %d tensors",
				chains, members, again, n/2, n/30)
		}
		t.Logf("%d chains, %d tensors computed again", chains, again)
	})
}

// copies returns the number of tensors that a step computes again.
func copies(s step) int {
	n := 0
	if l, ok := s.(*loop); ok {
		for _, r := range l.roots {
			if r.tensor.again {
				n++
			}
		}
	}
	return n
}
