package hub

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/download"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/resnet"
)

// release is a file that torchvision has published or, for CIFAR-10, Y. Idelbayev or A. Martyn.
type release struct {
	architecture string
	version      int    // of IMAGENET1K_V1 or V2; 0 for CIFAR-10
	sum          string // the first digits of the SHA-256, which the file's name has too, or all of them
	resize       int    // of an image's shorter side, in pixels
	martyn       string // Martyn's name of the file; "" for the others
}

// releases returns what torchvision publishes for residual networks (from
// torchvision/models/resnet.py, version 0.14), and the paper's networks for CIFAR-10: from
// https://github.com/akamaster/pytorch_resnet_cifar10, and, plain ones too, from
// https://github.com/a-martyn/resnet. Of Martyn's, those of 32 and 44 layers are missing: their
// checksums are not known here.
func releases() []release {
	return []release{
		{"resnet18", 1, "f37072fd", 256, ""},
		{"resnet34", 1, "b627a593", 256, ""},
		{"resnet50", 1, "0676ba61", 256, ""},
		{"resnet50", 2, "11ad3fa6", 232, ""},
		{"resnet101", 1, "63fe2227", 256, ""},
		{"resnet101", 2, "cd907fc2", 232, ""},
		{"resnet152", 1, "394f9c45", 256, ""},
		{"resnet152", 2, "f82ba261", 232, ""},
		{"resnext50_32x4d", 1, "7cdf4587", 256, ""},
		{"resnext50_32x4d", 2, "1a0047aa", 232, ""},
		{"resnext101_32x8d", 1, "8ba56ff5", 256, ""},
		{"resnext101_32x8d", 2, "110c445d", 232, ""},
		{"resnext101_64x4d", 1, "173b62eb", 232, ""},
		{"wide_resnet50_2", 1, "95faca4d", 256, ""},
		{"wide_resnet50_2", 2, "9ba9bcbe", 232, ""},
		{"wide_resnet101_2", 1, "32ee1156", 256, ""},
		{"wide_resnet101_2", 2, "d733dc28", 232, ""},
		{"resnet20", 0, "12fca82f", 32, ""},
		{"resnet32", 0, "d509ac18", 32, ""},
		{"resnet44", 0, "014dd654", 32, ""},
		{"resnet56", 0, "4bfd9763", 32, ""},
		{"resnet110", 0, "1d1ed7c2", 32, ""},
		{"plain20", 0, "0f77669a030c3ed83c4cb51a14657ff5b9382a0204a1f2e74f817489b55322a2", 32, "plainnet20.pt"},
		{"plain56", 0, "1d7483c8dc8f800679882758eaf1fb2d929d847597b058a44ede98904775b221", 32, "plainnet56.pt"},
		{"resnet20-pad-end", 0, "690e7b7665ec4848aa69e8950a496ae5890a737fc42693fe17edfab97e9e488f", 32, "resnet20.pt"},
		{"resnet56-pad-end", 0, "2d3b6e685714119c5fb0d45c369f353a26f8afd30ae7196760c98d300dc119de", 32, "resnet56.pt"},
	}
}

// The folders of the releases, unless an environment variable names a mirror.
const (
	torchvisionURL = "https://download.pytorch.org/models"
	idelbayevURL   = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models"
	martynURL      = "https://raw.githubusercontent.com/a-martyn/resnet/a9779154427bc5d28d89c213e1ae73613c353f74/pretrained"
)

// name returns the release's name in timm's style. timm uses it for torchvision's weights too.
func (r release) name() string {
	if depth, ok := strings.CutSuffix(r.architecture, "-pad-end"); ok {
		return depth + ".martyn_cifar10" // the name without martyn is Idelbayev's
	}
	switch r.version {
	case 0:
		return r.architecture + ".cifar10"
	case 1:
		return r.architecture + ".tv_in1k"
	}
	return fmt.Sprintf("%s.tv%d_in1k", r.architecture, r.version)
}

// file returns the file's name in the cache.
func (r release) file() string {
	if stem, ok := strings.CutSuffix(r.martyn, ".pt"); ok {
		return "martyn-" + stem + "-" + r.sum[:8] + ".pt"
	}
	ext := ".pth"
	if r.version == 0 {
		ext = ".th"
	}
	return r.architecture + "-" + r.sum + ext
}

// folder returns the environment variable that names the folder of the release's address, the
// official folder, and the file's name in it.
func (r release) folder() (variable, folder, file string) {
	switch {
	case r.martyn != "":
		return "RESIDUAL_MARTYN_URL", martynURL, r.martyn
	case r.version == 0:
		return "RESIDUAL_IDELBAYEV_URL", idelbayevURL, r.file()
	}
	return "RESIDUAL_TORCHVISION_URL", torchvisionURL, r.file()
}

// url returns the release's address, in the folder that the environment variable names or else in
// the official one.
func (r release) url() string {
	variable, folder, file := r.folder()
	return strings.TrimSuffix(cmp.Or(os.Getenv(variable), folder), "/") + "/" + file
}

