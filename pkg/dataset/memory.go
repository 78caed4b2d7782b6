package dataset

import "fmt"

// MemoryError says that images would take more memory than is allowed.
type MemoryError struct {
	// Images of Height×Width pixels were asked for.
	Images, Height, Width int
	// Limit is the number of bytes allowed.
	Limit int64
}

func (e *MemoryError) Error() string {
	const gib = 1 << 30
	return fmt.Sprintf("%d images of %d×%d pixels take %.2f GiB of memory, more than the %.2f GiB allowed",
		e.Images, e.Height, e.Width, float64(e.bytes())/gib, float64(e.Limit)/gib)
}

func (e *MemoryError) bytes() int64 {
	return int64(e.Images) * int64(e.Height) * int64(e.Width) * 3
}

// CheckMemory returns a [*MemoryError] if that many images take more than limit bytes.
func CheckMemory(images, height, width int, limit int64) error {
	if e := (&MemoryError{images, height, width, limit}); e.bytes() > limit {
		return e
	}
	return nil
}
