package resnet

import (
	"reflect"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/ml/model"
)

func TestVariants(t *testing.T) {
	for name, want := range map[string]string{
		"resnet20":         "resnet20 plain20 resnet20-pad-end resnet20-pool plain20-pool resnet20-pad-end-pool",
		"plain20":          "plain20 resnet20 resnet20-pad-end plain20-pool resnet20-pool resnet20-pad-end-pool",
		"resnet20-pad-end": "resnet20-pad-end plain20 resnet20 resnet20-pad-end-pool plain20-pool resnet20-pool",
		"resnet18":         "resnet18",
		"resnet18-cifar":   "resnet18-cifar resnet18-cifar-pool",
		"plain18":          "plain18 resnet18-basic-2-2-2-2-w64-shortcutA resnet18-basic-2-2-2-2-w64-pad-end",
		"resnet50":         "resnet50 resnet50-v1",
		"resnet50-v1":      "resnet50-v1 resnet50",
		"resnext50_32x4d":  "resnext50_32x4d resnext50_32x4d-v1",
		"resnet50-cifar":   "resnet50-cifar resnet50-cifar-v1 resnet50-cifar-pool resnet50-cifar-pool-v1",
		"resnet32-basic-5-5-5-w16-cifar-shortcutC": "resnet32-basic-5-5-5-w16-cifar-shortcutC resnet32-basic-5-5-5-w16-cifar-shortcutC-pool",
		"resnet6-basic-2-w16":                      "resnet6-basic-2-w16 plain6-basic-2-w16",
		"plain6-basic-2-w16":                       "plain6-basic-2-w16 resnet6-basic-2-w16",
		"resnet6-basic-2-w16-shortcutC":            "resnet6-basic-2-w16-shortcutC",
	} {
		config, err := ByName(name)
		if err != nil {
			t.Error(err)
			continue
		}
		var names []string
		for _, variant := range config.Variants() {
			names = append(names, variant.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("the variants of %s are %s, want %s", name, got, want)
		}
	}
}

// The variants have the same weights, and none is there twice.
func TestVariantsHaveTheSameWeights(t *testing.T) {
	shapes := func(c Config) map[string]string {
		store := model.NewStore()
		if err := c.Declare(store.RootScope()); err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for variable := range store.IterVariables() {
			found[variable.Path()] = variable.Shape().String()
		}
		return found
	}
	for name, config := range tiny() {
		config.ZeroInitResidual = !config.Plain
		want := shapes(config)
		variants := config.Variants()
		if !reflect.DeepEqual(variants[0], config) {
			t.Errorf("%s: the first variant is %+v, want %+v", name, variants[0], config)
		}
		for i, variant := range variants {
			if err := variant.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !reflect.DeepEqual(shapes(variant), want) {
				t.Errorf("%s: the variant %s has other weights", name, variant.Name)
			}
			for _, other := range variants[:i] {
				if same(variant, other) {
					t.Errorf("%s: %s is there twice", name, variant.Name)
				}
			}
		}
	}
}
