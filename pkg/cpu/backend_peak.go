package cpu

import (
	"runtime"
	"sync"
	"time"

	"github.com/residual-go/residual/pkg/cpu/internal/kernel"
)

// PeakGFLOPS measures the peak speed of all cores together (GOMAXPROCS) with the fastest
// kernels of this machine, and takes about the time d. It runs independent multiply-adds on
// registers and counts each as two operations. The result is in 10⁹ operations per second.
func PeakGFLOPS(d time.Duration) float64 {
	burn := kernel.Available()[0].Burn
	const iterations = 1 << 16
	var mu sync.Mutex
	var total float64
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			burn(iterations) // the clock and the vector units need a moment to reach full speed
			flops, start := 0, time.Now()
			for time.Since(start) < d {
				flops += burn(iterations)
			}
			rate := float64(flops) / time.Since(start).Seconds()
			mu.Lock()
			defer mu.Unlock()
			total += rate
		})
	}
	running.Wait()
	return total / 1e9
}
