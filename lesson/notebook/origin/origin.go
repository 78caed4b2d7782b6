// Package origin marks PNG files that are translations of others: a figure with Chinese words has the
// checksum of the English one. So a program that finds the two in different places knows that they belong
// together, and notices when one of them has been redrawn.
package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
)

// keyword is the one of the text chunk with the mark (PNG specification, 11.3.4.3).
const keyword = "Translation-Of"

const signature = "\x89PNG\r\n\x1a\n"

// Sum returns the checksum of a file, as marks have it.
func Sum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Mark returns a PNG file with a mark that says which file it is a translation of.
func Mark(png, original []byte) ([]byte, error) {
	chunks, err := split(png)
	if err != nil {
		return nil, err
	}
	text := []byte(keyword + "\x00" + Sum(original))
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	chunk = append(append(chunk, "tEXt"...), text...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	// After the header, which must come first.
	return bytes.Join([][]byte{[]byte(signature), chunks[0], chunk, bytes.Join(chunks[1:], nil)}, nil), nil
}

// Of returns the checksum in the mark of a PNG file, or "" if it has none.
func Of(png []byte) string {
	chunks, err := split(png)
	if err != nil {
		return ""
	}
	for _, chunk := range chunks {
		if sum, found := bytes.CutPrefix(chunk[8:len(chunk)-4], []byte(keyword+"\x00")); found && string(chunk[4:8]) == "tEXt" {
			return string(sum)
		}
	}
	return ""
}

// split returns the chunks of a PNG file, each with its length, type and checksum.
func split(png []byte) ([][]byte, error) {
	rest, ok := bytes.CutPrefix(png, []byte(signature))
	if !ok {
		return nil, errors.New("not a PNG file")
	}
	var chunks [][]byte
	for len(rest) > 0 {
		if len(rest) < 12 || uint64(binary.BigEndian.Uint32(rest))+12 > uint64(len(rest)) {
			return nil, errors.New("a PNG file that ends too early")
		}
		end := int(binary.BigEndian.Uint32(rest)) + 12
		chunks, rest = append(chunks, rest[:end]), rest[end:]
	}
	if len(chunks) == 0 {
		return nil, errors.New("a PNG file without content")
	}
	return chunks, nil
}
