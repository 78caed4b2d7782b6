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

// decode decodes the files, each into its place in pixels, and returns for each why that was
// not possible; nil if it was. The error is that of a cancelled context.
func (o Options) decode(ctx context.Context, files []file, pixels []byte) (refusals []error, err error) {
	size := len(pixels) / max(1, len(files))
	refusals = make([]error, len(files))
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
	for range o.Workers {
		workers.Go(func() {
			for i := range jobs {
				refusals[i] = o.decodeFile(files[i].path, pixels[i*size:(i+1)*size])
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
	return refusals, nil
}

func (o Options) decodeFile(path string, pixels []byte) error {
	file, err := os.Open(path)
	if err != nil {
		return unreadable(err)
	}
	defer file.Close()
	decoded, err := picture.Decode(file, o.Limits)
	if err != nil {
		return err
	}
	copy(pixels, o.Transform.Apply(decoded))
	return nil
}

// unreadable is a system's error, less its path, as what continues a sentence that begins
// with the path.
func unreadable(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}
