package hub

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/download"
	"github.com/residual-go/residual/pkg/printable"
)

const (
	// maxWeights bounds downloads, in bytes: the largest of these networks,
	// WideResNet-101-2, has 508 MB.
	maxWeights = 4 << 30
	noun       = "file of weights"
)

// hashedName is a file name with the first digits of its SHA-256, as PyTorch's have.
var hashedName = regexp.MustCompile(`-([0-9a-f]{8,64})\.[a-z.]+$`)

// fetchURL downloads the file at a URL that comes with a checksum.
func fetchURL(ctx context.Context, f *download.Fetcher, spec string) (string, error) {
	address, err := url.Parse(spec)
	if err != nil {
		return "", fmt.Errorf("weights: %q is not a valid URL", spec)
	}
	name := path.Base(address.Path)
	if name == "." || name == "/" || !printable.Is(name) || strings.ContainsAny(name, `\:`) {
		return "", fmt.Errorf("weights %s: the URL does not end in a file's name", download.Redacted(spec))
	}
	sum, given := strings.CutPrefix(address.Fragment, "sha256=")
	if sum = strings.ToLower(sum); !given {
		parts := hashedName.FindStringSubmatch(name)
		if parts == nil {
			return "", fmt.Errorf("weights %s: no checksum to verify the file with; append its SHA-256, which sha256sum prints: %s#sha256=…",
				download.Redacted(spec), download.Redacted(spec))
		}
		sum = parts[1]
	}
	if len(sum) < 8 {
		return "", fmt.Errorf("weights %s: %q is not a SHA-256, want at least 8 of its digits", download.Redacted(spec), sum)
	}
	if !strings.Contains(name, sum[:8]) { // so that different files of one name get different paths
		ext := filepath.Ext(name)
		name = strings.TrimSuffix(name, ext) + "-" + sum[:8] + ext
	}
	address.Fragment = ""
	return fetchInto(ctx, f, address.String(), name, sum, "")
}

// fetchRelease downloads a release.
func fetchRelease(ctx context.Context, f *download.Fetcher, r release) (string, error) {
	variable, _, _ := r.folder()
	return fetchInto(ctx, f, r.url(), r.file(), r.sum, variable)
}

// fetchInto downloads weights to the file of the given name in the cache. variable is the environment
// variable that sets the address, if there is one.
func fetchInto(ctx context.Context, f *download.Fetcher, address, name, sum, variable string) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	file := download.File{URL: address, Path: filepath.Join(dir, name), Noun: noun, SHA256: sum, Limit: maxWeights, Variable: variable}
	return file.Path, fetch(ctx, f, file)
}

func fetch(ctx context.Context, f *download.Fetcher, file download.File) error {
	if err := f.Fetch(ctx, file); err != nil {
		return fmt.Errorf("fetch weights: %w", err)
	}
	return nil
}
