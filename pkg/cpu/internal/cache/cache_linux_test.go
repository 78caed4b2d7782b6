package cache

import (
	"testing"
	"testing/fstest"
)

// cores returns a file tree like that of /sys/devices/system/cpu.
func cores(files map[string]string) fstest.MapFS {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return tree
}

func TestLargest(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int
	}{
		{"no caches", nil, 0},
		{"two threads of a core", map[string]string{
			"cpu0/cache/index0/level": "1", "cpu0/cache/index0/size": "32K", "cpu0/cache/index0/shared_cpu_list": "0,8",
			"cpu0/cache/index2/level": "2", "cpu0/cache/index2/size": "1024K", "cpu0/cache/index2/shared_cpu_list": "0,8",
			"cpu0/cache/index3/level": "3", "cpu0/cache/index3/size": "32768K", "cpu0/cache/index3/shared_cpu_list": "0-15",
		}, 512 << 10},
		{"slow and fast cores", map[string]string{
			"cpu0/cache/index2/level": "2", "cpu0/cache/index2/size": "4M", "cpu0/cache/index2/shared_cpu_list": "0-3",
			"cpu10/cache/index2/level": "2", "cpu10/cache/index2/size": "12M", "cpu10/cache/index2/shared_cpu_list": "10-11,12,13",
			"cpufreq/boost": "1",
		}, 3 << 20},
		{"a virtual machine that does not say who shares", map[string]string{
			"cpu0/cache/index2/level": "2", "cpu0/cache/index2/size": "2048K",
		}, 2 << 20},
		{"nonsense", map[string]string{
			"cpu0/cache/index2/level": "2", "cpu0/cache/index2/size": "-5K", "cpu0/cache/index2/shared_cpu_list": "9-1,x",
			"cpu1/cache/index2/level": "2", "cpu1/cache/index2/size": "99999999999M", "cpu1/cache/index2/shared_cpu_list": "0",
		}, 0},
	} {
		if got := largest(cores(test.files)); got != test.want {
			t.Errorf("%s: %d bytes, want %d", test.name, got, test.want)
		}
	}
}
