package dataset

import (
	"fmt"
	"hash/crc32"
	"strings"
)

// Fingerprint tells whether images are the same ones as before, and roughly what differs if
// they are not. It covers every pixel, every label and the order; it takes about a tenth of
// a second for CIFAR-10's training images. It does not protect against forgery.
type Fingerprint struct {
	// Counts has the number of images of each class, and Sums the sum of their hashes, which
	// does not depend on their order.
	Counts []int  `json:"counts"`
	Sums   []Hash `json:"sums"`
	// Order is a hash of all images and labels in their order.
	Order Hash `json:"order"`
}

// Hash is a hash of 64 bits, in JSON as hexadecimal text: JSON's numbers have only 53.
type Hash uint64

// MarshalText returns the hash in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText parses what MarshalText returns.
func (h *Hash) UnmarshalText(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "%016x", (*uint64)(h)); err != nil {
		return fmt.Errorf("hash %q: %w", text, err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mix spreads the bits of x, as the finalizer of SplitMix64 does.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Fingerprint returns the fingerprint of the images.
func (m *Images) Fingerprint() *Fingerprint {
	f := &Fingerprint{Counts: make([]int, len(m.Classes)), Sums: make([]Hash, len(m.Classes))}
	order := uint64(m.Len())
	for i, label := range m.Labels {
		pixels := m.Image(i)
		// Processors compute these two checksums faster than they read memory.
		hash := mix(uint64(crc32.Checksum(pixels, castagnoli))<<32 | uint64(crc32.ChecksumIEEE(pixels)))
		f.Counts[label]++
		f.Sums[label] += Hash(hash)
		order = mix(order ^ hash + uint64(label))
	}
	f.Order = Hash(order)
	return f
}

// plus returns the counts and sums of the images of both fingerprints; other may be nil.
func (f *Fingerprint) plus(other *Fingerprint) *Fingerprint {
	if other == nil || len(other.Counts) != len(f.Counts) || len(other.Sums) != len(f.Sums) {
		return f
	}
	sum := &Fingerprint{Counts: make([]int, len(f.Counts)), Sums: make([]Hash, len(f.Sums))}
	for i := range f.Counts {
		sum.Counts[i], sum.Sums[i] = f.Counts[i]+other.Counts[i], f.Sums[i]+other.Sums[i]
	}
	return sum
}

// Fingerprints are those of a run's images.
type Fingerprints struct {
	Training *Fingerprint `json:"training"`
	Test     *Fingerprint `json:"test,omitempty"` // nil without test images
}

// Difference says what differs between the images that a run began with, of the given classes,
// and the images now; it returns "" if they are the same. The answer reads as a sentence:
// "class cat has 31 images, not 32". Test images are compared only if there are some on both
// sides.
func (f Fingerprints) Difference(classes []string, now Fingerprints) string {
	test := f.Test != nil && now.Test != nil
	sameTraining, sameTest := f.Training.Order == now.Training.Order, !test || f.Test.Order == now.Test.Order
	if sameTraining && sameTest {
		return ""
	}
	before, after := f.Training, now.Training
	if test {
		before, after = before.plus(f.Test), after.plus(now.Test)
	}
	if len(before.Counts) != len(classes) || len(after.Counts) != len(classes) || len(before.Sums) != len(classes) {
		return "the numbers of classes differ"
	}
	var changes []string
	var from, to []int // classes with fewer and with more images
	var hash Hash
	for i, class := range classes {
		was, is := before.Counts[i], after.Counts[i]
		hash += after.Sums[i] - before.Sums[i]
		switch {
		case was != is:
			changes = append(changes, fmt.Sprintf("class %s has %d images, not %d", class, is, was))
			if is < was {
				from = append(from, i)
			} else {
				to = append(to, i)
			}
		case before.Sums[i] != after.Sums[i]:
			changes = append(changes, fmt.Sprintf("images of class %s were replaced or changed", class))
		}
	}
	switch {
	case len(changes) == 0 && !test:
		return "the images are the same in another order; were files renamed?"
	case len(changes) == 0 && sumsDiffer(f.Training, now.Training):
		return "the images are the same, but others are for training and for evaluation; were files renamed?"
	case len(changes) == 0:
		return "the images are the same in another order; were files renamed?"
	case hash == 0 && len(from) == 1 && len(to) == 1 && len(changes) == 2:
		return fmt.Sprintf("%d of the images moved from class %s to class %s",
			before.Counts[from[0]]-after.Counts[from[0]], classes[from[0]], classes[to[0]])
	case hash == 0 && len(changes) > 1 && len(from)+len(to) == 0:
		return "images moved between classes: " + shortened(changes)
	}
	return shortened(changes)
}

// sumsDiffer reports whether the images differ, in whatever order.
func sumsDiffer(a, b *Fingerprint) bool {
	for i := range a.Sums {
		if a.Sums[i] != b.Sums[i] {
			return true
		}
	}
	return false
}

// shortened joins the first few changes.
func shortened(changes []string) string {
	const shown = 3
	if more := len(changes) - shown; more > 0 {
		changes = append(changes[:shown:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(changes, "; ")
}
