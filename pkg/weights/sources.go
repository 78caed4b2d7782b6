package weights

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/download"
	"github.com/residual-go/residual/pkg/resnet"
)

// release is a file of torchvision's, or of Y. Idelbayev's networks for CIFAR-10.
type release struct {
	architecture string
	version      int    // IMAGENET1K_V1 or V2; 0 is Idelbayev's
	sum          string // the first digits of the SHA-256, as they are in the file's name
	resize       int    // of the shorter side of pictures, in pixels
}

// releases returns what torchvision publishes for networks of this kind, from
// torchvision/models/resnet.py of version 0.14, and the networks of the paper for CIFAR-10
// of https://github.com/akamaster/pytorch_resnet_cifar10.
func releases() []release {
	return []release{
		{"resnet18", 1, "f37072fd", 256},
		{"resnet34", 1, "b627a593", 256},
		{"resnet50", 1, "0676ba61", 256},
		{"resnet50", 2, "11ad3fa6", 232},
		{"resnet101", 1, "63fe2227", 256},
		{"resnet101", 2, "cd907fc2", 232},
		{"resnet152", 1, "394f9c45", 256},
		{"resnet152", 2, "f82ba261", 232},
		{"resnext50_32x4d", 1, "7cdf4587", 256},
		{"resnext50_32x4d", 2, "1a0047aa", 232},
		{"resnext101_32x8d", 1, "8ba56ff5", 256},
		{"resnext101_32x8d", 2, "110c445d", 232},
		{"resnext101_64x4d", 1, "173b62eb", 232},
		{"wide_resnet50_2", 1, "95faca4d", 256},
		{"wide_resnet50_2", 2, "9ba9bcbe", 232},
		{"wide_resnet101_2", 1, "32ee1156", 256},
		{"wide_resnet101_2", 2, "d733dc28", 232},
		{"resnet20", 0, "12fca82f", 32},
		{"resnet32", 0, "d509ac18", 32},
		{"resnet44", 0, "014dd654", 32},
		{"resnet56", 0, "4bfd9763", 32},
		{"resnet110", 0, "1d1ed7c2", 32},
	}
}

// name is the release's in timm's way, which has torchvision's weights as well.
func (r release) name() string {
	switch r.version {
	case 0:
		return r.architecture + ".cifar10"
	case 1:
		return r.architecture + ".tv_in1k"
	}
	return fmt.Sprintf("%s.tv%d_in1k", r.architecture, r.version)
}

func (r release) file() string {
	ext := ".pth"
	if r.version == 0 {
		ext = ".th"
	}
	return r.architecture + "-" + r.sum + ext
}

// url is where the release lies: in the folder that the environment variable
// RESIDUAL_TORCHVISION_URL or RESIDUAL_IDELBAYEV_URL names, or the official one.
func (r release) url() string {
	folder := cmp.Or(os.Getenv("RESIDUAL_TORCHVISION_URL"), "https://download.pytorch.org/models")
	if r.version == 0 {
		folder = cmp.Or(os.Getenv("RESIDUAL_IDELBAYEV_URL"),
			"https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models")
	}
	return strings.TrimSuffix(folder, "/") + "/" + r.file()
}

func (r release) origin() Origin {
	origin := Origin{Source: download.Redacted(r.url()), Architecture: r.architecture, Resize: r.resize}
	if r.version > 0 {
		origin.Recipe = fmt.Sprintf("IMAGENET1K_V%d", r.version)
	}
	return origin
}

// releaseOf returns the release of the given name: resnet50 (torchvision's first version),
// resnet50.tv_in1k and resnet50.tv2_in1k as in timm, or ResNet50_Weights.IMAGENET1K_V2 as in
// torchvision, where DEFAULT is the newest; resnet20.cifar10.
func releaseOf(name string) (found release, ok bool) {
	enum, version, isEnum := strings.Cut(strings.ToLower(name), "_weights.")
	for _, r := range releases() {
		switch {
		case name == r.name(), name == r.architecture && r.version == 1:
			return r, true
		case isEnum && enum == r.architecture && version == fmt.Sprintf("imagenet1k_v%d", r.version):
			return r, true
		case isEnum && enum == r.architecture && version == "default" && r.version > 0:
			found, ok = r, true // and a later version, if there is one
		}
	}
	return found, ok
}

