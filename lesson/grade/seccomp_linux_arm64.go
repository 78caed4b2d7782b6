package grade

import "golang.org/x/sys/unix"

const architecture = unix.AUDIT_ARCH_AARCH64

// architectureCalls are denied calls that other architectures do not have.
var architectureCalls []uint32
