package cache

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

func secondLevel() int { return largest(os.DirFS("/sys/devices/system/cpu")) }

// largest returns the largest share of a second-level cache that any core has. Fast cores have at least
// as large a share as slow ones.
func largest(cpus fs.FS) int {
	caches, err := fs.Glob(cpus, "cpu[0-9]*/cache/index[0-9]*")
	if err != nil {
		return 0
	}
	best := 0
	for _, dir := range caches {
		read := func(name string) string {
			text, err := fs.ReadFile(cpus, path.Join(dir, name))
			if err != nil {
				return ""
			}
			return strings.TrimSpace(string(text))
		}
		if read("level") == "2" {
			best = max(best, size(read("size"))/sharing(read("shared_cpu_list")))
		}
	}
	return best
}

// size parses a size such as 512K or 2M. It returns 0 for anything else.
func size(text string) int {
	unit := 1
	if digits, ok := strings.CutSuffix(text, "K"); ok {
		text, unit = digits, 1<<10
	} else if digits, ok := strings.CutSuffix(text, "M"); ok {
		text, unit = digits, 1<<20
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<20 {
		return 0
	}
	return n * unit
}

// sharing returns the number of processors in a list such as 0-3,8, at least 1. The two threads of a core
// count separately, because both use the cache.
func sharing(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		n += max(0, last-first+1)
	}
	return max(1, n)
}
