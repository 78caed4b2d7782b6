//go:build cgo && !noxla

package cli

// If less address space is allowed (ulimit -v) than Go's runtime takes at its start, it ends with
// pages of stack traces before it runs the first line of Go. So this check is in C, which runs
// earlier. Builds without C cannot have it.

/*
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

// With less, Go's runtime does not always start, measured.
#define LEAST_MEMORY (1360ULL << 20)

static void __attribute__((constructor)) check_limits(void) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	if (limit.rlim_cur < LEAST_MEMORY) {
		dprintf(STDERR_FILENO, "lesson: virtual memory is limited to %llu MiB, at least %llu are needed; raise the limit with: ulimit -v unlimited\n",
			(unsigned long long)limit.rlim_cur >> 20, LEAST_MEMORY >> 20);
		_exit(1);
	}
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1); // glibc would take 128 MiB of addresses for each of Go's threads
#endif
}
*/
import "C"
