package weights

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
)

// imageNet has the names of the 1000 classes of ILSVRC 2012, one per line, in the order of
// the labels, in the short form that torchvision's weights use.
//
//go:embed imagenet.txt
var imageNet string

// ImageNetClasses returns the names of the 1000 classes of ImageNet, in the order of the
// labels.
func ImageNetClasses() []string {
	return strings.Split(strings.TrimSuffix(imageNet, "\n"), "\n")
}

// Image sizes in pixels: for ImageNet's networks before and after the crop, and for CIFAR's.
const (
	imageNetResize = 256
	imageNetSide   = 224
	cifarSide      = 32
)

// describe fills in Description for weights that do not describe themselves: from what the
// source says, from timm's config.json beside the file, and otherwise with the usual settings
// for the stem and the number of classes. Assumed and the notes tell the user what was assumed.
func (m *Model) describe(origin hub.Origin, path string) (notes []string, err error) {
	m.Description = Description{Normalization: dataset.ImageNetNormalization(), Recipe: origin.Recipe}
	if origin.Normalization != nil {
		m.Normalization = *origin.Normalization
	}
	if m.Config.Stem != resnet.ImageNetStem {
		m.Transform = picture.Transform{Resize: cifarSide, Height: cifarSide, Width: cifarSide}
	} else {
		m.Transform = picture.Transform{Resize: imageNetResize, Height: imageNetSide, Width: imageNetSide, Filter: picture.Bilinear}
		if origin.Resize > 0 {
			m.Transform.Resize = origin.Resize
		}
	}
	config, err := hub.ReadConfig(path)
	switch {
	case err != nil:
		return nil, err
	case config != nil:
		m.Transform, m.Normalization, m.Recipe = config.Transform, config.Normalization, config.Recipe
		if len(config.Classes) == m.Config.Classes {
			m.Classes, m.Data = config.Classes, fmt.Sprintf("images of %d classes", m.Config.Classes)
		}
	case origin.Architecture == "":
		m.Assumed.Images = true
	}
	if origin.Architecture == "" && config == nil {
		m.Assumed.Alternatives = m.Config.Variants()[1:]
	}
	if m.Classes != nil {
		return notes, nil
	}
	switch c := m.Config; {
	case c.Stem == resnet.ImageNetStem && c.Classes == 1000:
		m.Classes, m.Data = ImageNetClasses(), "ImageNet"
	case c.Stem != resnet.ImageNetStem && c.Classes == 10:
		m.Classes, m.Data, m.Spec = cifar.CIFAR10.Classes(), cifar.CIFAR10.String(), "cifar10"
	case c.Stem != resnet.ImageNetStem && c.Classes == 100:
		m.Classes, m.Data, m.Spec = cifar.CIFAR100.Classes(), cifar.CIFAR100.String(), "cifar100"
	default:
		m.Data = "unknown images"
		for class := range c.Classes {
			m.Classes = append(m.Classes, fmt.Sprintf("class %d", class))
		}
		return append(notes, fmt.Sprintf("the file does not name its %d classes", c.Classes)), nil
	}
	if origin.Architecture == "" {
		notes = append(notes, fmt.Sprintf("the file does not name its classes; assuming the %d of %s", m.Config.Classes, m.Data))
	}
	return notes, nil
}
