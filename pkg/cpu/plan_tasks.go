package cpu

import (
	"runtime"

	"github.com/residual-go/residual/pkg/cpu/internal/cache"
)

// granularity says how large the tasks of contractions should be on a machine. It affects only where one
// task ends and the next begins, never the order of a sum, so results do not depend on it.
type granularity struct {
	// cacheable is the number of input floats that stay in the second-level cache while one panel
	// of weights after another passes through it.
	cacheable int
	// tiles is the number of floats of transformed tiles that a block of Winograd's algorithm has: more
	// would not fit in the cache, and fewer read the taps more often.
	tiles int
	// cores is the number of cores. Goroutines take tasks one by one. With many tasks for each core,
	// the others do not wait long for the last one, even if a slow core has taken that.
	cores int
	// chain is the least number of tasks of a chain of steps. The sums of its members allow only a few.
	chain int
	// again is the number of elements from which a tensor is computed again rather than kept in memory, if at
	// least far other tensors are computed between two uses, and image the largest number for each image: more
	// would leave the cache in between.
	again, far, image int
}

// newGranularity returns the granularity for this machine.
func newGranularity() granularity {
	return granularityFor(cache.SecondLevel(), runtime.GOMAXPROCS(0))
}

// granularityFor returns the granularity for cores with the given size of second-level cache, in bytes.
// It was measured with 512 KiB on two cores and is never finer than that; larger sizes are extrapolated.
func granularityFor(secondLevel, cores int) granularity {
	const measured, most = 32 << 10, 160 << 10
	cacheable := max(measured, min(secondLevel/4/4, most))
	g := granularity{cacheable: cacheable, tiles: 2 * cacheable, cores: max(1, cores)}
	// A layer of a network has about 20 tensors, and its gradient as many.
	g.chain, g.again, g.far, g.image = g.tasks(4), 4*cacheable, 100, cacheable/2
	return g
}

// isAgain reports whether a tensor whose first axis is images has a size to be computed again.
func (g granularity) isAgain(dims []int) bool {
	size, images := 1, 1
	for i, d := range dims {
		size *= d
		if i == 0 {
			images = max(1, d)
		}
	}
	return size >= g.again && size/images <= g.image
}

// tasks returns the least number of tasks for a job, given the number for each core.
func (g granularity) tasks(perCore int) int {
	const most = 512
	return perCore * min(max(g.cores, 2), most/perCore)
}
