package imagefolder

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"

	"golang.org/x/text/unicode/norm"
)

// heldOut is the share of each class that is held out for validation if the folder does not
// come with a split of its own.
const heldOut = 0.2

// split returns the indices of the files of each part, and of those that could not be
// decoded, each shuffled by the seed. If holdOut, files to train on are held out for
// validation.
func split(dir string, l *listing, failures []error, seed uint64, holdOut bool) (parts [all + 1][]int, rest []int) {
	quota := make([]int, len(l.classes))
	if holdOut {
		good := make([]int, len(l.classes))
		for i, file := range l.files {
			if failures[i] == nil && file.part == training {
				good[file.class]++
			}
		}
		for class, n := range good {
			// At least one on each side, if there are two.
			quota[class] = min(max(1, int(math.Round(heldOut*float64(n)))), n-1)
		}
	}
	for _, i := range order(dir, l.files, seed) {
		file := l.files[i]
		switch {
		case failures[i] != nil:
			rest = append(rest, i)
		case file.part == training && quota[file.class] > 0:
			quota[file.class]--
			parts[validation] = append(parts[validation], i)
		default:
			parts[file.part] = append(parts[file.part], i)
		}
	}
	return parts, rest
}

// order returns the indices of the files in a pseudo-random order: sorted by a hash of the
// seed and each file's path in dir. Unlike a shuffle, it keeps the other files in place when
// one is added or removed later, so that few training images become validation images. Names
// that differ only in their Unicode form hash alike.
func order(dir string, files []file, seed uint64) []int {
	keys := make([][sha256.Size]byte, len(files))
	order := make([]int, len(files))
	for i, file := range files {
		path, err := filepath.Rel(dir, file.path)
		if err != nil { // cannot happen: the path is in dir
			path = file.path
		}
		text := binary.LittleEndian.AppendUint64(nil, seed)
		keys[i] = sha256.Sum256(append(text, norm.NFC.String(filepath.ToSlash(path))...))
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return bytes.Compare(keys[i][:], keys[j][:]) })
	return order
}

// arrange permutes records in place, so that record i becomes what was record order[i].
func arrange(records []byte, size int, order []int) {
	record := func(i int) []byte { return records[i*size : (i+1)*size] }
	spare := make([]byte, size)
	placed := make([]bool, len(order))
	for start := range order {
		if placed[start] {
			continue
		}
		copy(spare, record(start))
		i := start
		for ; order[i] != start; i = order[i] {
			copy(record(i), record(order[i]))
			placed[i] = true
		}
		copy(record(i), spare)
		placed[i] = true
	}
}
