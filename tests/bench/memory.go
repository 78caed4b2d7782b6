package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// peakMiB returns the largest resident memory of this process so far, in MiB, or 0 if it is unknown.
func peakMiB() float64 {
	// Not getrusage first: on Linux its maximum starts with that of the parent process.
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if kib, ok := highWater(string(status)); ok {
			return kib / 1024
		}
	}
	return maxResidentMiB()
}

// highWater returns VmHWM, in KiB, from the text of Linux's /proc/self/status.
func highWater(status string) (kib float64, ok bool) {
	lines := bufio.NewScanner(strings.NewReader(status))
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "VmHWM: %f kB", &kib); err == nil {
			return kib, true
		}
	}
	return 0, false
}
