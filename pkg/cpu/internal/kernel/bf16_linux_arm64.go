package kernel

import "golang.org/x/sys/unix"

// hasBF16 reports whether the processor has the BF16 instructions. Package golang.org/x/sys/cpu does not
// report that.
func hasBF16() bool {
	const hwcap2, bf16 = 26, 1 << 14 // AT_HWCAP2 and HWCAP2_BF16
	pairs, err := unix.Auxv()
	if err != nil {
		return false
	}
	for _, p := range pairs {
		if p[0] == hwcap2 {
			return p[1]&bf16 != 0
		}
	}
	return false
}
