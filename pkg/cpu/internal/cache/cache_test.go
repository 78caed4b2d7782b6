package cache

import (
	"encoding/binary"
	"errors"
	"testing"
)

func TestSysctl(t *testing.T) {
	long := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	short := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	for _, test := range []struct {
		name   string
		values map[string][]byte
		want   int
	}{
		{"nothing", nil, 0},
		{"fast cores share 12 MB", map[string][]byte{
			"hw.perflevel0.l2cachesize": short(12 << 20), "hw.perflevel0.cpusperl2": short(4),
			"hw.perflevel1.l2cachesize": short(4 << 20), "hw.perflevel1.cpusperl2": short(4), "hw.l2cachesize": long(4 << 20),
		}, 3 << 20},
		{"a processor of Intel", map[string][]byte{"hw.l2cachesize": long(256 << 10)}, 256 << 10},
		{"nobody shares", map[string][]byte{"hw.perflevel0.l2cachesize": short(1 << 20), "hw.perflevel0.cpusperl2": short(0)}, 0},
		{"nonsense", map[string][]byte{"hw.l2cachesize": []byte("12")}, 0},
	} {
		got := sysctl(func(name string) ([]byte, error) {
			if value, ok := test.values[name]; ok {
				return value, nil
			}
			return nil, errors.New("unknown variable")
		})
		if got != test.want {
			t.Errorf("%s: %d bytes, want %d", test.name, got, test.want)
		}
	}
}

func TestSecondLevel(t *testing.T) {
	if n := SecondLevel(); n != 0 && (n < 16<<10 || n > 1<<30) {
		t.Errorf("a core has %d bytes of second-level cache", n)
	}
	t.Logf("%d bytes", SecondLevel())
}
