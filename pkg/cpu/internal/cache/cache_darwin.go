package cache

import "golang.org/x/sys/unix"

func secondLevel() int {
	return sysctl(func(name string) ([]byte, error) { return unix.SysctlRaw(name) })
}
