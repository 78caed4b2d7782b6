package grade

import "golang.org/x/sys/unix"

const architecture = unix.AUDIT_ARCH_AARCH64

// architectureCalls are the denied calls that not all architectures have.
var architectureCalls []uint32
