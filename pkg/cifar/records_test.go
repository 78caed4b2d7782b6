package cifar

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadRecords(t *testing.T) {
	for _, kind := range []Kind{CIFAR10, CIFAR100} {
		l := mustLayout(t, kind)
		content := append(record(l, 3), record(l, 8)...)
		// One byte at a time: how the bytes arrive must not matter.
		pixels, labels, err := ReadRecords(iotest.OneByteReader(bytes.NewReader(content)), kind, "f")
		if err != nil {
			t.Fatal(err)
		}
		if len(labels) != 2 || labels[0] != 3 || labels[1] != 8 {
			t.Errorf("%v: labels %v, want [3 8]", kind, labels)
		}
		if len(pixels) != 2*side*side*planes {
			t.Fatalf("%v: %d bytes of pixels", kind, len(pixels))
		}
		at := (side*side + 5*side + 7) * planes // image 1, row 5, column 7
		if got := [3]byte(pixels[at:]); got != [3]byte{5, 7, 8} {
			t.Errorf("%v: pixel %v, want [5 7 8]", kind, got)
		}
	}
}

func TestReadRecordsErrors(t *testing.T) {
	ten, hundred := mustLayout(t, CIFAR10), mustLayout(t, CIFAR100)
	coarse := record(hundred, 0)
	coarse[0] = 20
	broken := errors.New("broken disk")
	for name, test := range map[string]struct {
		r    io.Reader
		kind Kind
		want []string
	}{
		"empty":       {bytes.NewReader(nil), CIFAR10, []string{"f.bin", "empty"}},
		"cut short":   {bytes.NewReader(append(record(ten, 0), 1, 2)), CIFAR10, []string{"f.bin", "record 1", "after 2 of 3073"}},
		"label":       {bytes.NewReader(append(record(ten, 0), record(ten, 10)...)), CIFAR10, []string{"f.bin", "record 1", "label 10", "0 to 9"}},
		"fine label":  {bytes.NewReader(record(hundred, 100)), CIFAR100, []string{"f.bin", "record 0", "label 100", "0 to 99"}},
		"coarse":      {bytes.NewReader(coarse), CIFAR100, []string{"f.bin", "label 20", "0 to 19"}},
		"read error":  {iotest.ErrReader(broken), CIFAR10, []string{"f.bin", "record 0", "broken disk"}},
		"no such set": {bytes.NewReader(nil), Kind(7), []string{"f.bin", "Kind(7)"}},
	} {
		t.Run(name, func(t *testing.T) {
			pixels, labels, err := ReadRecords(test.r, test.kind, "f.bin")
			wantError(t, err, test.want...)
			if pixels != nil || labels != nil {
				t.Error("images were returned along with an error")
			}
		})
	}
}

func TestReadRecordsIsBounded(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	l.maxRecords = 2
	content := bytes.Repeat(record(l, 1), 3)
	if _, labels, err := l.appendRecords(nil, nil, bytes.NewReader(content[:2*l.recordSize()]), "f"); err != nil || len(labels) != 2 {
		t.Errorf("the maximum number of records: %d labels, %v", len(labels), err)
	}
	_, _, err := l.appendRecords(nil, nil, bytes.NewReader(content), "f.bin")
	wantError(t, err, "f.bin", "more than 2 records")
}

func FuzzRecords(f *testing.F) {
	ten, hundred := mustLayout(f, CIFAR10), mustLayout(f, CIFAR100)
	f.Add([]byte(nil), false)
	f.Add(record(ten, 9), false)
	f.Add(append(record(hundred, 99), record(hundred, 0)...), true)
	f.Add(record(hundred, 100), true)
	f.Add(record(ten, 3)[:3000], false)
	f.Fuzz(func(t *testing.T, content []byte, fine bool) {
		kind := CIFAR10
		if fine {
			kind = CIFAR100
		}
		l := mustLayout(t, kind)
		pixels, labels, err := ReadRecords(bytes.NewReader(content), kind, "f")
		if err != nil {
			return
		}
		if int64(len(content)) != int64(len(labels))*l.recordSize() || len(pixels) != len(labels)*side*side*planes {
			t.Fatalf("%d bytes gave %d labels and %d bytes of pixels", len(content), len(labels), len(pixels))
		}
		for i, label := range labels {
			r := content[int64(i)*l.recordSize():][:l.recordSize()]
			body := r[len(l.labelClasses):]
			if label != int32(r[len(l.labelClasses)-1]) || int(label) >= l.classes() {
				t.Fatalf("record %d: label %d", i, label)
			}
			for p := range side * side {
				got := [3]byte(pixels[(i*side*side+p)*planes:])
				if got != [3]byte{body[p], body[side*side+p], body[2*side*side+p]} {
					t.Fatalf("record %d, pixel %d: %v", i, p, got)
				}
			}
		}
	})
}
