package cifar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/residual-go/residual/pkg/atomicfile"
	"github.com/residual-go/residual/pkg/download"
)

// Fetcher downloads an official archive, checks it and unpacks it. The zero Fetcher is
// ready to use. Several processes may fetch into one folder at the same time: one does the
// work and the others wait for it.
type Fetcher struct {
	// Dir is the cache folder, which is created if necessary. "" means [download.CacheDir].
	Dir string
	// URL is the address to download from. "" means the one in the environment variable
	// RESIDUAL_CIFAR10_URL or RESIDUAL_CIFAR100_URL, or else the official address. The archive
	// there must be the official one.
	URL string
	// Progress, if not nil, is called as bytes arrive, with the number of bytes downloaded so
	// far (in earlier runs too) and the total, or −1 if the server does not say. It is called
	// on the goroutine of Fetch.
	Progress func(done, total int64)

	// Tests change these: the SHA-256 of the archive, and how long to wait for a byte.
	sum          string
	stallTimeout time.Duration
}

// Fetch returns a folder for [Read] with the data set. If it is not in the cache folder yet,
// Fetch unpacks the archive with the official name in the cache folder; if that is not there
// either, Fetch downloads it (170 MB) and keeps it there.
//
// The download goes to a file that ends in .part, which the next Fetch continues after a
// failure. Only an archive with the official SHA-256 is unpacked, and the folder appears whole
// or not at all. A folder with the same name that was not made by a Fetcher is renamed, not
// overwritten.
func (f *Fetcher) Fetch(ctx context.Context, kind Kind) (dir string, err error) {
	l, root, err := f.settings(kind)
	if err != nil {
		return "", err
	}
	if dir, ok := l.placed(root); ok {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("fetch %v: make the cache folder: %w; set RESIDUAL_CACHE to use another folder", kind, err)
	}
	unlock, err := download.Lock(ctx, filepath.Join(root, "."+l.folder+".lock"))
	if err != nil {
		return "", fmt.Errorf("fetch %v: lock the cache folder: %w; set RESIDUAL_CACHE to use another folder", kind, err)
	}
	defer unlock()
	if dir, ok := l.placed(root); ok {
		return dir, nil // the process that held the lock has done the work
	}
	if err := l.removeLeftovers(root); err != nil {
		return "", fmt.Errorf("fetch %v: %w", kind, err)
	}
	if err := f.ensureArchive(ctx, l, root); err != nil {
		return "", fmt.Errorf("fetch %v: %w", kind, err)
	}
	if err := l.place(ctx, root); err != nil {
		return "", fmt.Errorf("fetch %v: %w; the archive is kept; fetch again once this is fixed", kind, err)
	}
	return filepath.Join(root, l.folder), nil
}

// Cached returns the folder that Fetch returns and whether it is already there and complete:
// unpacked by a Fetcher, with all files at their recorded sizes. The content of the files is
// not checked.
func (f *Fetcher) Cached(kind Kind) (dir string, ok bool) {
	l, root, err := f.settings(kind)
	if err != nil {
		return "", false
	}
	return l.placed(root)
}

// settings returns the layout, with this Fetcher's address and checksum, and the cache folder.
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

// placed returns the folder in root that the archive is unpacked to, and whether it is there
// and complete.
func (l layout) placed(root string) (dir string, ok bool) {
	dir = filepath.Join(root, l.folder)
	m, marked := readMarker(dir)
	return dir, marked && m.covers(l, l.sum) && m.sizesHold(dir)
}

// maxArchive bounds a download; the official archives have about 170 MB.
const maxArchive = 256 << 20

// ensureArchive makes sure that the verified archive is in root under its official name.
func (f *Fetcher) ensureArchive(ctx context.Context, l layout, root string) error {
	fetcher := &download.Fetcher{StallTimeout: f.stallTimeout, Progress: f.Progress}
	return fetcher.Fetch(ctx, download.File{
		URL: l.url, Path: filepath.Join(root, l.archive), Noun: "official archive", SHA256: l.sum, Limit: maxArchive, Variable: l.urlVariable,
		Explain: func(path, where string) error {
			if pickled, ok := pickledArchive(path); ok {
				return pickled.pickleError(where)
			}
			return nil
		},
	})
}

// place unpacks the archive into a temporary folder in root, adds the marker, and renames the
// folder to its final name.
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
	// The marker is written last, and atomicfile syncs every file and the folder: a folder
	// with a marker is complete on disk, even after a power failure.
	if err := atomicfile.WriteBytes(filepath.Join(temp, markerFile), append(text, '\n')); err != nil {
		return err
	}
	if err := l.makeWay(root); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(root, l.folder))
}

// makeWay frees the name of the final folder. A damaged folder made by a Fetcher is removed;
// anything else is renamed.
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

// tempPrefix is how the names of the temporary folders begin.
func (l layout) tempPrefix() string { return "." + l.folder + ".tmp-" }

// removeLeftovers removes the temporary folders of processes that were killed. The caller
// holds the lock, so none of them is in use.
func (l layout) removeLeftovers(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("look for leftover folders: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), l.tempPrefix()) {
			if err := os.RemoveAll(filepath.Join(root, entry.Name())); err != nil {
				return fmt.Errorf("remove a leftover folder: %w", err)
			}
		}
	}
	return nil
}
