package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
)

// Config is what timm's config.json says about the weights beside it.
type Config struct {
	// Transform prepares an image, and Normalization normalises its pixels.
	Transform     picture.Transform
	Normalization dataset.Normalization
	// Recipe is timm's tag for how the weights were trained, such as a1_in1k.
	Recipe string
	// Classes are the names of the classes; nil if the file has none.
	Classes []string
}

// ReadConfig reads the config.json beside the weights at path. It returns nil if the weights
// do not have one of the names that timm uses, or if there is no config.json of timm's. It
// is an error if the architecture is not supported or a setting makes no sense.
func ReadConfig(path string) (*Config, error) {
	if name := filepath.Base(path); name != timmWeights && name != "pytorch_model.bin" {
		return nil, nil
	}
	path = filepath.Join(filepath.Dir(path), timmConfig)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() > maxConfig) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the description beside the weights: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the description beside the weights: %w", err)
	}
	var content configJSON
	if json.Unmarshal(text, &content) != nil || content.Pretrained == nil {
		return nil, nil
	}
	config, err := content.config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// configJSON has the fields of config.json that we use.
type configJSON struct {
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

// config interprets the fields as timm.data.resolve_data_config does.
func (c *configJSON) config() (*Config, error) {
	if reason := unsupported(c.Architecture); reason != "" {
		return nil, fmt.Errorf("the weights are for %s: %s", c.Architecture, reason)
	}
	p := c.Pretrained
	invalid := func(key string, value any) error {
		return fmt.Errorf("unsupported %s %v; remove the file to use the default settings", key, value)
	}
	switch {
	case len(p.InputSize) != 3 || p.InputSize[0] != 3:
		return nil, invalid("input_size", p.InputSize)
	case !(p.CropPct > 0 && p.CropPct <= 1):
		return nil, invalid("crop_pct", p.CropPct)
	case p.CropMode != "" && p.CropMode != "center":
		return nil, invalid("crop_mode", p.CropMode)
	case len(p.Mean) != 3:
		return nil, invalid("mean", p.Mean)
	case len(p.Std) != 3:
		return nil, invalid("std", p.Std)
	case p.Interpolation != string(picture.Bilinear) && p.Interpolation != string(picture.Bicubic):
		return nil, invalid("interpolation", p.Interpolation)
	}
	height, width := p.InputSize[1], p.InputSize[2]
	return &Config{
		Transform: picture.Transform{
			Resize: int(float64(min(height, width)) / p.CropPct), // rounded down, as in timm
			Height: height, Width: width, Filter: picture.Filter(p.Interpolation),
		},
		Normalization: dataset.Normalization{Mean: [3]float32(p.Mean), Std: [3]float32(p.Std)},
		Recipe:        printable.Replace(p.Tag), Classes: c.LabelNames,
	}, nil
}
