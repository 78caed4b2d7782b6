package statedict

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/nlpodyssey/safetensors"
)

// ChecksumKey is the metadata entry with the checksum of all else: a file that was cut short
// is found by its lengths, one in which bytes were changed only by this.
const ChecksumKey = "checksum"

// Checksum computes the checksum of a file as [Dict.Save] writes it, the SHA-256 of all
// metadata but its own, and of all names, shapes and contents, each in the order of the names.
type Checksum struct {
	hash hash.Hash
}

// NewChecksum begins the checksum of a file with the given metadata.
func NewChecksum(metadata map[string]string) Checksum {
	c := Checksum{sha256.New()}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key != ChecksumKey {
			fmt.Fprintf(c.hash, "%q %q\n", key, metadata[key])
		}
	}
	return c
}

// Add adds a tensor with its content in the file. Tensors are added in the order of their names.
func (c Checksum) Add(name string, shape []uint64, content []byte) {
	fmt.Fprintf(c.hash, "%s %v\n", name, shape)
	c.hash.Write(content)
}

// Sum returns the checksum of what was added, in hexadecimal.
func (c Checksum) Sum() string { return hex.EncodeToString(c.hash.Sum(nil)) }

// checksum returns the checksum of a whole file.
func checksum(views map[string]safetensors.TensorView, metadata map[string]string) string {
	c := NewChecksum(metadata)
	for _, name := range slices.Sorted(maps.Keys(views)) {
		c.Add(name, views[name].Shape(), views[name].Data())
	}
	return c.Sum()
}
