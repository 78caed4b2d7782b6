//go:build cgo && !noxla

package cli

// Under a tight limit on address space or on open files, Go's runtime ends with pages of stack
// traces, often before it runs the first line of Go. So the check is in C, which runs earlier.

/*
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

// What the smallest training runs need, measured: with less the runtime fails.
#define LEAST_MEMORY (1920ULL << 20)
#define LEAST_FILES 32

static void __attribute__((constructor)) check_limits(void) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < LEAST_MEMORY) {
		dprintf(STDERR_FILENO, "lesson: virtual memory is limited to %llu MiB, at least %llu are needed; raise the limit with: ulimit -v unlimited\n",
			(unsigned long long)limit.rlim_cur >> 20, LEAST_MEMORY >> 20);
		_exit(1);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < LEAST_FILES) {
		dprintf(STDERR_FILENO, "lesson: open files are limited to %llu, at least %d are needed; raise the limit with: ulimit -n 1024\n",
			(unsigned long long)limit.rlim_cur, LEAST_FILES);
		_exit(1);
	}
}
*/
import "C"
