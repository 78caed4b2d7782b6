package recipe

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/picture"
)

func byName(t *testing.T, name string) Recipe {
	t.Helper()
	r, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNamedRecipesAreAsDocumented(t *testing.T) {
	cifar := dataset.Normalization{Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.247, 0.2435, 0.2616}}
	half := dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}}
	cropAndFlip := dataset.Augment{Crop: 4, Flip: true}
	for model, want := range map[string]Recipe{
		"resnet50": {
			Name: "article", Epochs: 10, BatchSize: 64,
			LearningRate: 0.001, Schedule: optim.Schedule{Kind: optim.Constant}, Momentum: 0.9,
			DecayNormsAndBiases: true, Normalization: half, Seed: 42,
		},
		"resnet20": {
			Name: "paper", Epochs: 164, BatchSize: 128,
			LearningRate: 0.1, Schedule: optim.Schedule{Kind: optim.MultiStep, Milestones: []float64{0.5, 0.75}, Gamma: 0.1},
			Momentum: 0.9, WeightDecay: 1e-4, DecayNormsAndBiases: true,
			Augment: cropAndFlip, Normalization: cifar, Seed: 42,
		},
	} {
		got := byName(t, want.Name)
		if got.Model.Name != model {
			t.Errorf("%s trains %s, want %s", want.Name, got.Model.Name, model)
		}
		got.Model = want.Model
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", want.Name, got, want)
		}
	}
	tuned := byName(t, FineTune)
	if tuned.BatchSize != 64 || tuned.LearningRate != 0.01 || tuned.HeadLearningRateMultiplier != 10 || tuned.Freeze != "" || !tuned.FreezeNorms || tuned.Augment != cropAndFlip {
		t.Errorf("finetune is %+v", tuned)
	}
	if head := byName(t, "head"); head.BatchSize != 64 || head.HeadLearningRateMultiplier != 0 || head.Freeze != "body" || head.WeightDecay != 0 || head.Augment != (dataset.Augment{}) {
		t.Errorf("head is %+v", head)
	}
	fast := byName(t, "fast")
	if fast.Model.Name != "resnet20" || fast.Epochs != 10 || fast.BatchSize != 128 || !fast.Nesterov || fast.Momentum != 0.9 ||
		fast.Schedule.Kind != optim.OneCycle || fast.LearningRate != 0.4 || fast.WeightDecay != 5e-4 || fast.Augment != cropAndFlip {
		t.Errorf("fast is %+v", fast)
	}
	// It rises linearly from 1/25 of the peak, and falls to a ten-thousandth of that.
	for _, at := range []struct {
		step int
		want float64
	}{{0, 0.016}, {299, 0.4}, {999, 1.6e-6}} {
		if got := fast.Schedule.Rate(fast.LearningRate, at.step, 1000); math.Abs(got-at.want) > 1e-9 {
			t.Errorf("fast has rate %g at step %d of 1000, want %g", got, at.step, at.want)
		}
	}
	// The paper divides the rate after 32,000 and 48,000 of 64,000 steps; we do at the nearest epoch.
	paper := byName(t, "paper")
	const perEpoch = 391
	for epoch, want := range map[int]float64{0: 0.1, 81: 0.1, 82: 0.01, 122: 0.01, 123: 0.001, 163: 0.001} {
		for _, step := range []int{epoch * perEpoch, epoch*perEpoch + perEpoch - 1} {
			if got := paper.Schedule.Rate(paper.LearningRate, step, 164*perEpoch); math.Abs(got-want) > 1e-12 {
				t.Errorf("paper has rate %g in epoch %d (step %d), want %g", got, epoch, step, want)
			}
		}
	}
}

