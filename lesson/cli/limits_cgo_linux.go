//go:build cgo && !noxla

package cli

// If the limit on address space (ulimit -v) is below what Go's runtime reserves at the start, the
// runtime crashes with pages of stack traces before it runs any Go code. So this check is in C,
// which runs earlier. Builds without cgo do not have it.

/*
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

// With less, Go's runtime does not always start; this was measured.
#define LEAST_MEMORY (1360ULL << 20)

static void __attribute__((constructor)) check_limits(void) {
	struct rlimit limit;
	if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	if (limit.rlim_cur < LEAST_MEMORY) {
		dprintf(STDERR_FILENO, "lesson: virtual memory is limited to %llu MiB, but at least %llu are needed; raise the limit with: ulimit -v unlimited\n",
			(unsigned long long)limit.rlim_cur >> 20, LEAST_MEMORY >> 20);
		_exit(1);
	}
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1); // otherwise glibc reserves 128 MiB of address space for each of Go's threads
#endif
}
*/
import "C"
