// Package cifar fetches and reads CIFAR-10 and CIFAR-100, small labelled photographs in
// 10 and 100 classes (A. Krizhevsky, Learning Multiple Layers of Features from Tiny
// Images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html).
//
// A [Fetcher] downloads the official binary archive into a cache folder, checks its
// SHA-256 and unpacks it. [Read] reads the unpacked folder, or any other folder with the
// same layout. Only images that have been verified are named CIFAR-10 or CIFAR-100.
//
// Where to find what:
//
//   - cifar.go, classes.go: the two data sets: files, sizes, checksums, class names
//   - fetch.go: downloading into the cache, with package download
//   - unpack.go: unpacking the archive, with checks against hostile ones
//   - read.go: finding and reading a folder
//   - records.go: the record format, read and written
//   - verify.go: what the images may be called
package cifar

import "fmt"

// Kind is one of the two data sets, CIFAR-10 and CIFAR-100.
type Kind int

// The data sets.
const (
	CIFAR10 Kind = iota
	CIFAR100
)

// String returns the data set's name, "CIFAR-10" or "CIFAR-100".
func (k Kind) String() string {
	switch k {
	case CIFAR10:
		return "CIFAR-10"
	case CIFAR100:
		return "CIFAR-100"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

const (
	// Images have side×side pixels in three colour planes.
	side   = 32
	planes = 3
	plane  = side * side // bytes
)

// layout describes a data set: its archive, its files and its records.
type layout struct {
	kind Kind

	// archive is the official file name, url the official address, urlVariable the
	// environment variable that overrides the address, and sum the archive's SHA-256 in
	// hexadecimal.
	archive, url, urlVariable, sum string
	// folder is the archive's top folder; pickled is that of the Python archive.
	folder, pickled string

	// train and test are the record files. Each of train has trainRecords records.
	train                     []string
	test                      string
	trainRecords, testRecords int
	// maxRecords is the most records read from one file; the largest official one has 50,000.
	maxRecords int
	// classNames is the file with one class name per line. unread are other files in the
	// archive that are worth unpacking.
	classNames string
	unread     []string

	// labelClasses is the number of classes for each label byte of a record. The last label
	// is the one that is used.
	labelClasses []int
	// pickles are the file names by which the Python version of the data is recognised.
	pickles []string
}

func layoutOf(kind Kind) (layout, error) {
	switch kind {
	case CIFAR10:
		return layout{
			kind:         CIFAR10,
			archive:      "cifar-10-binary.tar.gz",
			url:          "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
			urlVariable:  "RESIDUAL_CIFAR10_URL",
			sum:          "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
			folder:       "cifar-10-batches-bin",
			pickled:      "cifar-10-batches-py",
			train:        []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
			test:         "test_batch.bin",
			trainRecords: 10_000,
			testRecords:  10_000,
			maxRecords:   100_000,
			classNames:   "batches.meta.txt",
			labelClasses: []int{10},
			pickles:      []string{"data_batch_1", "test_batch"},
		}, nil
	case CIFAR100:
		return layout{
			kind:         CIFAR100,
			archive:      "cifar-100-binary.tar.gz",
			url:          "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
			urlVariable:  "RESIDUAL_CIFAR100_URL",
			sum:          "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
			folder:       "cifar-100-binary",
			pickled:      "cifar-100-python",
			train:        []string{"train.bin"},
			test:         "test.bin",
			trainRecords: 50_000,
			testRecords:  10_000,
			maxRecords:   100_000,
			classNames:   "fine_label_names.txt",
			unread:       []string{"coarse_label_names.txt"},
			labelClasses: []int{20, 100}, // coarse, fine
			pickles:      []string{"train", "test", "meta"},
		}, nil
	}
	return layout{}, fmt.Errorf("%v is not a CIFAR data set, want CIFAR10 or CIFAR100", kind)
}

// layouts returns both layouts, for code that detects the data set from its files.
func layouts() []layout {
	var all []layout
	for _, kind := range []Kind{CIFAR10, CIFAR100} {
		if l, err := layoutOf(kind); err == nil {
			all = append(all, l)
		}
	}
	return all
}

// recordSize returns the number of bytes of a record: its labels, then the red, the green and
// the blue plane.
func (l layout) recordSize() int64 {
	return int64(len(l.labelClasses) + planes*side*side)
}

// classes returns the number of classes.
func (l layout) classes() int { return l.labelClasses[len(l.labelClasses)-1] }

// records returns the names of the record files, the test file last.
func (l layout) records() []string {
	return append(l.train[:len(l.train):len(l.train)], l.test)
}

// officialRecords returns the number of records in the official file with that name.
func (l layout) officialRecords(name string) int {
	if name == l.test {
		return l.testRecords
	}
	return l.trainRecords
}

// pickleError returns the error for the Python version of the data, found at path.
func (l layout) pickleError(path string) error {
	return fmt.Errorf("%s holds %v as Python pickles, which cannot be read; use the binary archive %s from %s", path, l.kind, l.archive, l.url)
}
