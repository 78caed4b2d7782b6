package cifar

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/residual-go/residual/pkg/dataset"
)

// WriteRecords writes images of 32×32 pixels as CIFAR-10 records, for programs that read the
// binary version of CIFAR-10. A record is one byte for the label, then 1,024 bytes for the red
// plane, row by row, 1,024 for the green one and 1,024 for the blue one. The format has no
// place for the name of the data set: other images do not become CIFAR-10 by being written
// this way.
func WriteRecords(w io.Writer, m *dataset.Images) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if m.Height != side || m.Width != side || len(m.Classes) > 256 {
		return fmt.Errorf("%s: %d×%d pixels and %d classes do not fit the record format, want %d×%d and at most 256",
			m.Name, m.Height, m.Width, len(m.Classes), side, side)
	}
	var record [1 + planes*plane]byte
	out := bufio.NewWriter(w)
	for i, label := range m.Labels {
		record[0] = byte(label)
		for j, v := range m.Image(i) {
			record[1+j%planes*plane+j/planes] = v
		}
		if _, err := out.Write(record[:]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// ReadRecords reads all records of r. It returns the pixels, [n, 32, 32, 3] in the order red,
// green, blue, and the labels, [n]. CIFAR-100 has two labels per record, of which the fine one
// is returned.
//
// file is the name to use in errors. It is an error if there is no record, if the last one is
// cut short, if a label is out of range, and if there are more than 100,000 records.
func ReadRecords(r io.Reader, kind Kind, file string) (pixels []byte, labels []int32, err error) {
	l, err := layoutOf(kind)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return l.appendRecords(nil, nil, r, file)
}

// appendRecords appends the records of r to pixels and labels. With an error it returns nil
// slices.
func (l layout) appendRecords(pixels []byte, labels []int32, r io.Reader, file string) ([]byte, []int32, error) {
	buffered := bufio.NewReaderSize(r, 1<<18)
	record := make([]byte, l.recordSize())
	for n := 0; ; n++ {
		got, err := io.ReadFull(buffered, record)
		switch {
		case err == io.EOF && n == 0:
			return nil, nil, fmt.Errorf("%s: empty, want at least one record of %d bytes; fetch or copy the file again", file, len(record))
		case err == io.EOF:
			return pixels, labels, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, nil, fmt.Errorf("%s: record %d (from 0) is cut short after %d of %d bytes; fetch or copy the file again", file, n, got, len(record))
		case err != nil:
			return nil, nil, fmt.Errorf("%s: read record %d (from 0): %w", file, n, err)
		case n == l.maxRecords:
			return nil, nil, l.tooManyError(file)
		}
		for i, classes := range l.labelClasses {
			if int(record[i]) >= classes {
				return nil, nil, fmt.Errorf("%s: record %d (from 0) has label %d, want 0 to %d; is this a file of %v?", file, n, record[i], classes-1, l.kind)
			}
		}
		body := record[len(l.labelClasses):]
		labels = append(labels, int32(record[len(l.labelClasses)-1]))
		red, green, blue := body[:plane], body[plane:2*plane], body[2*plane:]
		pixels = slices.Grow(pixels, len(body))
		for i := range red {
			pixels = append(pixels, red[i], green[i], blue[i])
		}
	}
}

func (l layout) tooManyError(file string) error {
	return fmt.Errorf("%s: more than %d records of %d bytes, too many for a file of %v", file, l.maxRecords, l.recordSize(), l.kind)
}
