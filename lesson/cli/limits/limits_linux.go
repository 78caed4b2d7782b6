package limits

import "syscall"

// leastFiles is enough for training, which was measured to need 10, and for all other commands
// except grade and serve, which need more the more they do at once.
const leastFiles = 16

func init() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= leastFiles {
		return
	}
	text := "lesson: open files are limited to " + decimal(limit.Cur) + ", but at least " + decimal(leastFiles) +
		" are needed; raise the limit with: ulimit -n 1024\n"
	syscall.Write(syscall.Stderr, []byte(text)) // there is nowhere to report an error
	syscall.Exit(1)
}

// decimal formats n. Package strconv is not imported; see the package comment.
func decimal(n uint64) string {
	var digits []byte
	for ; n > 0 || len(digits) == 0; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
	}
	return string(digits)
}
