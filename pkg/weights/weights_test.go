package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/internal/filetest"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

func TestImageNetClasses(t *testing.T) {
	classes := ImageNetClasses()
	if len(classes) != 1000 {
		t.Fatalf("%d classes, want 1000", len(classes))
	}
	for label, want := range map[int]string{0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 404: "airliner", 817: "sports car", 999: "toilet tissue"} {
		if classes[label] != want {
			t.Errorf("class %d is %q, want %q", label, classes[label], want)
		}
	}
	seen := map[string]bool{}
	for label, name := range classes {
		if name == "" || !printable.Is(name) || strings.TrimSpace(name) != name || seen[name] {
			t.Errorf("class %d is %q", label, name)
		}
		seen[name] = true
	}
}

// checkpointKey is the metadata key of a run's state; see package checkpoint.
const checkpointKey = "residual"

// trained returns a small model like one after training.
func trained(t *testing.T) *Model {
	accuracy := 0.75
	return &Model{
		Config:  small(3),
		Tensors: valued(t, small(3), 0.5),
		Description: Description{
			Transform:     picture.Transform{Resize: 40, Height: 32, Width: 36, Filter: picture.Bicubic},
			Normalization: dataset.Normalization{Mean: [3]float32{0.1, 0.2, 0.3}, Std: [3]float32{0.4, 0.5, 0.6}},
			Classes:       []string{"ant", "bee", "cat"}, Recipe: "fast", Data: "insects", Spec: "dir", Subset: "500",
			Accuracy: &accuracy, Source: "elsewhere",
		},
	}
}

func TestSaveAndOpen(t *testing.T) {
	want := trained(t)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want.Source = path
	if !reflect.DeepEqual(got, want) {
		t.Errorf("opened %+v, want %+v", got.Description, want.Description)
	}
	file, err := ReadFile(path)
	if err != nil || file.Metadata["architecture"] != "small" {
		t.Errorf("the metadata is %q, %v", file.Metadata, err)
	}

	// A folder on this machine is not written to the file.
	want.Spec, want.Source = t.TempDir(), path
	folder := want.Spec
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	if got, err := Open(context.Background(), path, Options{}); err != nil || got.Spec != "" || got.Subset != "" {
		t.Errorf("the spec is %q and the subset %q, %v; want none", got.Spec, got.Subset, err)
	}
	if content, err := os.ReadFile(path); err != nil || bytes.Contains(content, []byte(folder)) || bytes.Contains(content, []byte(path)) {
		t.Errorf("the file contains a path of this machine, %v", err)
	}

	store := model.NewStore()
	for range 2 { // into a store without the variables and one that has them
		if err := got.Restore(store, "/net"); err != nil {
			t.Fatal(err)
		}
	}
	if restored := values(t, store.Scope("/net")); !reflect.DeepEqual(restored, want.Tensors) {
		t.Error("the variables are not the model's")
	}
}

// Weights without a head are accepted only for a network that gets a new one.
func TestOpenWithoutAHead(t *testing.T) {
	m := trained(t)
	headless := map[string]statedict.Tensor{}
	for name, tensor := range m.Tensors {
		if !isHead(name) {
			headless["backbone."+name] = tensor
		}
	}
	path := filepath.Join(t.TempDir(), "backbone.safetensors")
	if err := (&statedict.Dict{Tensors: headless}).Save(path); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), path, Options{})
	filetest.CheckRefused(t, "no head", err, path, "without a head")
	got, err := Open(context.Background(), path, Options{NewHead: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.Config.Classes != 1 || !reflect.DeepEqual(got.Config.Blocks, m.Config.Blocks) || len(got.Tensors) != len(m.Tensors) {
		t.Errorf("%d tensors of %+v, want the %d of %+v with one class", len(got.Tensors), got.Config, len(m.Tensors), m.Config)
	}
	// Weights with a head keep it.
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	if got, err := Open(context.Background(), path, Options{NewHead: true}); err != nil || !reflect.DeepEqual(got.Tensors, m.Tensors) {
		t.Errorf("the head was not kept, %v", err)
	}
}

func TestOpenURL(t *testing.T) {
	t.Setenv("RESIDUAL_CACHE", t.TempDir())
	want := trained(t)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"/m.safetensors": content, "/text": []byte("no weights")}
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(files[r.URL.Path]))
	}))
	defer server.Close()
	address := func(base, name string) string {
		return fmt.Sprintf("%s%s#sha256=%x", base, name, sha256.Sum256(files[name]))
	}
	spec := address(strings.Replace(server.URL, "//", "//me:secret@", 1), "/m.safetensors")
	for range 2 { // from the network and from the cache
		got, err := Open(context.Background(), spec, Options{})
		if err != nil {
			t.Fatal(err)
		}
		want.Source = strings.Replace(spec, "secret", "xxxxx", 1)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("opened %+v, want %+v", got.Description, want.Description)
		}
	}
	if requests != 1 {
		t.Errorf("%d requests, want one", requests)
	}
	_, err = Open(context.Background(), address(server.URL, "/text"), Options{})
	filetest.CheckRefused(t, "text", err, "not a file of weights")
}

