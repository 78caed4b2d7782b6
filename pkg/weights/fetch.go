package weights

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/download"
)

// Origin is what a source says of the weights it gives; its zero value says nothing.
type Origin struct {
	// Source is the address they came from; "" for a file that was there.
	Source string
	// Architecture is the source's name for the network.
	Architecture string
	// Recipe is the source's name for how they were trained, as IMAGENET1K_V2 or a1_in1k.
	Recipe string
	// Resize is the length in pixels that the shorter side of a picture is scaled to, if it
	// is not the usual one.
	Resize int
}

// FetchOptions for Fetch.
type FetchOptions struct {
	// Progress is shown how much of a download is there; it may be nil.
	Progress func(done, total int64)
}

// Fetch returns the path of the file that spec names, and what its source says of it. In
// this order a spec is
//
//   - a URL, http or https, with the SHA-256 of what is there: behind it, as in
//     https://…/w.pth#sha256=…, or the first 8 digits or more in the file's name, as PyTorch
//     puts them there: name-f37072fd.pth. One without is refused;
//   - a file, or a folder with a model.safetensors in it, as timm's;
//   - torchvision's weights, as resnet18 (IMAGENET1K_V1), resnet50.tv2_in1k or
//     ResNet50_Weights.IMAGENET1K_V2;
//   - Y. Idelbayev's for CIFAR-10, as resnet20.cifar10;
//   - timm's, as resnet50.a1_in1k or timm/resnet50.a1_in1k.
//
// What comes from the network is kept in the folder weights of download.CacheDir, and checked
// every time. A machine without network is told what to put where; a file that was put there
// by hand is as good as a downloaded one, but for timm's there is nothing to check it by. The environment variables
// RESIDUAL_TORCHVISION_URL, RESIDUAL_IDELBAYEV_URL and HF_ENDPOINT name mirrors.
func Fetch(ctx context.Context, spec string, options FetchOptions) (path string, origin Origin, err error) {
	f := &download.Fetcher{Progress: options.Progress}
	if strings.HasPrefix(spec, "http://") || strings.HasPrefix(spec, "https://") {
		path, err = fetchURL(ctx, f, spec)
		return path, Origin{Source: download.Redacted(spec)}, err
	}
	info, err := os.Stat(spec)
	switch {
	case err == nil && info.IsDir():
		path = filepath.Join(spec, timmWeights)
		if _, err := os.Stat(path); err != nil {
			return "", Origin{}, fmt.Errorf("weights %s: a folder without a %s; name the file of weights in it", spec, timmWeights)
		}
		return path, Origin{}, nil
	case err == nil:
		return spec, Origin{}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", Origin{}, fmt.Errorf("weights: %w", err)
	case looksLikeFile(spec):
		return "", Origin{}, fmt.Errorf("weights: %w", err)
	}
	if r, ok := releaseOf(spec); ok {
		path, err := fetchRelease(ctx, f, r)
		return path, r.origin(), err
	}
	parts := timmName.FindStringSubmatch(strings.TrimPrefix(spec, "timm/"))
	if parts == nil || parts[2] == "tv_in1k" || parts[2] == "tv2_in1k" { // torchvision's, and not among the releases
		return "", Origin{}, unknown(spec)
	}
	if reason := refusedByName(parts[1]); reason != "" {
		return "", Origin{}, fmt.Errorf("weights %s: %s", spec, reason)
	}
	origin = Origin{Source: download.Redacted(timmURL(parts[0], "main", timmWeights)), Architecture: parts[1], Recipe: parts[2]}
	path, err = fetchTimm(ctx, f, parts[0])
	return path, origin, err
}

// looksLikeFile reports whether a spec was meant for a file.
func looksLikeFile(spec string) bool {
	switch filepath.Ext(spec) {
	case ".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt", ".tar":
		return true
	}
	return strings.ContainsAny(spec, `/\`) && !strings.HasPrefix(spec, "timm/")
}

const (
	// maxWeights bounds downloads: the largest of these networks, WideResNet-101-2, has
	// 508 MB.
	maxWeights = 4 << 30
	noun       = "file of weights"
)

// hashedName is a file name with the beginning of its SHA-256, as PyTorch's are.
var hashedName = regexp.MustCompile(`-([0-9a-f]{8,64})\.[a-z.]+$`)

// fetchURL downloads what is at a URL with a sum.
func fetchURL(ctx context.Context, f *download.Fetcher, spec string) (string, error) {
	address, err := url.Parse(spec)
	if err != nil {
		return "", fmt.Errorf("weights: the URL %q: no address that can be read", spec)
	}
	name := path.Base(address.Path)
	if name == "." || name == "/" || !isText(name) || strings.ContainsAny(name, `\:`) {
		return "", fmt.Errorf("weights %s: a URL without the name of a file at its end", download.Redacted(spec))
	}
	sum, given := strings.CutPrefix(address.Fragment, "sha256=")
	if sum = strings.ToLower(sum); !given {
		parts := hashedName.FindStringSubmatch(name)
		if parts == nil {
			return "", fmt.Errorf("weights %s: nothing to check the file by; put its SHA-256 behind it: %s#sha256=… (sha256sum prints it of a file)",
				download.Redacted(spec), download.Redacted(spec))
		}
		sum = parts[1]
	}
	if len(sum) < 8 {
		return "", fmt.Errorf("weights %s: %q is no SHA-256, want at least 8 of its digits", download.Redacted(spec), sum)
	}
	if !strings.Contains(name, sum[:8]) { // so that files of one name keep apart
		ext := filepath.Ext(name)
		name = strings.TrimSuffix(name, ext) + "-" + sum[:8] + ext
	}
	address.Fragment = ""
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	file := download.File{URL: address.String(), Path: filepath.Join(dir, name), Noun: noun, SHA256: sum, Limit: maxWeights}
	return file.Path, fetch(ctx, f, file)
}

// fetchRelease downloads a release.
func fetchRelease(ctx context.Context, f *download.Fetcher, r release) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	file := download.File{URL: r.url(), Path: filepath.Join(dir, r.file()), Noun: noun, SHA256: r.sum, Limit: maxWeights}
	return file.Path, fetch(ctx, f, file)
}

func fetch(ctx context.Context, f *download.Fetcher, file download.File) error {
	if err := f.Fetch(ctx, file); err != nil {
		return fmt.Errorf("fetch weights: %w", err)
	}
	return nil
}
