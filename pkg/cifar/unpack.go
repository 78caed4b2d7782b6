package cifar

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/residual-go/residual/pkg/atomicfile"
)

// unpackSlack is how many bytes an archive may hold besides the files that are unpacked:
// headers, padding, a read-me.
const unpackSlack = 1 << 20

// required returns the names of the files that an archive must have.
func (l layout) required() []string { return append(l.records(), l.classNames) }

// wanted returns the names of the files that are unpacked.
func (l layout) wanted() []string { return append(l.required(), l.unread...) }

// maxSize returns the maximum size of the file with that name in an archive, in bytes.
func (l layout) maxSize(name string) int64 {
	if slices.Contains(l.records(), name) {
		return int64(l.officialRecords(name)) * l.recordSize()
	}
	return maxText
}

// maxUnpacked returns the maximum size of a decompressed archive, in bytes.
func (l layout) maxUnpacked() int64 {
	total := int64(unpackSlack)
	for _, name := range l.wanted() {
		total += l.maxSize(name)
	}
	return total
}

// unpackFile unpacks the archive at path; see unpack.
func (l layout) unpackFile(ctx context.Context, path, dir string) ([]markedFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	defer file.Close()
	files, err := l.unpack(ctx, file, dir)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return files, nil
}

// unpack writes the wanted files of the tar.gz archive r into dir, an empty folder, and
// returns what it wrote. File names come from the layout, never from the archive. Other
// regular files in the archive are ignored. Links, special files, paths that leave the archive's
// folder, duplicate files and more bytes than the official archive has are errors.
func (l layout) unpack(ctx context.Context, r io.Reader, dir string) ([]markedFile, error) {
	unzipped, err := gzip.NewReader(bufio.NewReaderSize(contextReader{ctx, r}, 1<<18))
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("not a gzip file: %w", err)
	}
	bounded := &io.LimitedReader{R: unzipped, N: l.maxUnpacked()}
	files, err := l.unpackTar(tar.NewReader(bounded), bounded, dir)
	if err == nil {
		// The checksum of gzip comes after the last entry.
		_, err = io.Copy(io.Discard, bounded)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.N == 0:
		return nil, fmt.Errorf("more than %d bytes when unpacked; this is not an archive of %v", l.maxUnpacked(), l.kind)
	case err != nil:
		return nil, err
	}
	for _, name := range l.required() {
		if !slices.ContainsFunc(files, func(f markedFile) bool { return f.Name == name }) {
			return nil, fmt.Errorf("no %s/%s in the archive; this is not an archive of %v", l.folder, name, l.kind)
		}
	}
	return files, nil
}

func (l layout) unpackTar(archive *tar.Reader, bounded *io.LimitedReader, dir string) ([]markedFile, error) {
	var files []markedFile
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("damaged archive: %w", err)
		}
		if err := l.checkEntry(header); err != nil {
			return nil, err
		}
		folder, name := path.Split(path.Clean(header.Name))
		wanted := header.Typeflag == tar.TypeReg && folder == l.folder+"/" && slices.Contains(l.wanted(), name)
		switch {
		case !wanted && header.Size > bounded.N:
			// Refused now rather than after decompressing it up to the bound.
			return nil, fmt.Errorf("entry %q of %d bytes is too large", header.Name, header.Size)
		case !wanted:
			continue
		case header.Size > l.maxSize(name):
			return nil, fmt.Errorf("entry %q of %d bytes is too large, want at most %d", header.Name, header.Size, l.maxSize(name))
		case slices.ContainsFunc(files, func(f markedFile) bool { return f.Name == name }):
			return nil, fmt.Errorf("entry %q appears twice", header.Name)
		}
		file, err := writeEntry(archive, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
}

// checkEntry refuses entries that an archive of this data never has.
func (l layout) checkEntry(header *tar.Header) error {
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeDir:
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("entry %q is a link or a special file, refused", header.Name)
	}
	// Separators and drive letters of all platforms are refused on every platform.
	name := header.Name
	if path.IsAbs(name) || strings.ContainsAny(name, `\:`) || slices.Contains(strings.Split(name, "/"), "..") {
		return fmt.Errorf("entry %q leaves the archive's folder, refused", name)
	}
	if pickled, ok := pickledEntry(name); ok {
		return pickled.pickleError("the archive")
	}
	return nil
}

// writeEntry writes the archive's current entry to path.
func writeEntry(archive *tar.Reader, path string) (markedFile, error) {
	hash := sha256.New()
	var size int64
	err := atomicfile.Write(path, func(w io.Writer) (err error) {
		size, err = io.Copy(io.MultiWriter(w, hash), archive)
		return err
	})
	if err != nil {
		return markedFile{}, err
	}
	return markedFile{Name: filepath.Base(path), Size: size, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

// pickledEntry returns the layout whose Python archive contains an entry with that name.
func pickledEntry(name string) (layout, bool) {
	top, _, _ := strings.Cut(path.Clean(name), "/")
	for _, l := range layouts() {
		if top == l.pickled {
			return l, true
		}
	}
	return layout{}, false
}

// pickledArchive returns the layout whose Python archive the file at path is, if any.
func pickledArchive(path string) (layout, bool) {
	file, err := os.Open(path)
	if err != nil {
		return layout{}, false
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return layout{}, false
	}
	header, err := tar.NewReader(io.LimitReader(unzipped, unpackSlack)).Next()
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return layout{}, false
	}
	return pickledEntry(header.Name)
}