// Invalid descriptions are found on saving and on opening.
func TestModelsAreChecked(t *testing.T) {
	nan, over := float32(math.NaN()), 1.5
	for name, test := range map[string]struct {
		change func(*Model)
		want   string
	}{
		"too few classes": {func(m *Model) { m.Classes = m.Classes[:2] }, "2 class names for 3 classes"},
		"a control sequence": {func(m *Model) { m.Classes = []string{"ant", "bee", "\x1b[2J"} },
			`class name "\x1b[2J" is not printable`},
		"no transform":        {func(m *Model) { m.Transform = picture.Transform{} }, "resize of 0 pixels"},
		"a huge transform":    {func(m *Model) { m.Transform.Width = 1 << 30 }, "width of 1073741824 pixels"},
		"no such filter":      {func(m *Model) { m.Transform.Filter = "lanczos" }, "lanczos"},
		"a std of 0":          {func(m *Model) { m.Normalization.Std[1] = 0 }, "standard deviations ["},
		"an accuracy of 150%": {func(m *Model) { m.Accuracy = &over }, "accuracy 1.5"},
		"no blocks":           {func(m *Model) { m.Config.Blocks = nil }, "no stages"},
	} {
		m := trained(t)
		test.change(m)
		path := filepath.Join(t.TempDir(), "m.safetensors")
		filetest.CheckRefused(t, name+" saved", m.Save(path), path, test.want)
		text, err := json.Marshal(described{m.Config, m.Description})
		if err != nil {
			t.Fatal(err)
		}
		file := &File{Path: path, Tensors: m.Tensors, Metadata: map[string]string{modelKey: string(text)}}
		_, err = file.Model(hub.Origin{}, "")
		filetest.CheckRefused(t, name+" read", err, test.want)
	}
	m := trained(t)
	m.Tensors["bn1.bias"].Data[1] = nan
	filetest.CheckRefused(t, "NaN", m.Save(filepath.Join(t.TempDir(), "m")), "bn1.bias contains NaN", "diverged")
	m.Normalization.Mean[0] = nan
	filetest.CheckRefused(t, "a mean of NaN", m.Save(filepath.Join(t.TempDir(), "m")), "means")

	for name, test := range map[string]struct {
		metadata map[string]string
		want     string
	}{
		"no JSON":            {map[string]string{modelKey: "{"}, "read the description"},
		"a list":             {map[string]string{modelKey: "[]"}, "read the description"},
		"an empty one":       {map[string]string{modelKey: "{}"}, "no stages"},
		"no JSON of a run's": {map[string]string{checkpointKey: "x"}, "the checkpoint's state"},
		"an empty run's":     {map[string]string{checkpointKey: "{}"}, "no stages"},
		"another network": {map[string]string{modelKey: `{"architecture": {"blocks": [1], "width": 4, "classes": 3}}`},
			"does not match"},
		"more blocks than tensors": {map[string]string{modelKey: `{"architecture": {"blocks": [1, 900], "width": 4, "classes": 3}}`},
			"blocks [1 900] but has"},
		"a thousand million blocks": {map[string]string{modelKey: `{"architecture": {"blocks": [1, 1000000000], "width": 4, "classes": 3}}`},
			"stage 2 has 1000000000 blocks"},
	} {
		_, err := (&File{Tensors: valued(t, small(3), 1), Metadata: test.metadata}).Model(hub.Origin{}, "")
		filetest.CheckRefused(t, name, err, test.want)
	}
}

