package cpu

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGranularity(t *testing.T) {
	if got, want := granularityFor(512<<10, 2), (granularity{cacheable: 32 << 10, tiles: 64 << 10, cores: 2, chain: 8, again: 128 << 10, far: 100, image: 16 << 10}); got != want {
		t.Errorf("with 512 KiB and 2 cores %+v, want %+v, as measured", got, want)
	}
	if got := granularityFor(0, 0); got != granularityFor(512<<10, 1) {
		t.Errorf("%+v on an unknown machine", got)
	}
	if got := granularityFor(3<<20, 8); got.cacheable <= 32<<10 || got.tiles <= 64<<10 || got.tasks(12) != 96 {
		t.Errorf("%+v, %d tasks on a machine with large caches", got, got.tasks(12))
	}
	if got := granularityFor(1<<20, 1000).tasks(12); got > 512 {
		t.Errorf("%d tasks for a thousand cores", got)
	}
	if one, two := granularityFor(1<<20, 1).tasks(8), granularityFor(1<<20, 2).tasks(8); one != 16 || two != 16 {
		t.Errorf("%d tasks on one core and %d on two, want 16", one, two)
	}
}

// granularities are those of very different machines.
var granularities = []granularity{
	granularityFor(0, 1), granularityFor(1<<20, 5), granularityFor(3<<20, 8), granularityFor(64<<20, 200),
	{cacheable: 1, tiles: 1, cores: 64},
}

// How work is cut into tasks does not change a bit.
func TestTrainingHasTheSameBitsWithAnyGranularity(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		steps := 2
		if b.kernels.Name == "portable" {
			steps = 1
		}
		var want []byte
		for _, g := range granularities[:1+fewer(len(granularities)-1)] {
			b.granularity = func() granularity { return g }
			got := trained(t, b, steps)
			if want == nil {
				want = got
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the weights differ with %+v", g)
			}
		}
	})
}

func TestWinogradHasTheSameBitsWithAnyGranularity(t *testing.T) {
	onEachKernel(t, func(t *testing.T, b *Backend) {
		for _, f := range []filter{square(64, 16, 16, 24), square(64, 16, 64, 300)} {
			x, taps := f.values(rand.New(rand.NewPCG(3, 4)))
			var want []float32
			blocks := map[int]bool{}
			for _, g := range granularities {
				b.granularity = func() granularity { return g }
				e := f.winograd(b)
				s := e.plan.steps[0].(*winogradStep)
				blocks[s.blocks*s.chunks] = true
				got := f.execute(t, b, e, x, taps)
				e.Finalize()
				if want == nil {
					want = got
				}
				if !slices.Equal(got, want) {
					t.Errorf("%v differs with %+v", f, g)
				}
			}
			if len(blocks) < 2 {
				t.Errorf("%v has as many tasks with every granularity", f)
			}
		}
	})
}

// The cores of a large machine all get work, also from layers with few channels and small images.
func TestManyCoresAllHaveTasks(t *testing.T) {
	b := newBackend(t, "")
	c := square(64, 8, 16, 16).contraction()
	for _, cores := range []int{1, 2, 4, 8, 16} {
		s := newRowsTables(c, b.kernels, granularityFor(1<<20, cores))
		if tasks := s.groups * (s.n / s.images) * len(s.units) * s.chunks; tasks < 4*cores {
			t.Errorf("%d cores share %d tasks", cores, tasks)
		}
	}
}
