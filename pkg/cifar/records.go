package cifar

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ReadRecords reads a file of records of kind to its end. It returns the pixels as
// [n, 32, 32, 3] in the order red, green, blue, and the n labels; of the two labels of
// CIFAR-100 the fine one.
//
// file is the name to use in errors. No record at all, a last record that is cut short,
// a label that is out of range and more than 100,000 records are errors.
func ReadRecords(r io.Reader, kind Kind, file string) (pixels []byte, labels []int32, err error) {
	l, err := layoutOf(kind)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return l.appendRecords(nil, nil, r, file)
}

// appendRecords appends the records of r to pixels and labels. It returns nil slices
// with an error.
func (l layout) appendRecords(pixels []byte, labels []int32, r io.Reader, file string) ([]byte, []int32, error) {
	const plane = side * side
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
