package cli

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/residual-go/residual/lesson/words"
)

func TestWatchMemory(t *testing.T) {
	for _, test := range []struct{ written, want string }{
		{"", ""},
		{"a warning\nwithout an end", "a warning\nwithout an end"},
		{"panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n", "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n"},
		{"fatal error: concurrent map writes\n", "fatal error: concurrent map writes\n"},
		{"a warning\nruntime: out of memory: cannot allocate 4194304-byte block (0 in use)\nfatal error: out of memory\n\ngoroutine 1\n",
			"a warning\nlesson: out of memory: virtual memory is limited to 1500 MiB; raise the limit with: ulimit -v unlimited\n"},
		{"runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\n",
			"lesson: out of memory: virtual memory is limited to 1500 MiB; raise the limit with: ulimit -v unlimited\n"},
	} {
		var got strings.Builder
		if err := watchMemory(strings.NewReader(test.written), &got, 1500<<20); err != nil || got.String() != test.want {
			t.Errorf("of %q became %q, %v, want %q", test.written, got.String(), err, test.want)
		}
	}
}

func TestLimitAdvice(t *testing.T) {
	err := fmt.Errorf("open images: %w", syscall.EMFILE)
	if got, want := Message(words.English, err), "open images: too many open files; raise the limit on open files with: ulimit -n 1024"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Message(words.English, errors.New("no advice")); got != "no advice" {
		t.Errorf("got %q", got)
	}
}
