package check

import (
	"fmt"
	"os"
	"runtime/metrics"
	"time"
)

// MemoryVariable is the environment variable with the number of bytes of memory that the
// process may use. It is for systems that cannot limit a process's memory themselves; where
// they can, the grader sets both limits.
const MemoryVariable = "RESIDUAL_GRADE_MEMORY"

// OutOfMemory is part of what a process prints on its standard error before it ends for lack
// of memory, whether watchMemory or Go's runtime ends it.
const OutOfMemory = "out of memory"

// watchMemory ends the process when Go has taken more than limit bytes from the system.
func watchMemory(limit uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > limit {
			fmt.Fprintf(os.Stderr, "fatal error: %s: more than %d MiB\n", OutOfMemory, limit>>20)
			os.Exit(2)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
