package cifar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/filelock"
)

// CacheDir returns the folder that data sets are kept in: $RESIDUAL_CACHE if it is set,
// otherwise the folder residual in the user's cache folder ([os.UserCacheDir]). The
// folder need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("RESIDUAL_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; set RESIDUAL_CACHE to a folder", err)
	}
	return filepath.Join(dir, "residual"), nil
}

// Fetcher downloads an official archive, checks it and unpacks it. The zero Fetcher is
// ready to use. Several processes may fetch into one folder at the same time: one works,
// the others wait for it.
type Fetcher struct {
	// Dir is the cache folder, made if it is missing. "" means that of CacheDir.
	Dir string
	// URL is where to get the archive. "" means the address in the environment variable
	// RESIDUAL_CIFAR10_URL or RESIDUAL_CIFAR100_URL or, without one, the official
	// address. Wherever it comes from, it must be the official archive.
	URL string
	// Client makes the requests. nil means one that gives up connecting after 10 s. A
	// Client's own Timeout, if it has one, bounds the whole transfer.
	Client *http.Client
	// StallTimeout is how long to wait for a byte. 0 means 30 s.
	StallTimeout time.Duration
	// Progress, if not nil, is called as bytes arrive with how many of the archive's
	// bytes are there, an earlier run's included, and how many there will be, −1 if the
	// server does not say. It is called on the goroutine of Fetch.
	Progress func(done, total int64)

	// sum replaces the SHA-256 of the official archive in tests.
	sum string
}

// Fetch returns a folder for [Read] with the data set of the given kind. If the cache
// folder does not have it yet, Fetch unpacks the archive that lies in the cache folder
// under its official name or, without one, downloads it (170 MB) and keeps it there.
//
// The download goes to a file that ends in .part; after a failure the next Fetch
// continues it. Only an archive with the official SHA-256 is unpacked, and the folder
// appears whole or not at all. A folder of the same name that no Fetcher made is kept
// under another name.
func (f *Fetcher) Fetch(ctx context.Context, kind Kind) (dir string, err error) {
	l, root, err := f.settings(kind)
	if err != nil {
		return "", err
	}
	if dir, ok := l.placed(root); ok {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("fetch %v: make the cache folder: %w; choose another with RESIDUAL_CACHE", kind, err)
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(root, "."+l.folder+".lock"))
	if err != nil {
		return "", fmt.Errorf("fetch %v: lock the cache folder: %w; RESIDUAL_CACHE can name another folder", kind, err)
	}
	defer unlock()
	if dir, ok := l.placed(root); ok {
		return dir, nil // by the process that had the lock
	}
	if err := l.removeLeftovers(root); err != nil {
		return "", fmt.Errorf("fetch %v: %w", kind, err)
	}
	if err := f.ensureArchive(ctx, l, root); err != nil {
		return "", fmt.Errorf("fetch %v: %w", kind, err)
	}
	if err := l.place(ctx, root); err != nil {
		return "", fmt.Errorf("fetch %v: %w; the archive is kept, run again when that is put right", kind, err)
	}
	return filepath.Join(root, l.folder), nil
}

// Cached returns the folder that Fetch returns and whether it is there already, whole:
// with a Fetcher's mark and all files at their sizes. It reads no file of records.
func (f *Fetcher) Cached(kind Kind) (dir string, ok bool) {
	l, root, err := f.settings(kind)
	if err != nil {
		return "", false
	}
	return l.placed(root)
}

// settings returns the layout, with this Fetcher's address and sum in it, and the cache
// folder.
func (f *Fetcher) settings(kind Kind) (l layout, root string, err error) {
	if l, err = layoutOf(kind); err != nil {
		return layout{}, "", err
	}
	if f.sum != "" {
		l.sum = f.sum
	}
	if override := os.Getenv(l.urlVariable); override != "" {
		l.url = override
	}
	if f.URL != "" {
		l.url = f.URL
	}
	if root = f.Dir; root == "" {
		root, err = CacheDir()
	}
	return l, root, err
}