// What a file says about itself is shown on terminals and must not control them.
func TestDescriptionsArePrintable(t *testing.T) {
	m := trained(t)
	const bad, good = "a\x1b[2J\n\u202eb", "a\ufffd[2J\ufffd\ufffdb"
	m.Config.Name, m.Recipe, m.Data, m.Subset = bad, bad, bad, bad
	text, err := json.Marshal(described{m.Config, m.Description})
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&File{Tensors: m.Tensors, Metadata: map[string]string{modelKey: string(text)}}).Model(hub.Origin{}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{got.Config.Name, got.Recipe, got.Data, got.Subset} {
		if text != good {
			t.Errorf("%q, want %q", text, good)
		}
	}
	m.Config.Blocks = []int{9}
	if text, err = json.Marshal(described{m.Config, m.Description}); err != nil {
		t.Fatal(err)
	}
	_, err = (&File{Tensors: m.Tensors, Metadata: map[string]string{modelKey: string(text)}}).Model(hub.Origin{}, "")
	filetest.CheckRefused(t, "another network of that name", err, good)
}

func TestErrorsStayShort(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	for name, change := range map[string]func(*Model){
		"a class":                        func(m *Model) { m.Classes[0] = long + "\x1b" },
		"a tensor":                       func(m *Model) { m.Tensors[long] = m.Tensors["bn1.bias"] },
		"a tensor that is not printable": func(m *Model) { m.Tensors[long+"\x1b"] = m.Tensors["bn1.bias"] },
	} {
		m := trained(t)
		change(m)
		text, err := json.Marshal(described{m.Config, m.Description})
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&File{Tensors: m.Tensors, Metadata: map[string]string{modelKey: string(text)}}).Model(hub.Origin{}, "")
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s of 1 MiB: an error of %d bytes, want a short one", name, len(fmt.Sprint(err)))
		}
	}
}

func TestCheckpoints(t *testing.T) {
	c, err := resnet.CIFAR(8, 2)
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]any{
		"recipe": map[string]any{"name": "fast", "model": c, "data": "cifar10", "subset": "500",
			"mean": []float32{0.1, 0.2, 0.3}, "deviation": []float32{0.4, 0.5, 0.6}},
		"data": "CIFAR-10", "height": 30, "width": 32, "classes": cifar.CIFAR10.Classes(),
	}
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	tensors := valued(t, c, 1)
	tensors["optimizer.momentum.conv1.weight"] = tensors["conv1.weight"]
	m, err := (&File{Path: "p", Tensors: tensors, Metadata: map[string]string{checkpointKey: string(text)}}).Model(hub.Origin{}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := Description{Transform: picture.Transform{Resize: 30, Height: 30, Width: 32},
		Normalization: dataset.Normalization{Mean: [3]float32{0.1, 0.2, 0.3}, Std: [3]float32{0.4, 0.5, 0.6}}, Classes: cifar.CIFAR10.Classes(),
		Recipe: "fast", Data: "CIFAR-10", Spec: "cifar10", Subset: "500", Source: "p"}
	if !reflect.DeepEqual(m.Config, c) || !reflect.DeepEqual(m.Description, want) || len(m.Tensors) != len(tensors)-1 {
		t.Errorf("it is %+v, %+v with %d tensors", m.Config, m.Description, len(m.Tensors))
	}
}

