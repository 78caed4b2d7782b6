package cifar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/download"
)

// Fetcher downloads an official archive, checks it and unpacks it. The zero Fetcher is
// ready to use. Several processes may fetch into one folder at the same time: one works,
// the others wait for it.
type Fetcher struct {
	// Dir is the cache folder, made if it is missing. "" means that of download.CacheDir.
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
	unlock, err := download.Lock(ctx, filepath.Join(root, "."+l.folder+".lock"))
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
		root, err = download.CacheDir()
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

// maxArchive bounds a download: the official archives have about 170 MB.
const maxArchive = 256 << 20

// ensureArchive sees to it that the archive lies in root under its official name, checked.
func (f *Fetcher) ensureArchive(ctx context.Context, l layout, root string) error {
	fetcher := &download.Fetcher{Client: f.Client, StallTimeout: f.StallTimeout, Progress: f.Progress}
	return fetcher.Fetch(ctx, download.File{
		URL: l.url, Path: filepath.Join(root, l.archive), Noun: "official archive", SHA256: l.sum, Limit: maxArchive,
		Explain: func(path, where string) error {
			if pickled, ok := pickledArchive(path); ok {
				return pickled.pickleError(where)
			}
			return nil
		},
	})
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
