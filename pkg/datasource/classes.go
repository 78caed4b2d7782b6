package datasource

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/printable"
)

// synonyms are other names that people give to classes of CIFAR-10, as PyTorch's tutorial does.
var synonyms = map[string]string{
	"plane":     "airplane",
	"aeroplane": "airplane",
	"car":       "automobile",
	"auto":      "automobile",
}

// wordNet has the ids of ImageNet's 1000 classes (ILSVRC 2012) in WordNet 3.0, such as n01440764
// for tench, in the order of the labels.
//
//go:embed imagenet.txt
var wordNet string

// wordNetClass returns the index of the class with the given WordNet id in a network for
// ImageNet's classes, -1 for other names and other networks.
func wordNetClass(name string, classes []string) int {
	const length = 10 // of a line
	if len(classes) != 1000 || classes[0] != "tench" || len(name) != length-1 || name[0] != 'n' {
		return -1
	}
	at := strings.Index(wordNet, strings.ToLower(name)+"\n")
	if at < 0 {
		return -1
	}
	return at / length
}

// MatchClasses returns the images with the classes of a network, given by their names. The
// images' own classes may be fewer and in a different order. They are matched by name: first
// exactly, then without regard to capitals, spaces, hyphens and underscores, and then as
// synonyms (plane for airplane, car for automobile). WordNet ids stand for ImageNet's classes. It
// is an error if a class of the images matches no class of the network, or several.
func MatchClasses(images *dataset.Images, classes []string) (*dataset.Images, error) {
	if slices.Equal(images.Classes, classes) {
		return images, nil
	}
	to := make([]int32, len(images.Classes))
	for i, name := range images.Classes {
		at, err := matchClass(name, classes)
		if err != nil {
			return nil, err
		}
		to[i] = int32(at)
	}
	matched := *images
	matched.Classes = classes
	matched.Labels = make([]int32, len(images.Labels))
	for i, label := range images.Labels {
		matched.Labels[i] = to[label]
	}
	return &matched, nil
}

// matchClass returns the index of the class that name stands for.
func matchClass(name string, classes []string) (int, error) {
	if at := wordNetClass(name, classes); at >= 0 {
		return at, nil
	}
	for _, same := range []func(class string) bool{
		func(class string) bool { return class == name },
		func(class string) bool { return plain(class) == plain(name) },
		func(class string) bool { return synonyms[plain(name)] == class },
	} {
		first, n := -1, 0
		for i, class := range classes {
			if same(class) {
				if n++; n == 1 {
					first = i
				}
			}
		}
		switch {
		case n == 1:
			return first, nil
		case n > 1:
			return 0, fmt.Errorf("%s stands for %d of the network's classes", printable.Quote(name), n)
		}
	}
	const shown = 10
	known := strings.Join(classes[:min(shown, len(classes))], ", ")
	if len(classes) > shown {
		known += ", …"
	}
	return 0, fmt.Errorf("%s is none of the network's %d classes (%s)", printable.Quote(name), len(classes), known)
}

// plain returns a name in lower case, with single spaces for white space, hyphens and
// underscores.
func plain(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(norm.NFC.String(name)), func(r rune) bool {
		return r == '_' || r == '-' || unicode.IsSpace(r)
	}), " ")
}
