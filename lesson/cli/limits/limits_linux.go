package limits

import "syscall"

// leastFiles is enough for training, which needs 10, measured, and for all commands but grade and
// serve, whose need depends on their work.
const leastFiles = 16

func init() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= leastFiles {
		return
	}
	text := "lesson: open files are limited to " + decimal(limit.Cur) + ", at least " + decimal(leastFiles) +
		" are needed; raise the limit with: ulimit -n 1024\n"
	syscall.Write(syscall.Stderr, []byte(text)) // nobody is left to tell of an error
	syscall.Exit(1)
}

// decimal returns n in digits.
func decimal(n uint64) string {
	var digits []byte
	for ; n > 0 || len(digits) == 0; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
	}
	return string(digits)
}
