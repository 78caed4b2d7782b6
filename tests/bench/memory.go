package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// peakMiB returns the most resident memory that this process has had, in MiB; 0 where the
// system does not say.
func peakMiB() float64 {
	// Not getrusage first: Linux starts its maximum with that of the process's parent.
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if kib, ok := highWater(string(status)); ok {
			return kib / 1024
		}
	}
	return maxResidentMiB()
}

// highWater finds VmHWM, in KiB, in Linux's /proc/self/status.
func highWater(status string) (kib float64, ok bool) {
	lines := bufio.NewScanner(strings.NewReader(status))
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "VmHWM: %f kB", &kib); err == nil {
			return kib, true
		}
	}
	return 0, false
}
