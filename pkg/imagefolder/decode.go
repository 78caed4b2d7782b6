package imagefolder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/residual-go/residual/pkg/picture"
)

// decode decodes and resizes the files, each into its place in pixels, and notes in them whether
// they have several frames. failures has an entry
// for each file: why it could not be decoded, or nil. The only error is that of a cancelled
// context.
func (o Options) decode(ctx context.Context, files []file, pixels []byte) (failures []error, err error) {
	size := len(pixels) / max(1, len(files))
	failures = make([]error, len(files))
	jobs, done := make(chan int), make(chan struct{})
	go func() {
		defer close(jobs)
		for i := range files {
			select {
			case jobs <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range o.workers {
		workers.Go(func() {
			for i := range jobs {
				failures[i] = o.decodeFile(files[i].path, pixels[i*size:(i+1)*size], &files[i].frames)
				done <- struct{}{}
			}
		})
	}
	go func() {
		workers.Wait()
		close(done)
	}()
	n := 0
	for range done {
		n++
		if o.Progress != nil {
			o.Progress(n, len(files))
		}
	}
	if n < len(files) {
		return nil, context.Cause(ctx)
	}
	return failures, nil
}

func (o Options) decodeFile(path string, pixels []byte, frames *bool) error {
	file, err := os.Open(path)
	if err != nil {
		return unreadable(err)
	}
	defer file.Close()
	decoded, more, err := picture.DecodeFrame(file, picture.Limits{})
	if err != nil {
		return err
	}
	*frames = more
	copy(pixels, o.Transform.Apply(decoded))
	return nil
}

// unreadable turns an error of the system into the end of a sentence that begins with the path.
func unreadable(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}
