package shapes10

import (
	"bufio"
	"fmt"
	"io"

	"github.com/residual-go/residual/pkg/dataset"
)

// WriteRecords writes images of 32×32 pixels in the record layout of CIFAR-10's binary
// version, for programs that read that: for each image one byte of label, then 1,024
// bytes of red, row by row, 1,024 of green and 1,024 of blue. The layout has no place for
// the name of the set; a file so written is still not CIFAR-10.
func WriteRecords(w io.Writer, m *dataset.Images) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if m.Height != Side || m.Width != Side || len(m.Classes) > 256 {
		return fmt.Errorf("%s: %d×%d pixels and %d classes do not fit the record layout, want %d×%d and at most 256",
			m.Name, m.Height, m.Width, len(m.Classes), Side, Side)
	}
	const plane = Side * Side
	var record [1 + 3*plane]byte
	out := bufio.NewWriter(w)
	for i, label := range m.Labels {
		record[0] = byte(label)
		for j, v := range m.Image(i) {
			record[1+j%3*plane+j/3] = v
		}
		if _, err := out.Write(record[:]); err != nil {
			return err
		}
	}
	return out.Flush()
}
