package landscape

import (
	"context"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/chapter/internal/noise"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/infer"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
	"github.com/residual-go/residual/pkg/statedict"
)

// engine returns the backend that all tests share: tensors belong to one backend.
var engine = sync.OnceValues(func() (compute.Backend, error) { return backend.New("cpu") })

// network returns a store with a small network of random weights, and its recipe.
func network(t *testing.T) (compute.Backend, *model.Store, recipe.Recipe) {
	t.Helper()
	engine, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	config, err := resnet.CIFAR(8, 4)
	if err != nil {
		t.Fatal(err)
	}
	config.Classes = 3
	store := model.NewStore()
	t.Cleanup(store.Finalize)
	if err := store.SetRNGStateFromSeed(3); err != nil {
		t.Fatal(err)
	}
	if err := config.Declare(store.Scope(run.ModelPath)); err != nil {
		t.Fatal(err)
	}
	if err := store.InitializeVariables(engine, nil); err != nil {
		t.Fatal(err)
	}
	return engine, store, recipe.Recipe{Model: config, Normalization: dataset.Normalization{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.25, 0.25, 0.25}}}
}

func weightsOf(t *testing.T, store *model.Store) Weights {
	t.Helper()
	weights, err := statedict.FromScope(store.Scope(run.ModelPath))
	if err != nil {
		t.Fatal(err)
	}
	return weights
}

