package safetensors

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
)

// ChecksumKey is the metadata key under which [Write] stores the checksum of everything else
// in the file. Lengths reveal a file that was cut short; only the checksum reveals one in
// which bytes were changed.
const ChecksumKey = "checksum"

// checksum computes the SHA-256 of all metadata but its own entry, in the order of the keys,
// and then of each tensor's name, shape and content, in the order of the names.
type checksum struct {
	hash.Hash
}

// newChecksum starts the checksum of a file with the given metadata.
func newChecksum(metadata map[string]string) checksum {
	c := checksum{sha256.New()}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key != ChecksumKey {
			fmt.Fprintf(c, "%q %q\n", key, metadata[key])
		}
	}
	return c
}

// begin starts a tensor, whose content is then written to the hash. Tensors come in the
// order of their names.
func (c checksum) begin(name string, shape []int64) {
	fmt.Fprintf(c, "%s %v\n", name, shape)
}

// hex returns the checksum of everything so far, in hexadecimal.
func (c checksum) hex() string { return hex.EncodeToString(c.Sum(nil)) }
