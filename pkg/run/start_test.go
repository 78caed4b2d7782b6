package run

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/checkpoint"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/statedict"
)

// fineTuning returns a run that starts from weights for everything but the last layer. The last
// layer has its own learning rate, and the first part of the rest is frozen.
func fineTuning() (recipe.Recipe, Options) {
	r, options := testRecipe(), testOptions()
	r.Start, r.HeadLearningRateMultiplier, r.Freeze = "a test", 4, "layer1"
	made := r
	made.Seed++
	store, err := declare(made)
	if err == nil {
		err = store.InitializeVariables(options.Backend, nil)
	}
	if err == nil {
		options.Start, err = statedict.FromScope(store.Scope(ModelPath))
	}
	if err != nil {
		panic(err)
	}
	maps.DeleteFunc(options.Start, func(name string, _ statedict.Tensor) bool { return strings.HasPrefix(name, "fc.") })
	options.Start["bn1.running_mean"].Data[0] = 0.25 // differs from what the seed gives
	return r, options
}

// changed returns the names of the weights that differ between two states of a network.
func changed(before, after map[string]statedict.Tensor) []string {
	var names []string
	for name, tensor := range before {
		if !slices.Equal(tensor.Data, after[name].Data) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestStartedRunIsResumableBeforeItsFirstStep(t *testing.T) {
	r, options := fineTuning()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the run still finishes its first step
	if _, err := Train(ctx, dir, r, options); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("a cancelled run ended with %v, want ErrInterrupted", err)
	}
	start, err := checkpoint.Load(checkpointPath(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	if names := changed(options.Start, start.Weights); len(names) > 0 || start.Step != 0 {
		t.Errorf("the checkpoint of step %d differs from the weights to start from in %v", start.Step, names)
	}
	unstarted, err := declare(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := unstarted.InitializeVariables(options.Backend, nil); err != nil {
		t.Fatal(err)
	}
	seeds, err := statedict.FromScope(unstarted.Scope(ModelPath))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(start.Weights["fc.weight"].Data, seeds["fc.weight"].Data) {
		t.Error("the last layer, which is not among the weights to start from, differs from what the seed gives")
	}

	whole := t.TempDir()
	if _, err := Train(context.Background(), whole, r, options); err != nil {
		t.Fatal(err)
	}
	// As if the run had been killed before it saved its first step.
	if err := os.Remove(checkpointPath(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(finalWeights(t, dir), finalWeights(t, whole)) {
		t.Error("the interrupted and resumed run ended with different weights")
	}
}

func TestStartedKilledAndResumedGivesTheSameBits(t *testing.T) {
	r, options := fineTuning()
	dir := t.TempDir()
	if _, err := Train(context.Background(), dir, r, options); err != nil {
		t.Fatal(err)
	}
	if got := killedAndResumed(t, startEnv+"=1"); !maps.Equal(got, finalWeights(t, dir)) {
		t.Error("the killed and resumed run ended with different weights")
	}
}

// A run that is killed after saving the weights to start from, but before its recipe, can be
// started again.
func TestStartedOverWithoutARecipe(t *testing.T) {
	r, options := fineTuning()
	r.Epochs = 1
	dir := t.TempDir()
	start, err := startingPoint(r, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, checkpointDir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := start.Save(checkpointPath(dir, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(context.Background(), dir, r, options); err != nil {
		t.Error(err)
	}
}

// The checkpoint that such a run leaves is not used by a run that starts from its seed.
func TestStartedOverWithoutWeights(t *testing.T) {
	r, options := fineTuning()
	start, err := startingPoint(r, options)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, checkpointDir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := start.Save(checkpointPath(dir, 0)); err != nil {
		t.Fatal(err)
	}
	options = testOptions()
	options.Keep = 100
	if _, err := Train(context.Background(), dir, testRecipe(), options); err != nil {
		t.Fatal(err)
	}
	whole := finalWeights(t, dir)
	// As if the run had been killed before it saved its first step.
	for step := 1; step <= options.Keep; step++ {
		if err := os.Remove(checkpointPath(dir, step)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(finalWeights(t, dir), whole) {
		t.Error("the run was resumed from another run's weights")
	}
}

// A last batch of one image is a problem only for batch norms that train.
func TestStartedWithALastBatchOfOne(t *testing.T) {
	for _, test := range []struct {
		freeze string
		norms  bool
		ok     bool
	}{{"body", false, true}, {"layer1", true, true}, {"layer1", false, false}} {
		r, options := fineTuning()
		r.Epochs, r.BatchSize, r.Freeze, r.FreezeNorms = 1, 9, test.freeze, test.norms // of 64 images
		_, err := Train(context.Background(), t.TempDir(), r, options)
		if test.ok && err != nil || !test.ok && (err == nil || !strings.Contains(err.Error(), "batch of one")) {
			t.Errorf("frozen up to %s, norms %v: error %v", test.freeze, test.norms, err)
		}
	}
}

// Frozen weights stay bit for bit what the run started from; all others change.
func TestFrozenStays(t *testing.T) {
	for _, test := range []struct {
		freeze string
		norms  bool
		stays  func(name string) bool
	}{
		{"", false, func(string) bool { return false }},
		{"", true, func(name string) bool { return strings.Contains(name, ".running_") }},
		{"stem", false, func(name string) bool { return strings.HasPrefix(name, "conv1.") || strings.HasPrefix(name, "bn1.") }},
		{"layer1", true, func(name string) bool {
			return strings.HasPrefix(name, "conv1.") || strings.HasPrefix(name, "bn1.") || strings.HasPrefix(name, "layer1.") ||
				strings.Contains(name, ".running_")
		}},
		{"body", false, func(string) bool { return true }},
	} {
		r, options := fineTuning()
		r.Epochs, r.Freeze, r.FreezeNorms = 1, test.freeze, test.norms
		dir := t.TempDir()
		if _, err := Train(context.Background(), dir, r, options); err != nil {
			t.Fatal(err)
		}
		end, _, err := Latest(dir, func(note string) { t.Error(note) })
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for name := range options.Start {
			if !test.stays(name) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if got := changed(options.Start, end.Weights); !slices.Equal(got, want) {
			t.Errorf("frozen up to %q, norms %v: changed %v, want %v", test.freeze, test.norms, got, want)
		}
		if _, ok := end.Momentum["conv1.weight"]; ok != (test.freeze == "") {
			t.Errorf("frozen up to %q: conv1 has momentum: %v", test.freeze, ok)
		}
	}
}

// A multiplier of 0 means 1; a tiny one leaves the last layer as it was.
func TestHeadLearningRateMultiplier(t *testing.T) {
	r, options := fineTuning()
	r.Epochs, r.Freeze, r.WeightDecay = 1, "", 0
	var heads [][]float32
	for _, multiplier := range []float64{0, 1, 1e-30} {
		r.HeadLearningRateMultiplier = multiplier
		dir := t.TempDir()
		if _, err := Train(context.Background(), dir, r, options); err != nil {
			t.Fatal(err)
		}
		start, err := checkpoint.Load(checkpointPath(dir, 0))
		if err != nil {
			t.Fatal(err)
		}
		end, _, err := Latest(dir, func(note string) { t.Error(note) })
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, end.Weights["fc.weight"].Data)
		if moved := !slices.Equal(heads[len(heads)-1], start.Weights["fc.weight"].Data); moved != (multiplier != 1e-30) {
			t.Errorf("at %g times the learning rate the last layer changes: %v", multiplier, moved)
		}
	}
	if !slices.Equal(heads[0], heads[1]) {
		t.Error("a multiplier of 0 does not mean 1")
	}
}

func TestStartIsChecked(t *testing.T) {
	for _, test := range []struct {
		change func(*recipe.Recipe, *Options)
		want   string
	}{
		{func(r *recipe.Recipe, o *Options) { o.Start = nil }, "no weights are given; give both or neither"},
		{func(r *recipe.Recipe, o *Options) { r.Start = "" }, "Start is empty; give both or neither"},
		{func(r *recipe.Recipe, o *Options) { r.Start, o.Start = "", nil }, "freezes layers that have not been trained"},
		{func(r *recipe.Recipe, o *Options) { r.Start, r.Freeze, r.FreezeNorms, o.Start = "", "", true, nil }, "freezes layers that have not been trained"},
		{func(r *recipe.Recipe, o *Options) { o.Start["conv9.weight"] = o.Start["conv1.weight"] }, "start from a test: the state dict does not match the network: unexpected conv9.weight"},
		{func(r *recipe.Recipe, o *Options) { o.Start["conv1.weight"] = o.Start["bn1.weight"] }, "mismatched conv1.weight (shape [2], want [2 3 3 3])"},
		{func(r *recipe.Recipe, o *Options) { r.Freeze = "layer4" }, `unknown part "layer4"`},
	} {
		r, options := fineTuning()
		test.change(&r, &options)
		dir := filepath.Join(t.TempDir(), "run")
		if _, err := Train(context.Background(), dir, r, options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a run that could not start left its folder behind", test.want)
		}
	}
}

// A run that started from weights cannot start over without its checkpoints.
func TestStartedWithoutCheckpoints(t *testing.T) {
	r, options := fineTuning()
	r.Epochs = 1
	dir := t.TempDir()
	if _, err := Train(context.Background(), dir, r, options); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, checkpointDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), dir, testOptions()); err == nil || !strings.Contains(err.Error(), "lost its checkpoints") {
		t.Errorf("error %v, want one that says the checkpoints are lost", err)
	}
}