// licence returns the licence of the weights; "" for torchvision's, which state none of their own.
func (r release) licence() string {
	switch {
	case r.martyn != "":
		return "BSD-3-Clause, https://github.com/a-martyn/resnet"
	case r.version == 0:
		return "BSD-2-Clause, https://github.com/akamaster/pytorch_resnet_cifar10"
	}
	return ""
}

func (r release) origin() Origin {
	origin := Origin{Source: download.Redacted(r.url()), Architecture: r.architecture, Licence: r.licence(), Resize: r.resize}
	switch {
	case r.martyn != "":
		// What other repositories that reuse this training code normalise with; the author's own
		// repository was out of reach when this was written. On 500 test images it does a little
		// better than CIFAR-10's usual statistics.
		origin.Normalization = &dataset.Normalization{Mean: [3]float32{0.49187, 0.49186, 0.49186}, Std: [3]float32{0.24697, 0.24697, 0.24697}}
	case r.version == 0: // trained with ImageNet's statistics too
		normalization := dataset.ImageNetNormalization()
		origin.Normalization = &normalization
	default:
		origin.Recipe = fmt.Sprintf("IMAGENET1K_V%d", r.version)
	}
	return origin
}

// findRelease returns the release of the given name: resnet50 (torchvision's first version),
// resnet50.tv_in1k and resnet50.tv2_in1k as in timm, ResNet50_Weights.IMAGENET1K_V2 as in
// torchvision, where DEFAULT is the newest, or resnet20.cifar10. Martyn's are called plain20.cifar10
// and resnet20.martyn_cifar10.
func findRelease(name string) (found release, ok bool) {
	enum, version, isEnum := strings.Cut(strings.ToLower(name), "_weights.")
	for _, r := range releases() {
		switch {
		case name == r.name(), name == r.architecture && r.version == 1:
			return r, true
		case isEnum && enum == r.architecture && version == fmt.Sprintf("imagenet1k_v%d", r.version):
			return r, true
		case isEnum && enum == r.architecture && version == "default" && r.version > 0:
			found, ok = r, true // unless a later version follows
		}
	}
	return found, ok
}

// timmName is an architecture and a tag, such as resnet50.a1_in1k.
var timmName = regexp.MustCompile(`^([a-z0-9_]+)\.([a-z0-9_]+)$`)

// supported matches timm's names for the architectures that package resnet builds.
var supported = regexp.MustCompile(`^(resnet[0-9]+|resnext[0-9]+_[0-9]+x[0-9]+d|wide_resnet[0-9]+_[0-9]+)$`)

// unsupported says why package resnet cannot build timm's architecture of this name; "" if
// it can, or if there is no name. The weights alone do not always tell: resnetblur50 has
// none for its blurring.
func unsupported(architecture string) string {
	if architecture == "" || supported.MatchString(architecture) {
		return ""
	}
	for _, family := range []struct{ pattern, reason string }{
		{`^resne[xt]+[0-9]+[a-z]`, "its stem has several convolutions, or its shortcuts average before they project"},
		{`^resnetblur|^resnetaa`, "it blurs before it downsamples"},
		{`^(legacy_)?se(resne|net)|^eca|^gc`, "its blocks use channel attention"},
		{`^resnetv2|^nf_`, "its convolutions have standardised weights, and it has no batch norms"},
		{`_gn$|_evo`, "its norms are not batch norms"},
		{`^resnetrs|^skres|^resnest|^res2ne`, "it has a different kind of block"},
	} {
		if regexp.MustCompile(family.pattern).MatchString(architecture) {
			return "this architecture is not supported: " + family.reason
		}
	}
	return "this architecture is not supported: it is not one of torchvision's kinds resnet, resnext and wide_resnet"
}

// timmNames returns some of the names that timm publishes; https://huggingface.co/timm has
// many more.
func timmNames() []string {
	return []string{
		"resnet18.a1_in1k", "resnet34.a1_in1k", "resnet50.a1_in1k", "resnet101.a1_in1k", "resnet152.a1_in1k",
		"resnext50_32x4d.a1_in1k", "wide_resnet50_2.racm_in1k",
	}
}

// unknown returns the error for a spec that names nothing.
func unknown(spec string) error {
	for _, r := range releases() {
		if r.version == 0 && r.architecture == spec {
			return fmt.Errorf("weights %s: no such file; the weights for CIFAR-10 are called %s", spec, r.name())
		}
	}
	architecture, _, _ := strings.Cut(strings.TrimPrefix(spec, "timm/"), ".")
	if _, err := resnet.ByName(spec); err == nil || supported.MatchString(architecture) {
		return fmt.Errorf("weights %s: no such file, and no published weights of that name are known; give a file, a URL, or a name such as resnet50 or resnet50.a1_in1k", spec)
	}
	return fmt.Errorf("weights %s: neither a file nor a URL nor a name such as resnet50, resnet50.a1_in1k or ResNet50_Weights.IMAGENET1K_V2", printable.Quote(spec))
}