// TestUsualDescriptions checks what is assumed about files that do not describe themselves.
func TestUsualDescriptions(t *testing.T) {
	imageNet := picture.Transform{Resize: 256, Height: 224, Width: 224, Filter: picture.Bilinear}
	newer := imageNet
	newer.Resize = 232
	small := picture.Transform{Resize: 32, Height: 32, Width: 32}
	for _, test := range []struct {
		model     string
		classes   int
		origin    hub.Origin
		transform picture.Transform
		data      string
		spec      string
		class     string // the second
		notes     int
	}{
		{"resnet18", 1000, hub.Origin{}, imageNet, "ImageNet", "", "goldfish", 1},
		{"resnet18", 1000, hub.Origin{Architecture: "resnet18", Recipe: "IMAGENET1K_V2", Resize: 232}, newer, "ImageNet", "", "goldfish", 0},
		{"resnet18", 5, hub.Origin{}, imageNet, "unknown images", "", "class 1", 1},
		{"resnet20", 10, hub.Origin{}, small, "CIFAR-10", "cifar10", "automobile", 1},
		{"resnet20", 100, hub.Origin{}, small, "CIFAR-100", "cifar100", "aquarium_fish", 1},
		{"resnet20", 7, hub.Origin{}, small, "unknown images", "", "class 1", 1},
	} {
		c := mustByName(t, test.model)
		c.Classes = test.classes
		file := &File{Path: "w.pth", Tensors: declared(t, c)}
		m, err := file.Model(test.origin, "")
		if err != nil {
			t.Errorf("%s of %d classes: %v", test.model, test.classes, err)
			continue
		}
		if m.Transform != test.transform || m.Normalization != dataset.ImageNetNormalization() ||
			m.Data != test.data || m.Spec != test.spec || m.Recipe != test.origin.Recipe || m.Classes[1] != test.class || len(m.Notes) != test.notes {
			t.Errorf("%s of %d classes: %+v, %q", test.model, test.classes, m.Description, m.Notes)
		}
		if told := test.origin.Architecture != ""; m.Assumed.Images == told || told && len(m.Assumed.Alternatives) > 0 {
			t.Errorf("%s of %d classes: assumed is %+v", test.model, test.classes, m.Assumed)
		}
	}
}

func TestArchitectureIsAsAsked(t *testing.T) {
	plain := mustByName(t, "plain20")
	plain.Classes = 7
	file := &File{Tensors: declared(t, plain)}
	if m, err := file.Model(hub.Origin{}, "plain20"); err != nil || !reflect.DeepEqual(m.Config, plain) {
		t.Errorf("it is %+v, %v; want plain20 of 7 classes", m, err)
	}
	_, err := file.Model(hub.Origin{}, "resnet32")
	filetest.CheckRefused(t, "another", err, "does not match resnet32", "missing layer1.3")
	if _, err := file.Model(hub.Origin{}, "resnet1202"); err == nil || !strings.Contains(err.Error(), "too few for resnet1202") {
		t.Errorf("resnet1202: %v, want too few tensors", err)
	}
	_, err = file.Model(hub.Origin{}, "resnet21")
	filetest.CheckRefused(t, "none", err, `unknown model "resnet21"`)
	_, err = (&File{Tensors: declared(t, mustByName(t, "resnet34"))}).Model(hub.Origin{Architecture: "resnet18"}, "")
	filetest.CheckRefused(t, "another than it is called", err, "weights of resnet34, not of resnet18")
}

// timmJSON is config.json as timm writes it.
const timmJSON = `{
  "architecture": "resnet18",
  "num_classes": 1000,
  "num_features": 512,
  "pretrained_cfg": {
    "tag": "a1_in1k",
    "custom_load": false,
    "input_size": [3, 224, 224],
    "test_input_size": [3, 288, 288],
    "fixed_input_size": false,
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "test_crop_pct": 1.0,
    "crop_mode": "center",
    "mean": [0.485, 0.456, 0.5],
    "std": [0.229, 0.224, 0.25],
    "num_classes": 1000,
    "pool_size": [7, 7],
    "first_conv": "conv1",
    "classifier": "fc"
  }
}`

