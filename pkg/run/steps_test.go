package run

import (
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/dataset"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/residual-go/residual/pkg/backend"
)

// A seed gives the same initial weights on every backend.
func TestInitialWeightsDoNotDependOnTheBackend(t *testing.T) {
	all := map[string][]float32{}
	for _, name := range []string{"cpu", "go"} {
		engine, err := backend.New(name)
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Finalize()
		store, err := declare(testRecipe())
		if err != nil {
			t.Fatal(err)
		}
		if err := initialize(store, engine); err != nil {
			t.Fatal(err)
		}
		for variable := range store.Scope(ModelPath).IterVariables() {
			value, err := variable.Value()
			if err != nil {
				t.Fatal(err)
			}
			all[name] = append(all[name], tensors.MustCopyFlatData[float32](value)...)
		}
	}
	got, want := all["go"], all["cpu"]
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d weights with go, %d with cpu", len(got), len(want))
	}
	same := 0
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("weight %d is %v with go, %v with cpu", i, got[i], want[i])
		}
		if want[i] == want[0] {
			same++
		}
	}
	if same > len(want)/2 {
		t.Error("the weights are not random")
	}
}

func TestPace(t *testing.T) {
	fixed := pace{most: 7}
	if got := fixed.next(); got != 1 {
		t.Errorf("at first a pace takes %d steps, want 1", got)
	}
	fixed.took(1, time.Hour)
	if got := fixed.next(); got != 7 {
		t.Errorf("a fixed pace of 7 takes %d steps", got)
	}
	var p pace
	for i, step := range []struct {
		each time.Duration
		want int // steps in the execution
	}{
		{30 * time.Second, 1}, // compiling
		{time.Millisecond, 1},
		{time.Millisecond, 4},
		{time.Millisecond, 16},
		{time.Millisecond, 64},
		{time.Millisecond, 200}, // a fifth of a second
		{time.Microsecond, 200},
		{time.Microsecond, MaxReadEvery},
		{50 * time.Millisecond, MaxReadEvery},
		{50 * time.Millisecond, 4},
		{time.Second, 4},
		{time.Second, 1},
	} {
		n := p.next()
		if n != step.want {
			t.Errorf("execution %d takes %d steps, want %d", i, n, step.want)
		}
		p.took(n, time.Duration(n)*step.each)
	}
}

// Executions end where there is something to do or images change their size, and before a smaller
// last batch.
func TestUndisturbed(t *testing.T) {
	r := testRecipe() // 64 images in batches of 10: six full ones and one of 4
	s := &session{Options: Options{Training: testImages(64, 1), LogEvery: 4}, recipe: r, stepsPerEpoch: 7, steps: 21}
	for done, want := range []int{4, 3, 2, 1, 2, 1, 1, 4, 3, 2, 1, 2, 1, 1} {
		if got := s.undisturbed(done); got != want {
			t.Errorf("%d steps after step %d, want %d", got, done, want)
		}
	}
	s.Training = testImages(70, 1) // full batches only
	for done, want := range []int{4, 3, 2, 1, 3, 2, 1, 4} {
		if got := s.undisturbed(done); got != want {
			t.Errorf("full batches: %d steps after step %d, want %d", got, done, want)
		}
	}
	s.recipe.Sizes = dataset.Sizes{{Until: 0.1, Pixels: 4}} // two of 21 steps
	for done, want := range []int{2, 1, 2, 1, 3} {
		if got := s.undisturbed(done); got != want {
			t.Errorf("with two sizes: %d steps after step %d, want %d", got, done, want)
		}
	}
}