func TestEveryNamedRecipeIsValid(t *testing.T) {
	for _, name := range Names() {
		r := byName(t, name)
		if r.Name != name {
			t.Errorf("the recipe %s calls itself %s", name, r.Name)
		}
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.Optimizer() // would panic
	}
	_, err := ByName("slow")
	if want := `unknown recipe "slow"; the recipes are article, paper, fast, quick, best, finetune, head`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestNamedRecipesAreIndependent(t *testing.T) {
	changed := byName(t, "paper")
	changed.Schedule.Milestones[0] = 0.1
	changed.Model.Blocks[0] = 99
	byName(t, "quick").Sizes[0].Pixels = 1
	if r := byName(t, "quick"); r.Sizes[0].Pixels == 1 {
		t.Error("changing the sizes of one copy of a recipe changed the next")
	}
	if r := byName(t, "paper"); r.Schedule.Milestones[0] != 0.5 || r.Model.Blocks[0] != 3 {
		t.Error("changing one copy of a recipe changed the next")
	}
}

func TestValidateRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		change func(r *Recipe)
		want   string
	}{
		{func(r *Recipe) { r.Model.Classes = 0 }, "0 classes"},
		{func(r *Recipe) { r.Schedule.Kind = "none" }, `unknown schedule "none"`},
		{func(r *Recipe) { r.Epochs = 0 }, "0 epochs"},
		{func(r *Recipe) { r.BatchSize = 1 }, "batch size 1"},
		{func(r *Recipe) { r.Epochs = 1e12 }, "1000000000000 epochs, want at most 1000000"},
		{func(r *Recipe) { r.BatchSize = 1 << 40 }, "batch size 1099511627776, want at most 65536"},
		{func(r *Recipe) { r.Augment.Crop = -1 }, "crop -1"},
		{func(r *Recipe) { r.Augment.Cutout = 1 << 40 }, "cutout 1099511627776"},
		{func(r *Recipe) { r.Transform = &picture.Transform{Resize: 32, Height: 32, Width: 1e9} }, "width of 1000000000 pixels"},
		{func(r *Recipe) { r.Model.Blocks = []int{9999999} }, "stage 1 has 9999999 blocks"},
		{func(r *Recipe) { r.Precision = "float8" }, `unknown precision "float8"; the precisions are float32, bfloat16`},
		{func(r *Recipe) { r.Devices = -1 }, "-1 devices"},
		{func(r *Recipe) { r.Devices, r.BatchSize = 3, 128 }, "batches of 128 cannot be shared out to 3 devices"},
		{func(r *Recipe) { r.Devices, r.BatchSize, r.LocalNorms = 4, 4, true }, "batches of 4 leave too few images for local batch norm on each of 4 devices"},
		{func(r *Recipe) { r.LearningRate = 0 }, "learning rate 0"},
		{func(r *Recipe) { r.LearningRate = nan }, "learning rate NaN"},
		{func(r *Recipe) { r.LearningRate = inf }, "learning rate +Inf"},
		{func(r *Recipe) { r.Momentum = 1 }, "momentum 1"},
		{func(r *Recipe) { r.Momentum = -0.5 }, "momentum -0.5"},
		{func(r *Recipe) { r.Momentum = nan }, "momentum NaN"},
		{func(r *Recipe) { r.Momentum = 0 }, "Nesterov needs a momentum"},
		{func(r *Recipe) { r.WeightDecay = -1 }, "weight decay -1"},
		{func(r *Recipe) { r.WeightDecay = nan }, "weight decay NaN"},
		{func(r *Recipe) { r.WeightDecay = inf }, "weight decay +Inf"},
		{func(r *Recipe) { r.LabelSmoothing = 1 }, "label smoothing 1"},
		{func(r *Recipe) { r.LabelSmoothing = nan }, "label smoothing NaN"},
		{func(r *Recipe) { r.Muon = -1 }, "Muon's multiple of the learning rate -1"},
		{func(r *Recipe) { r.Muon = nan }, "Muon's multiple of the learning rate NaN"},
		{func(r *Recipe) { r.Muon = inf }, "Muon's multiple of the learning rate +Inf"},
		{func(r *Recipe) { r.Sizes = dataset.Sizes{{Until: 1.5, Pixels: 16}} }, "recipe fast: sizes: images of 16 pixels until 1.5"},
		{func(r *Recipe) { r.Validation = -1 }, "-1 validation images"},
		{func(r *Recipe) { r.Normalization.Std[2] = 0 }, "recipe fast: normalization: standard deviations [0.247 0.2435 0]"},
		{func(r *Recipe) { r.HeadLearningRateMultiplier = -1 }, "head learning-rate multiplier -1"},
		{func(r *Recipe) { r.HeadLearningRateMultiplier = nan }, "head learning-rate multiplier NaN"},
		{func(r *Recipe) { r.HeadLearningRateMultiplier = inf }, "head learning-rate multiplier +Inf"},
		{func(r *Recipe) { r.Freeze = "layer4" }, `unknown part "layer4" of resnet20`},
		{func(r *Recipe) { r.Normalization.Mean[1] = float32(nan) }, "means [0.4914 NaN"},
	} {
		r := byName(t, "fast")
		test.change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	changed := byName(t, "paper")
	changed.Model.PreActivation, changed.Model.Groups, changed.Data, changed.Subset = true, 2, "cifar10", "first 5"
	changed.DecayNormsAndBiases, changed.LabelSmoothing, changed.Augment.Cutout, changed.Seed = false, 0.1, 8, math.MaxUint64
	changed.Start, changed.HeadLearningRateMultiplier, changed.Freeze, changed.FreezeNorms = "resnet50", 10, "layer2", true
	changed.Transform = &picture.Transform{Resize: 256, Height: 224, Width: 224, Filter: picture.Bicubic}
	changed.Validation, changed.Muon, changed.Sizes = 500, 0.25, dataset.Sizes{{Until: 0.3, Pixels: 16}, {Until: 0.6, Pixels: 24}}
	for _, want := range []Recipe{byName(t, "article"), byName(t, "paper"), byName(t, "fast"), byName(t, "quick"), byName(t, "best"), byName(t, FineTune), changed} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Recipe
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	for text, want := range map[string]struct {
		key   string
		known string // one of the keys there are
	}{
		`{"epochs": 1, "learning_rat": 0.1}`:               {"learning_rat", "learning_rate"},
		`{"Epochs": 1}`:                                    {"Epochs", "epochs"}, // encoding/json would take it
		`{"schedule": {"kind": "step", "milestone": [1]}}`: {"schedule.milestone", "schedule.milestones"},
		`{"model": {"block": ["no block"], "deep": 1}}`:    {"model.deep", "model.width"},
		`{"sizes": [{"until": 0.3}, {"pixel": 16}]}`:       {"sizes.pixel", "sizes.pixels"},
		`{"transform": {"size": 32}}`:                      {"transform.size", "transform.resize"},
		`{"normalization": {"deviation": [1, 1, 1]}}`:      {"normalization.deviation", "normalization.std"},
	} {
		err := json.Unmarshal([]byte(text), &Recipe{})
		unknown, ok := errors.AsType[*UnknownKeyError](err)
		if !ok || unknown.Key != want.key || !slices.Contains(unknown.Known, want.known) || !strings.Contains(err.Error(), "unknown key "+want.key) {
			t.Errorf("%s: got %v, want the unknown key %s, and %s among the known ones", text, err, want.key, want.known)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"seed": 1, "epochs": 2, "seed": 3}`:       "the key seed appears twice",
		`{"model": {"width": 1, "width": 2}}`:       "the key model.width appears twice",
		`{"epochs": "two"}`:                         "epochs: got a string, want a whole number",
		`{"epochs": 1.5}`:                           "epochs: got 1.5, want a whole number",
		`{"seed": -1}`:                              "seed: got -1, want a whole number, at least 0",
		`{"learning_rate": 1e999}`:                  "learning_rate: got 1e999, want a number",
		`{"schedule": {"kind": 1}}`:                 "schedule.kind: got a number, want a string",
		`{"model": {"blocks": 3}}`:                  "model.blocks: got a number, want a list",
		`{"sizes": [{"until": 0.1, "until": 0.2}]}`: "the key sizes.until appears twice",
		`{"sizes": [16, 24]}`:                       "sizes: got a number, want an object",
		`{"sizes": {"until": 0.5}}`:                 "sizes: got an object, want a list",
		`{"augment": true}`:                         "augment: got true or false, want an object",
		`{"nesterov": 1}`:                           "nesterov: got a number, want true or false",
		`[]`:                                        "got a list, want an object",
	} {
		if err := json.Unmarshal([]byte(text), &Recipe{}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestDifferences(t *testing.T) {
	before := byName(t, "paper")
	if d := before.Differences(byName(t, "paper")); len(d) > 0 {
		t.Errorf("equal recipes differ in %v", d)
	}
	after := byName(t, "paper")
	after.Schedule.Milestones = []float64{}
	before.Schedule.Milestones = nil
	if d := before.Differences(after); len(d) > 0 {
		t.Errorf("an empty list and none differ in %v", d)
	}
	after.Model.Blocks, after.Model.Stem, after.Model.Plain = []int{3, 3}, 0, true
	after.Transform, after.Seed, after.Start = &picture.Transform{Resize: 1, Height: 2, Width: 3}, math.MaxUint64, "<a>"
	after.LearningRate, after.Schedule.Gamma = 0.3, 0.2
	want := []Difference{
		{"model.stem", `"cifar"`, `"imagenet"`},
		{"model.blocks", "[3,3,3]", "[3,3]"},
		{"model.plain", "false", "true"},
		{"transform", "null", `{"resize":1,"height":2,"width":3}`},
		{"start", `""`, `"<a>"`},
		{"learning_rate", "0.1", "0.3"},
		{"schedule.gamma", "0.1", "0.2"},
		{"seed", "42", "18446744073709551615"},
	}
	if got := before.Differences(after); !reflect.DeepEqual(got, want) {
		t.Errorf("the differences are %v, want %v", got, want)
	}
	before.Transform = &picture.Transform{Resize: 1, Height: 2, Width: 4}
	if got, want := before.Differences(after)[3], (Difference{"transform.width", "4", "3"}); got != want {
		t.Errorf("the transforms differ in %v, want %v", got, want)
	}
}

// Recipes written before fine-tuning and mixed precision existed still mean the same.
func TestUnusedFieldsAreOmitted(t *testing.T) {
	text, err := json.Marshal(byName(t, "fast"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"transform", "start", "head_learning_rate_multiplier", "freeze", "precision", "devices", "local_norms", "validation", "sizes", "muon"} {
		if strings.Contains(string(text), key) {
			t.Errorf("the recipe fast has the key %q in %s", key, text)
		}
	}
}

func TestHeadLearningRateMultiplier(t *testing.T) {
	r := byName(t, "fast")
	for _, test := range []struct {
		multiplier float64
		path       string
		want       float64
	}{
		{0, "/model/fc/weight", 1},
		{10, "/model/fc/weight", 10},
		{10, "/model/fc/bias", 10},
		{10, "/model/layer1/0/conv1/weight", 1},
		{0.5, "/model/bn1/bias", 1},
	} {
		r.HeadLearningRateMultiplier = test.multiplier
		if got := r.learningRateMultiplier(test.path); got != test.want {
			t.Errorf("with a multiplier of %g for the head, %s has %g, want %g", test.multiplier, test.path, got, test.want)
		}
	}
}

func TestBatchesFollowTheRecipe(t *testing.T) {
	images := &dataset.Images{Name: "grey", Classes: []string{"one"}, Height: 8, Width: 8, Labels: make([]int32, 21)}
	images.Pixels = make([]byte, images.Len()*images.ImageSize())
	r := byName(t, "paper")
	r.BatchSize, r.Epochs = 4, 3
	for _, test := range []struct {
		dropLast           bool
		first, want, sizes int
	}{{false, 0, 18, 63}, {true, 0, 15, 60}, {false, 5, 13, 43}} { // the sixth batch is of one
		r.DropLast = test.dropLast
		batches, err := r.Batches(images, test.first)
		if err != nil {
			t.Fatal(err)
		}
		n, sizes := 0, 0
		for batch, err := range batches.Iter() {
			if err != nil {
				t.Fatal(err)
			}
			n++
			sizes += batch.Labels[0].Shape().Dim(0)
		}
		if n != test.want || sizes != test.sizes {
			t.Errorf("DropLast %v from step %d: %d batches with %d images, want %d with %d", test.dropLast, test.first, n, sizes, test.want, test.sizes)
		}
	}
	r.Augment.Crop = 9
	if _, err := r.Batches(images, 0); err == nil {
		t.Error("a crop larger than the images was accepted")
	}
}