// placed returns the folder in root that the archive is unpacked to and whether it is
// there and whole.
func (l layout) placed(root string) (dir string, ok bool) {
	dir = filepath.Join(root, l.folder)
	m, marked := readMarker(dir)
	return dir, marked && m.covers(l, l.sum) && m.sizesHold(dir)
}

// ensureArchive sees to it that the archive lies in root under its official name, checked.
func (f *Fetcher) ensureArchive(ctx context.Context, l layout, root string) error {
	archive := filepath.Join(root, l.archive)
	_, err := os.Stat(archive)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.downloadArchive(ctx, l, archive)
	case err != nil:
		return err
	}
	sum, err := fileSum(ctx, archive, maxArchive)
	if err != nil {
		return fmt.Errorf("check %s: %w", archive, err)
	}
	if sum != l.sum {
		// It may have been put there by hand, so it is not ours to remove.
		if pickled, ok := pickledArchive(archive); ok {
			return pickled.pickleError(archive)
		}
		return fmt.Errorf("%s has SHA-256 %s, want %s: not the official archive, or damaged; remove it and fetch again", archive, sum, l.sum)
	}
	return nil
}

// downloadArchive downloads to archive.part, checks it and renames it to archive.
func (f *Fetcher) downloadArchive(ctx context.Context, l layout, archive string) error {
	part := archive + ".part"
	if err := f.download(ctx, l, part); err != nil {
		kept := ""
		if size := fileSize(part); size > 0 {
			kept = fmt.Sprintf("; %d bytes are kept in %s, run again to resume", size, part)
		}
		return fmt.Errorf("download %s: %w%s; by hand: put %s into %s", redacted(l.url), err, kept, l.archive, filepath.Dir(archive))
	}
	return os.Rename(part, archive)
}

// place unpacks the archive in root into a temporary folder there, marks it and renames
// it to its final name.
func (l layout) place(ctx context.Context, root string) (err error) {
	temp := filepath.Join(root, fmt.Sprintf("%s%d", l.tempPrefix(), os.Getpid()))
	if err := os.Mkdir(temp, 0o755); err != nil {
		return fmt.Errorf("make a folder to unpack in: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temp)
		}
	}()
	files, err := l.unpackFile(ctx, filepath.Join(root, l.archive), temp)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(marker{Archive: l.archive, SHA256: l.sum, Files: files}, "", "  ")
	if err != nil {
		return err
	}
	// The mark is written last, and atomicfile syncs each file and the folder: a folder
	// with a mark is whole on the disk, even after a loss of power.
	if err := atomicfile.WriteBytes(filepath.Join(temp, markerFile), append(text, '\n')); err != nil {
		return err
	}
	if err := l.makeWay(root); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(root, l.folder))
}

// makeWay moves what has the final folder's name out of the way. A damaged folder of a
// Fetcher's is dropped; what somebody else put there is kept under another name.
func (l layout) makeWay(root string) error {
	final := filepath.Join(root, l.folder)
	if _, err := os.Lstat(final); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, marked := readMarker(final); marked {
		dropped := filepath.Join(root, l.tempPrefix()+"dropped")
		if err := os.Rename(final, dropped); err != nil {
			return err
		}
		return os.RemoveAll(dropped)
	}
	for i := 1; ; i++ {
		kept := fmt.Sprintf("%s.old-%d", final, i)
		if _, err := os.Lstat(kept); err == nil {
			continue
		}
		return os.Rename(final, kept)
	}
}

// tempPrefix begins the names of the temporary folders of unpacking.
func (l layout) tempPrefix() string { return "." + l.folder + ".tmp-" }

// removeLeftovers removes the temporary folders of runs that were killed. The caller
// holds the lock, so none of them is in use.
func (l layout) removeLeftovers(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), l.tempPrefix()) {
			if err := os.RemoveAll(filepath.Join(root, entry.Name())); err != nil {
				return fmt.Errorf("remove a leftover: %w", err)
			}
		}
	}
	return nil
}

// fileSize returns the size of the file at path, 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// redacted returns an address for people to see, without a password in it.
func redacted(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Sprintf("%q", address)
	}
	return parsed.Redacted()
}