func TestTimmDescribes(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	file := &File{Path: filepath.Join(dir, "model.safetensors"), Tensors: declared(t, mustByName(t, "resnet18"))}
	describe := func(text string) (*Model, error) {
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := file.Model(hub.Origin{}, "")
		return m, err
	}
	m, err := describe(timmJSON)
	if err != nil {
		t.Fatal(err)
	}
	// timm resizes to ⌊224 / 0.95⌋.
	want := picture.Transform{Resize: 235, Height: 224, Width: 224, Filter: picture.Bicubic}
	if m.Transform != want || m.Normalization != (dataset.Normalization{Mean: [3]float32{0.485, 0.456, 0.5}, Std: [3]float32{0.229, 0.224, 0.25}}) ||
		m.Recipe != "a1_in1k" || m.Classes[0] != "tench" {
		t.Errorf("it is described as %+v", m.Description)
	}
	for _, foreign := range []string{"", "[]", "{}", `{"architectures": ["ResNetForImageClassification"]}`, strings.Repeat(" ", 1<<20) + timmJSON} {
		if m, err := describe(foreign); err != nil || m.Transform.Resize != 256 {
			t.Errorf("another program's config.json: %v", err)
		}
	}
	for change, want := range map[[2]string]string{
		{`"bicubic"`, `"lanczos"`}:                    "interpolation lanczos",
		{`0.95`, `0`}:                                 "crop_pct 0",
		{`0.95`, `1.5`}:                               "crop_pct 1.5",
		{`0.95`, `1e-9`}:                              "pixels",
		{`"center"`, `"border"`}:                      "crop_mode border",
		{`[0.485, 0.456, 0.5]`, `[0.5]`}:              "mean [0.5]",
		{`[0.229, 0.224, 0.25]`, `[]`}:                "std []",
		{`[0.229, 0.224, 0.25]`, `[0, 1, 1]`}:         "finite numbers above 0",
		{`[3, 224, 224]`, `[1, 28, 28]`}:              "input_size [1 28 28]",
		{`[3, 224, 224]`, `[3, 0, 224]`}:              "pixels",
		{`"resnet18"`, `"resnetblur18"`}:              "it blurs",
		{`"num_features": 512`, `"label_names": [1]`}: "",
	} {
		m, err := describe(strings.Replace(timmJSON, change[0], change[1], 1))
		if want == "" {
			if err != nil || m.Transform.Resize != 256 {
				t.Errorf("%s: %v", change[1], err)
			}
			continue
		}
		filetest.CheckRefused(t, change[1], err, want)
	}

	// A fine-tuned network names its classes.
	c := mustByName(t, "resnet18")
	c.Classes = 2
	file.Tensors = declared(t, c)
	if m, err = describe(strings.Replace(timmJSON, `"num_features": 512`, `"label_names": ["ant", "bee"]`, 1)); err != nil || fmt.Sprint(m.Classes) != "[ant bee]" {
		t.Errorf("%q, %v", m.Classes, err)
	}
	file.Path = filepath.Join(dir, "resnet18.pth")
	if m, err := file.Model(hub.Origin{}, ""); err != nil || m.Transform.Resize != 256 {
		t.Errorf("a file of another name has timm's description: %v", err)
	}
}

func FuzzDescriptions(f *testing.F) {
	f.Add(timmJSON)
	f.Add(`{"architecture": {"blocks": [1, 2], "block": 1, "stem": 1, "width": 4, "classes": 3}, "classes": ["a", "b", "c"]}`)
	tensors := valued(f, small(3), 1)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, fmt.Sprint(os.Getpid()), "model.safetensors")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, metadata := range []map[string]string{nil, {modelKey: text}, {checkpointKey: text}} {
			m, err := (&File{Path: path, Tensors: tensors, Metadata: metadata}).Model(hub.Origin{}, "")
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("an error of more than one line: %q", err)
				}
				continue
			}
			if err := m.validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzCanonicalAndDetect(f *testing.F) {
	f.Add("module.conv1.weight", uint8(1), "layer1.0.conv1.weight")
	f.Add("conv1.0.weight", uint8(2), "linear.weight")
	f.Add("layer1.999999.conv1.weight", uint8(4), "layer2.-1.x")
	whole := declared(f, small(3))
	f.Fuzz(func(t *testing.T, add string, rank uint8, drop string) {
		tensors := map[string]statedict.Tensor{add: {Shape: make([]int, rank%6)}}
		for name, tensor := range whole {
			if name != drop {
				tensors[name] = tensor
			}
		}
		tensors, _, err := Canonical(tensors)
		if err == nil {
			var c resnet.Config
			if c, err = Detect(tensors); err == nil && c.Validate() != nil {
				t.Errorf("%+v is detected", c)
			}
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("an error of more than one line: %q", err)
		}
	})
}
