package cifar_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/shapes10"
)

// Records can be written and read without CIFAR-10 itself. Here they hold the built-in
// drawings of package shapes10.
func ExampleReadRecords() {
	var file bytes.Buffer
	if err := cifar.WriteRecords(&file, shapes10.Train(20, 42)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.Len(), "bytes")

	pixels, labels, err := cifar.ReadRecords(&file, cifar.CIFAR10, "my records")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(labels), "images,", len(pixels), "bytes of pixels")
	fmt.Println("the first is of class", labels[0])
	// Output:
	// 61460 bytes
	// 20 images, 61440 bytes of pixels
	// the first is of class 3
}

// A folder with the files of the binary version is read as one data set. It is called
// CIFAR-10 only if the files are verified.
func ExampleRead() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	folder := filepath.Join(dir, "drawings")
	if err := os.Mkdir(folder, 0o755); err != nil {
		fmt.Println(err)
		return
	}
	for i, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		var file bytes.Buffer
		if err := cifar.WriteRecords(&file, shapes10.Train(10, uint64(i))); err != nil {
			fmt.Println(err)
			return
		}
		if err := os.WriteFile(filepath.Join(folder, name+".bin"), file.Bytes(), 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}

	training, test, err := cifar.Read(folder)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(training.Len(), "training and", test.Len(), "test images")
	fmt.Println(training.Name)
	// Output:
	// 50 training and 10 test images
	// images in drawings (CIFAR-10 layout)
}

// This downloads CIFAR-10 (170 MB) into the cache, unless it is already there.
func ExampleFetcher() {
	fetcher := &cifar.Fetcher{Progress: func(done, total int64) {
		fmt.Printf("\r%d of %d bytes", done, total)
	}}
	dir, err := fetcher.Fetch(context.Background(), cifar.CIFAR10)
	if err != nil {
		fmt.Println(err)
		return
	}
	training, test, err := cifar.Read(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(training.Name, training.Len(), test.Len())
}
