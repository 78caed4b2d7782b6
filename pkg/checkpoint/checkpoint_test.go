package checkpoint

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/statedict"
)

func sample(t *testing.T) *State {
	t.Helper()
	r, err := recipe.ByName("fast")
	if err != nil {
		t.Fatal(err)
	}
	tensor := statedict.Tensor{Shape: []int{2}, Data: []float32{1, 2}}
	momentum := statedict.Tensor{Shape: []int{2}, Data: []float32{3, 4}}
	return &State{Step: 7, Recipe: r, Data: "images", Images: 50, Height: 8, Width: 9, Classes: strings.Split("abcdefghij", ""),
		Epoch: Totals{Steps: 2, Images: 20, Loss: 3.5, Accuracy: 11, GradientNorm: 0.25}, Weights: map[string]statedict.Tensor{"bn1.weight": tensor},
		Momentum: map[string]statedict.Tensor{"bn1.weight": momentum}}
}

func TestSaveAndLoad(t *testing.T) {
	want := sample(t)
	path := filepath.Join(t.TempDir(), "c"+Ext)
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("loaded %+v, want %+v", got, want)
	}
	// Other readers find the weights under their own names, and can tell the rest.
	file, err := statedict.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(file.Tensors)); !slices.Equal(names, []string{"bn1.weight", "optimizer.momentum.bn1.weight"}) ||
		IsOptimizer(names[0]) || !IsOptimizer(names[1]) {
		t.Errorf("the file has the tensors %v", names)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, test := range []struct {
		change func(s *State)
		want   string
	}{
		{func(s *State) { s.Classes = s.Classes[1:] }, "is damaged: 9 class names for 10 classes"},
		{func(s *State) { s.Height = 0 }, "is damaged"},
		{func(s *State) { s.Step = -1 }, "step -1"},
		{func(s *State) { s.Recipe.Epochs = 0 }, "recipe fast: 0 epochs"},
	} {
		s := sample(t)
		test.change(s)
		path := filepath.Join(t.TempDir(), "c"+Ext)
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
		checkError(t, path, test.want)
	}
	for metadata, want := range map[string]string{"": "is not a checkpoint", "{": "is damaged: read the checkpoint's state"} {
		file := statedict.Dict{Tensors: sample(t).Weights, Metadata: map[string]string{}}
		if metadata != "" {
			file.Metadata[metadataKey] = metadata
		}
		path := filepath.Join(t.TempDir(), "c"+Ext)
		if err := file.Save(path); err != nil {
			t.Fatal(err)
		}
		checkError(t, path, want)
	}
}

// checkError checks that Load refuses the file with one line that names it.
func checkError(t *testing.T, path, want string) {
	t.Helper()
	_, err := Load(path)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line with %q and %s", err, want, path)
	}
}