// timmName is an architecture and a tag, as resnet50.a1_in1k.
var timmName = regexp.MustCompile(`^([a-z0-9_]+)\.([a-z0-9_]+)$`)

// known is what timm calls the architectures that are built here.
var known = regexp.MustCompile(`^(resnet[0-9]+|resnext[0-9]+_[0-9]+x[0-9]+d|wide_resnet[0-9]+_[0-9]+)$`)

// refusedByName says why the networks that timm calls so are not built here, "" if they are,
// or if there is no name. Not all of them can be told by their weights: where resnetblur50
// blurs there are none.
func refusedByName(architecture string) string {
	if architecture == "" || known.MatchString(architecture) {
		return ""
	}
	for _, kin := range []struct{ pattern, what string }{
		{`^resne[xt]+[0-9]+[a-z]`, "its stem is several convolutions, or its shortcuts average before they project"},
		{`^resnetblur|^resnetaa`, "it blurs before it takes every second pixel"},
		{`^(legacy_)?se(resne|net)|^eca|^gc`, "its blocks weigh their channels"},
		{`^resnetv2|^nf_`, "its weights are standardised, and its norms are others"},
		{`_gn$|_evo`, "its norms are no batch norms"},
		{`^resnetrs|^skres|^resnest|^res2ne`, "its blocks are others"},
	} {
		if regexp.MustCompile(kin.pattern).MatchString(architecture) {
			return "this package does not build it: " + kin.what
		}
	}
	return "this package does not build it: it is no resnet, resnext or wide_resnet as torchvision's"
}

// timm returns names of weights that timm publishes; there are many more, listed at
// https://huggingface.co/timm.
func timm() []string {
	return []string{
		"resnet18.a1_in1k", "resnet34.a1_in1k", "resnet50.a1_in1k", "resnet101.a1_in1k", "resnet152.a1_in1k",
		"resnext50_32x4d.a1_in1k", "wide_resnet50_2.racm_in1k",
	}
}

// Named is a name that Fetch takes.
type Named struct {
	Name string `json:"name"`
	// URL is where the file comes from, and Path its place in the cache.
	URL  string `json:"url"`
	Path string `json:"path"`
	// Cached says that it is there.
	Cached bool `json:"cached"`
}

// Catalogue returns the names of weights that Fetch can get: all of torchvision's, some of
// timm's, and those of timm's that are in the cache.
func Catalogue() ([]Named, error) {
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	var list []Named
	add := func(name, url, path string) {
		info, err := os.Stat(path)
		list = append(list, Named{name, download.Redacted(url), path, err == nil && info.Mode().IsRegular()})
	}
	for _, r := range releases() {
		add(r.name(), r.url(), filepath.Join(dir, r.file()))
	}
	names := timm()
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
			add(name, timmURL(name, "main", timmWeights), filepath.Join(dir, timmFolder, name, timmWeights))
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

// unknown is the answer to a spec that is nothing.
func unknown(spec string) error {
	for _, r := range releases() {
		if r.version == 0 && r.architecture == spec {
			return fmt.Errorf("weights %s: there is no such file; those for CIFAR-10 are called %s", spec, r.name())
		}
	}
	architecture, _, _ := strings.Cut(strings.TrimPrefix(spec, "timm/"), ".")
	if _, err := resnet.ByName(spec); err == nil || known.MatchString(architecture) {
		return fmt.Errorf("weights %s: there is no such file, and nobody is known to publish weights of that name; take a file, a URL, or a name as resnet50 or resnet50.a1_in1k", spec)
	}
	return fmt.Errorf("weights %s: it is no file, no URL, and no name as resnet50, resnet50.a1_in1k or ResNet50_Weights.IMAGENET1K_V2", spec)
}
