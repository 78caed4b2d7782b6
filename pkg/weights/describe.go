package weights

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/resnet"
)

// imageNet has the names of the 1000 classes of ILSVRC 2012, one a line, in the order of the
// labels, in the short form that torchvision's weights bring along.
//
//go:embed imagenet.txt
var imageNet string

// ImageNetClasses returns the names of the 1000 classes of ImageNet, in the order of the
// labels.
func ImageNetClasses() []string {
	return strings.Split(strings.TrimSuffix(imageNet, "\n"), "\n")
}

// The sides, in pixels, that the networks of ImageNet are shown: 256 before the crop, 224
// behind it.
const (
	imageNetResize = 256
	imageNetSide   = 224
	cifarSide      = 32
)

// describe fills in Description for weights that do not describe themselves: from what the
// source says, from timm's config.json beside the file, and where neither says, as it is
// usual for the stem and the number of classes. Notes say what was assumed.
func (m *Model) describe(origin Origin, path string) (notes []string, err error) {
	// The CIFAR networks of Y. Idelbayev were trained with ImageNet's numbers, too.
	m.Description = Description{Normalization: dataset.ImageNetNormalization(), Recipe: origin.Recipe}
	if m.Config.Stem == resnet.CIFARStem {
		m.Transform = picture.Transform{Resize: cifarSide, Height: cifarSide, Width: cifarSide}
	} else {
		m.Transform = picture.Transform{Resize: imageNetResize, Height: imageNetSide, Width: imageNetSide, Filter: picture.Bilinear}
		if origin.Resize > 0 {
			m.Transform.Resize = origin.Resize
		}
	}
	beside, err := readTimm(path)
	if err != nil {
		return nil, err
	}
	switch {
	case beside != nil:
		err = beside.apply(m)
	case origin.Architecture == "":
		notes = append(notes, fmt.Sprintf("the file does not say how pictures are prepared: taken to be %d×%d pixels, normalised as for ImageNet",
			m.Transform.Height, m.Transform.Width))
	}
	if err != nil {
		return nil, err
	}
	if m.Classes != nil {
		return notes, nil
	}
	switch c := m.Config; {
	case c.Stem == resnet.ImageNetStem && c.Classes == 1000:
		m.Classes, m.Data = ImageNetClasses(), "ImageNet"
	case c.Stem == resnet.CIFARStem && c.Classes == 10:
		m.Classes, m.Data, m.Spec = cifar.CIFAR10.Classes(), cifar.CIFAR10.String(), "cifar10"
	case c.Stem == resnet.CIFARStem && c.Classes == 100:
		m.Classes, m.Data, m.Spec = cifar.CIFAR100.Classes(), cifar.CIFAR100.String(), "cifar100"
	default:
		m.Data = "unknown images"
		for class := range c.Classes {
			m.Classes = append(m.Classes, fmt.Sprintf("class %d", class))
		}
		return append(notes, fmt.Sprintf("the file does not name its %d classes", c.Classes)), nil
	}
	if origin.Architecture == "" {
		notes = append(notes, fmt.Sprintf("the file does not name its classes: taken for the %d of %s", m.Config.Classes, m.Data))
	}
	return notes, nil
}

// timmConfigFile lies beside timm's weights.
const timmConfigFile = "config.json"

// timmConfig is what is of use in it.
type timmConfig struct {
	path         string
	Architecture string   `json:"architecture"`
	LabelNames   []string `json:"label_names"`
	Pretrained   *struct {
		Tag           string    `json:"tag"`
		InputSize     []int     `json:"input_size"`
		CropPct       float64   `json:"crop_pct"`
		CropMode      string    `json:"crop_mode"`
		Interpolation string    `json:"interpolation"`
		Mean          []float32 `json:"mean"`
		Std           []float32 `json:"std"`
	} `json:"pretrained_cfg"`
}

// readTimm reads it for the weights at path. It returns nil if these have no name of timm's,
// or if the file is not there or another program's.
func readTimm(path string) (*timmConfig, error) {
	if name := filepath.Base(path); name != timmWeights && name != "pytorch_model.bin" {
		return nil, nil
	}
	path = filepath.Join(filepath.Dir(path), timmConfigFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what is beside the weights: %w", err)
	}
	if info.Size() > maxConfig {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what is beside the weights: %w", err)
	}
	c := &timmConfig{path: path}
	if json.Unmarshal(text, c) != nil || c.Pretrained == nil {
		return nil, nil
	}
	return c, nil
}

// maxConfig bounds config.json, in bytes: timm's have about 2 kB, or 30 with label names.
const maxConfig = 1 << 20

// apply takes over how pictures are prepared, as timm.data.resolve_data_config reads it, and
// the names of the classes if there are any.
func (c *timmConfig) apply(m *Model) error {
	if reason := refusedByName(c.Architecture); reason != "" {
		return fmt.Errorf("%s says that it is %s: %s", c.path, c.Architecture, reason)
	}
	p := c.Pretrained
	wrong := func(key string, value any) error {
		return fmt.Errorf("%s has %s %v, which makes no sense here; remove the file to go by the usual settings", c.path, key, value)
	}
	switch {
	case len(p.InputSize) != 3 || p.InputSize[0] != 3:
		return wrong("input_size", p.InputSize)
	case !(p.CropPct > 0 && p.CropPct <= 1):
		return wrong("crop_pct", p.CropPct)
	case p.CropMode != "" && p.CropMode != "center":
		return wrong("crop_mode", p.CropMode)
	case len(p.Mean) != 3:
		return wrong("mean", p.Mean)
	case len(p.Std) != 3:
		return wrong("std", p.Std)
	case p.Interpolation != string(picture.Bilinear) && p.Interpolation != string(picture.Bicubic):
		return wrong("interpolation", p.Interpolation)
	}
	height, width := p.InputSize[1], p.InputSize[2]
	// timm rounds down.
	m.Transform = picture.Transform{Resize: int(float64(min(height, width)) / p.CropPct), Height: height, Width: width,
		Filter: picture.Filter(p.Interpolation)}
	m.Normalization = dataset.Normalization{Mean: [3]float32(p.Mean), Std: [3]float32(p.Std)}
	m.Recipe = printable(p.Tag)
	if len(c.LabelNames) == m.Config.Classes {
		m.Classes, m.Data = c.LabelNames, "images of "+fmt.Sprint(m.Config.Classes)+" classes"
	}
	return nil
}