func surface(t *testing.T, g Grid) *Surface {
	t.Helper()
	engine, store, r := network(t)
	s, err := g.Surface(context.Background(), engine, r, weightsOf(t, store), noise.Images(12, 8), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirectionHasTheFilterNormsOfTheWeights(t *testing.T) {
	_, store, _ := network(t)
	weights := weightsOf(t, store)
	direction := Direction(weights, 5)
	for key, tensor := range weights {
		moved, ok := direction[key]
		if weight := strings.Contains(key, "conv") || key == "fc.weight"; weight != ok {
			t.Errorf("%s is in the direction: %v, want %v", key, ok, weight)
		}
		if !ok {
			continue
		}
		if !slices.Equal(moved.Shape, tensor.Shape) {
			t.Fatalf("%s: direction of shape %v, weights of %v", key, moved.Shape, tensor.Shape)
		}
		size := len(tensor.Data) / tensor.Shape[0]
		for filter := range tensor.Shape[0] {
			var got, want float64
			for i := filter * size; i < (filter+1)*size; i++ {
				got += float64(moved.Data[i]) * float64(moved.Data[i])
				want += float64(tensor.Data[i]) * float64(tensor.Data[i])
			}
			if math.Abs(got-want) > 1e-5*want {
				t.Errorf("%s, filter %d: norm² %g, want %g", key, filter, got, want)
			}
		}
	}
}

func TestDirectionsFollowTheirSeed(t *testing.T) {
	_, store, _ := network(t)
	weights := weightsOf(t, store)
	first := Direction(weights, 1)
	if !reflect.DeepEqual(first, Direction(weights, 1)) {
		t.Error("one seed gave two directions")
	}
	var cosine, square float64
	for key, other := range Direction(weights, 2) {
		for i, x := range other.Data {
			cosine += float64(x) * float64(first[key].Data[i])
			square += float64(x) * float64(x)
		}
	}
	// Random directions of about 5,000 weights are nearly orthogonal.
	if cosine /= square; math.Abs(cosine) > 0.1 {
		t.Errorf("the cosine of two seeds' directions is %g", cosine)
	}
	// Scaling keeps the ratio of two weights of a filter.
	one, two := first["layer1.0.conv1.weight"].Data, first["layer1.0.conv2.weight"].Data
	if math.Abs(float64(one[0]/one[1]-two[0]/two[1])) < 1e-4 {
		t.Error("two layers have the same random values")
	}
}

// TestDirectionOfAZeroFilter checks that a filter of zeros has the direction 0, not NaN.
func TestDirectionOfAZeroFilter(t *testing.T) {
	_, store, _ := network(t)
	weights := weightsOf(t, store)
	clear(weights["conv1.weight"].Data[:27])
	if moved := Direction(weights, 1)["conv1.weight"].Data[:27]; slices.ContainsFunc(moved, func(x float32) bool { return x != 0 }) {
		t.Errorf("the direction is %v", moved)
	}
}

func TestMove(t *testing.T) {
	_, store, _ := network(t)
	weights := weightsOf(t, store)
	along, across := Direction(weights, 1), Direction(weights, 2)
	if !reflect.DeepEqual(Move(weights, along, across, 0, 0), weights) {
		t.Error("a move by 0 changed the weights")
	}
	moved := Move(weights, along, across, 0.5, -2)
	for _, key := range []string{"conv1.weight", "fc.weight"} {
		got := moved[key].Data[3]
		if want := weights[key].Data[3] + 0.5*along[key].Data[3] - 2*across[key].Data[3]; math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("%s: %g, want %g", key, got, want)
		}
	}
	if !reflect.DeepEqual(moved["bn1.weight"], weights["bn1.weight"]) || !slices.Equal(slices.Sorted(maps.Keys(moved)), slices.Sorted(maps.Keys(weights))) {
		t.Error("batch norms were moved or are missing")
	}
}

// TestCentreIsTheLossOfAnEvaluation: with stored statistics, the loss at the trained weights
// is the one that package infer measures, and the centre of the grid is at these weights.
func TestCentreIsTheLossOfAnEvaluation(t *testing.T) {
	engine, store, r := network(t)
	images := noise.Images(12, 8)
	n, err := infer.New(engine, store, run.ModelPath, r.Model, r.Normalization)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Finalize()
	want, err := n.Evaluate(context.Background(), images, 12, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Grid{Span: 1, Points: 3, Stored: true}.Surface(context.Background(), engine, r, weightsOf(t, store), images, nil)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(s.Centre-want.Loss) > 1e-5 {
		t.Errorf("the loss at the centre is %g, want %g, as in package infer", s.Centre, want.Loss)
	}
	if s.Loss[1][1] != s.Centre {
		t.Errorf("the loss in the middle of the grid is %g, want Centre, %g", s.Loss[1][1], s.Centre)
	}
	if s.Loss[0][0] == s.Centre || s.Loss[1][0] == s.Loss[0][1] {
		t.Errorf("the loss does not depend on the directions: %v", s.Loss)
	}
}

// TestBatchStatisticsIgnoreTheScaleOfFilters: scaling a convolution has no effect if the batch
// norm after it uses the statistics of the batch. That is why directions are normalised by
// filter.
func TestBatchStatisticsIgnoreTheScaleOfFilters(t *testing.T) {
	engine, store, r := network(t)
	weights, images := weightsOf(t, store), noise.Images(12, 8)
	for _, batch := range []bool{true, false} {
		meter, err := newMeter(engine, r, images, batch)
		if err != nil {
			t.Fatal(err)
		}
		defer meter.close()
		before, err := meter.loss(weights)
		if err != nil {
			t.Fatal(err)
		}
		scaled := Move(weights, Weights{"conv1.weight": weights["conv1.weight"]}, weights, 2, 0)
		after, err := meter.loss(scaled)
		if err != nil {
			t.Fatal(err)
		}
		if same := math.Abs(after-before) < 1e-3; same != batch {
			t.Errorf("batch statistics %v: filters 3 times as large changed the loss from %g to %g", batch, before, after)
		}
		// One measurement must not affect the next.
		if again, err := meter.loss(weights); err != nil || again != before {
			t.Errorf("batch statistics %v: the loss was %g at first and %g later, error %v", batch, before, again, err)
		}
	}
}

func TestSurfacesFollowTheirSeed(t *testing.T) {
	g := Grid{Span: 0.5, Points: 3, Seed: 7}
	first := surface(t, g)
	if !reflect.DeepEqual(first, surface(t, g)) {
		t.Error("one seed gave two surfaces")
	}
	g.Seed = 8
	if other := surface(t, g); other.Loss[0][0] == first.Loss[0][0] || other.Centre != first.Centre {
		t.Errorf("another seed: %v and %v", other, first)
	}
}

func TestLowest(t *testing.T) {
	s := &Surface{At: []float64{-1, 0, 1}, Loss: [][]float64{{5, 4, 3}, {2, 3, 1}, {9, 9, math.NaN()}}}
	if a, b, loss := s.Lowest(); a != 1 || b != 0 || loss != 1 {
		t.Errorf("lowest at a = %g, b = %g with loss %g, want 1, 0 and 1", a, b, loss)
	}
}

func TestHollows(t *testing.T) {
	s := &Surface{At: []float64{-2, -1, 0, 1, 2}, Loss: [][]float64{
		{0, 9, 9, 9, 9}, // the edge does not count
		{9, 1, 5, 6, 9},
		{9, 5, 6, 4, 9},
		{9, 3, 6, 2, 9},
		{9, 9, 9, 9, 1},
	}}
	if got := s.Hollows(); got != 1 { // 3 and not 1 or 2, which have a lower neighbour at the edge
		t.Errorf("%d hollows, want 1", got)
	}
	s.Loss[0][0], s.Loss[4][4] = 9, 9
	if got := s.Hollows(); got != 3 {
		t.Errorf("%d hollows, want 3", got)
	}
}

func TestRim(t *testing.T) {
	s := &Surface{At: []float64{-1, 0, 1}, Loss: [][]float64{{9, 2, 9}, {4, 7, 6}, {9, 8, 9}}}
	for distance, want := range map[float64]float64{0: 7, 0.8: 5, 1.6: 9} {
		if got := s.Rim(distance); got != want {
			t.Errorf("at distance %g: %g, want %g", distance, got, want)
		}
	}
}

func TestSurfaceReportsAndStops(t *testing.T) {
	engine, store, r := network(t)
	ctx, cancel := context.WithCancel(context.Background())
	var reports []int
	_, err := Grid{Span: 1, Points: 3}.Surface(ctx, engine, r, weightsOf(t, store), noise.Images(3, 8), func(points, of int) {
		reports = append(reports, points)
		if of != 9 {
			t.Errorf("%d points in total, want 9", of)
		}
		if points == 4 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(reports, []int{1, 2, 3, 4}) {
		t.Errorf("error %v after reports %v", err, reports)
	}
}

func TestSurfaceErrors(t *testing.T) {
	engine, store, r := network(t)
	weights := weightsOf(t, store)
	for _, g := range []Grid{{Span: 1, Points: 1}, {Span: 0, Points: 5}, {Span: -1, Points: 5}} {
		if _, err := g.Surface(context.Background(), engine, r, weights, noise.Images(3, 8), nil); err == nil {
			t.Errorf("no error for %+v", g)
		}
	}
	g := Grid{Span: 1, Points: 3}
	if _, err := g.Surface(context.Background(), engine, r, weights, noise.Images(0, 8), nil); err == nil {
		t.Error("no error without images")
	}
	delete(weights, "bn1.bias")
	if _, err := g.Surface(context.Background(), engine, r, weights, noise.Images(3, 8), nil); err == nil {
		t.Error("no error for incomplete weights")
	}
}

// TestLine: a line is the middle row of the surface with the same seed.
func TestLine(t *testing.T) {
	engine, store, r := network(t)
	for _, stored := range []bool{false, true} {
		g := Grid{Span: 0.5, Points: 5, Seed: 7, Stored: stored}
		s, err := g.Surface(context.Background(), engine, r, weightsOf(t, store), noise.Images(12, 8), nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := g.Line(context.Background(), engine, r, weightsOf(t, store), noise.Images(12, 8))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.At, s.At) || !slices.Equal(l.Loss, s.Loss[2]) {
			t.Errorf("stored %v: the line is %v at %v, the row %v at %v", stored, l.Loss, l.At, s.Loss[2], s.At)
		}
	}
	if _, err := (Grid{Span: 1, Points: 1}).Line(context.Background(), engine, r, weightsOf(t, store), noise.Images(3, 8)); err == nil {
		t.Error("no error for a line of one point")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Grid{Span: 1, Points: 3}).Line(ctx, engine, r, weightsOf(t, store), noise.Images(3, 8)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after a cancellation", err)
	}
}

func TestBends(t *testing.T) {
	for _, test := range []struct {
		loss []float64
		want int
	}{
		{[]float64{5, 3, 1, 2, 4}, 1},                  // a bowl
		{[]float64{1, 2, 3}, 0},                        // a slope
		{[]float64{2, 2, 2.05, 2}, 0},                  // flat, but for noise
		{[]float64{5, 3, 3.1, 1, 2, 1.95, 4}, 1},       // a bowl with noise on its walls
		{[]float64{3, 5, 2, 4, 1, 4, 2, 5}, 6},         // ridges
		{[]float64{4, 4.5, 4, 3.5, 1, 3.6, 4, 3.5}, 3}, // a bowl with a rim
	} {
		if got := (&Line{Loss: test.loss}).Bends(0.1); got != test.want {
			t.Errorf("%v bends %d times, want %d", test.loss, got, test.want)
		}
	}
}
