package cifar

import (
	"bytes"
	"errors"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/shapes10"
)

func TestWriteRecords(t *testing.T) {
	m := shapes10.Train(12, 9)
	var file bytes.Buffer
	if err := WriteRecords(&file, m); err != nil {
		t.Fatal(err)
	}
	const size = 1 + 3*1024
	if file.Len() != 12*size {
		t.Fatalf("%d bytes, want %d", file.Len(), 12*size)
	}
	for i := range m.Len() {
		record := file.Next(size)
		if record[0] != byte(m.Labels[i]) {
			t.Errorf("record %d has label %d, want %d", i, record[0], m.Labels[i])
		}
		planes, pixels := record[1:], m.Image(i)
		for y := range 32 {
			for x := range 32 {
				for k := range 3 {
					got, want := planes[k*1024+y*32+x], pixels[(y*32+x)*3+k]
					if got != want {
						t.Fatalf("record %d, row %d, column %d, colour %d: %d, want %d", i, y, x, k, got, want)
					}
				}
			}
		}
	}
}

func TestWriteRecordsRefuses(t *testing.T) {
	for name, m := range map[string]*dataset.Images{
		"another size": {Name: "small", Classes: []string{"a"}, Height: 1, Width: 1, Pixels: make([]byte, 3), Labels: []int32{0}},
		"a bad label":  {Name: "bad", Classes: []string{"a"}, Height: 32, Width: 32, Pixels: make([]byte, 3072), Labels: []int32{1}},
		"300 classes":  {Name: "many", Classes: make([]string, 300), Height: 32, Width: 32, Pixels: make([]byte, 3072), Labels: []int32{299}},
	} {
		var file bytes.Buffer
		if err := WriteRecords(&file, m); err == nil || file.Len() > 0 {
			t.Errorf("%s: error %v and %d bytes, want an error and no bytes", name, err, file.Len())
		}
	}
}

// full is a writer to a full disk.
type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteRecordsReportsTheWriter(t *testing.T) {
	for _, n := range []int{1, 10} {
		if err := WriteRecords(full{}, shapes10.Train(n, 1)); !errors.Is(err, errFull) {
			t.Errorf("%d images: error %v, want %v", n, err, errFull)
		}
	}
}
