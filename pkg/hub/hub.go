// Package hub finds weights that other people have published, and fetches them: torchvision's
// for ImageNet, Y. Idelbayev's and A. Martyn's for CIFAR-10, timm's, and whatever lies at a URL.
//
// Files are kept in a cache and their checksums are verified every time. [Fetch] also takes
// the path of a local file, so that a program can take any of them in one option.
//
// # Where to find what
//
//	hub.go       Fetch, which sorts out what it was given, and the list of names
//	names.go     the names of torchvision's and the CIFAR-10 weights, their addresses and
//	             checksums
//	timm.go      timm's weights at Hugging Face
//	config.go    timm's config.json
//	fetch.go     downloading into the cache
package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/download"
)

// Origin is what a source says about the weights it has; the zero Origin says nothing.
type Origin struct {
	// Source is the address they came from; "" for a local file.
	Source string
	// Architecture is the source's name for the network.
	Architecture string
	// Recipe is the source's name for how they were trained, such as IMAGENET1K_V2 or a1_in1k.
	Recipe string
	// Normalization is how images are normalised; nil if the source does not say.
	Normalization *dataset.Normalization
	// Licence is that of the weights; "" if the source does not state one.
	Licence string
	// Resize is the length in pixels that an image's shorter side is scaled to; 0 if the source
	// does not say, or if it is the usual 256.
	Resize int
}

// Fetch returns the path of the file that spec names, and what its source says about it.
// progress, if not nil, is told how much of a download has arrived. A spec is, in this order,
//
//   - a URL, http or https, with a SHA-256 of the file: at the end, as in
//     https://…/w.pth#sha256=…, or its first 8 digits or more in the file's name, where
//     PyTorch puts them: name-f37072fd.pth. A URL without one is refused;
//   - a file, or a folder with a model.safetensors in it, as timm's have;
//   - torchvision's weights: resnet18 (IMAGENET1K_V1), resnet50.tv2_in1k or
//     ResNet50_Weights.IMAGENET1K_V2;
//   - Y. Idelbayev's for CIFAR-10: resnet20.cifar10;
//   - A. Martyn's for CIFAR-10: plain56.cifar10, and their residual twins, resnet56.martyn_cifar10;
//   - timm's: resnet50.a1_in1k or timm/resnet50.a1_in1k.
//
// Downloads are kept in the folder weights of [download.CacheDir] and verified every time.
// Without a network, the error says which file to put where. A file put there by hand is as
// good as a download, but timm's have no checksum then. The environment variables
// RESIDUAL_TORCHVISION_URL, RESIDUAL_IDELBAYEV_URL, RESIDUAL_MARTYN_URL and HF_ENDPOINT name
// mirrors.
func Fetch(ctx context.Context, spec string, progress func(done, total int64)) (path string, origin Origin, err error) {
	f := &download.Fetcher{Progress: progress}
	if strings.HasPrefix(spec, "http://") || strings.HasPrefix(spec, "https://") {
		path, err = fetchURL(ctx, f, spec)
		return path, Origin{Source: download.Redacted(spec)}, err
	}
	info, err := os.Stat(spec)
	switch {
	case err == nil && info.IsDir():
		path = filepath.Join(spec, timmWeights)
		if _, err := os.Stat(path); err != nil {
			return "", Origin{}, fmt.Errorf("weights %s: a folder without a %s; name the file of weights inside it", spec, timmWeights)
		}
		return path, Origin{}, nil
	case err == nil:
		return spec, Origin{}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", Origin{}, fmt.Errorf("weights: %w", err)
	case looksLikeFile(spec):
		return "", Origin{}, fmt.Errorf("weights: %w", err)
	}
	if r, ok := findRelease(spec); ok {
		path, err := fetchRelease(ctx, f, r)
		return path, r.origin(), err
	}
	parts := timmName.FindStringSubmatch(strings.TrimPrefix(spec, "timm/"))
	if parts == nil || parts[2] == "tv_in1k" || parts[2] == "tv2_in1k" { // torchvision's, and not among the releases
		return "", Origin{}, unknown(spec)
	}
	if reason := unsupported(parts[1]); reason != "" {
		return "", Origin{}, fmt.Errorf("weights %s: %s", spec, reason)
	}
	origin = Origin{Source: download.Redacted(timmURL(parts[0], "main", timmWeights)), Architecture: parts[1], Recipe: parts[2]}
	path, err = fetchTimm(ctx, f, parts[0])
	return path, origin, err
}

// looksLikeFile reports whether a spec was meant as a path.
func looksLikeFile(spec string) bool {
	switch filepath.Ext(spec) {
	case ".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt", ".tar":
		return true
	}
	return strings.ContainsAny(spec, `/\`) && !strings.HasPrefix(spec, "timm/")
}

// Entry is a name that [Fetch] takes.
type Entry struct {
	Name string `json:"name"`
	// URL is where the file comes from, and Path where the cache keeps it.
	URL  string `json:"url"`
	Path string `json:"path"`
	// Cached says that the file is there.
	Cached bool `json:"cached"`
	// SHA256 is the checksum of the file, or its first digits; "" if only the server knows it.
	SHA256 string `json:"sha256,omitempty"`
	// Licence is that of the weights, if known.
	Licence string `json:"licence,omitempty"`
}

// Catalogue lists names that [Fetch] takes: all of torchvision's, Idelbayev's and Martyn's, some of
// timm's, and those of timm's that are in the cache.
func Catalogue() ([]Entry, error) {
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	var list []Entry
	add := func(name, url, path, sum, licence string) {
		info, err := os.Stat(path)
		list = append(list, Entry{name, download.Redacted(url), path, err == nil && info.Mode().IsRegular(), sum, licence})
	}
	for _, r := range releases() {
		add(r.name(), r.url(), filepath.Join(dir, r.file()), r.sum, r.licence())
	}
	names := timmNames()
	cached, err := filepath.Glob(filepath.Join(dir, timmFolder, "*", timmWeights))
	if err != nil {
		return nil, fmt.Errorf("look into the cache: %w", err)
	}
	for _, path := range cached {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			add(name, timmURL(name, "main", timmWeights), filepath.Join(dir, timmFolder, name, timmWeights), "", "")
		}
		seen[name] = true
	}
	return list, nil
}

// cacheDir is where weights are kept.
func cacheDir() (string, error) {
	dir, err := download.CacheDir()
	return filepath.Join(dir, "weights"), err
}
