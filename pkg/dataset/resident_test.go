package dataset

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
)

var _ train.Dataset = (*Resident)(nil)

// load returns the batches that the graph makes, with the shares one after the other.
func load(t *testing.T, store *model.Store, r *Resident) []batch {
	t.Helper()
	execs := map[any]*model.Exec{}
	var all []batch
	for got, err := range r.Iter() {
		if err != nil {
			t.Fatal(err)
		}
		exec := execs[got.Spec]
		if exec == nil {
			exec, err = model.NewExec(gobackend.GetBackend(), store, func(_ *model.Scope, at *graph.Node) []*graph.Node {
				pixels, labels := r.Load(at, got.Spec.(int))
				return []*graph.Node{pixels, labels}
			})
			if err != nil {
				t.Fatal(err)
			}
			execs[got.Spec] = exec
		}
		var made batch
		for share := range slices.Chunk(tensors.MustCopyFlatData[int32](got.Inputs[0]), 2) {
			outputs, err := exec.Call(tensors.FromFlatDataAndDimensions(share, 2))
			if err != nil {
				t.Fatal(err)
			}
			if want := []int{got.Spec.(int), r.batches.images.Height, r.batches.images.Width, 3}; !slices.Equal(outputs[0].Shape().Dimensions, want) {
				t.Fatalf("images of shape %s, want %v", outputs[0].Shape(), want)
			}
			made.pixels = append(made.pixels, tensors.MustCopyFlatData[uint8](outputs[0])...)
			made.labels = append(made.labels, tensors.MustCopyFlatData[int32](outputs[1])...)
		}
		all = append(all, made)
	}
	return all
}

func TestResidentBatchesEqualTheHosts(t *testing.T) {
	for _, test := range []struct {
		height, width int
		options       Options
		shares        int
	}{
		{4, 3, Options{BatchSize: 5, Epochs: 2}, 1},
		{4, 3, Options{BatchSize: 5, Shuffle: true, Seed: 1, Epochs: 3}, 1},
		{8, 8, Options{BatchSize: 7, Shuffle: true, Augment: Augment{Crop: 2}, Seed: 2, Epochs: 2}, 1},
		{8, 7, Options{BatchSize: 6, Shuffle: true, Augment: Augment{Flip: true}, Seed: 3, Epochs: 2, DropLast: true}, 1},
		{8, 8, Options{BatchSize: 23, Augment: Augment{Cutout: 3}, Seed: 4, Epochs: 2}, 1},
		{8, 8, Options{BatchSize: 23, Augment: Augment{Cutout: 8}, Seed: 4, Epochs: 1}, 1},
		{32, 32, Options{BatchSize: 8, Shuffle: true, Augment: Augment{Crop: 4, Flip: true, Cutout: 8}, Seed: 1<<64 - 5, Epochs: 3}, 1},
		{9, 6, Options{BatchSize: 8, Shuffle: true, Augment: Augment{Crop: 3, Flip: true, Cutout: 2}, Seed: 6, Epochs: 4, FirstStep: 5}, 1},
		{9, 6, Options{BatchSize: 8, Shuffle: true, Augment: Augment{Crop: 3, Flip: true, Cutout: 2}, Seed: 6, Epochs: 2, DropLast: true}, 4},
	} {
		name := fmt.Sprintf("%d×%d, %+v, %d shares", test.height, test.width, test.options, test.shares)
		m := testImages(23, test.height, test.width)
		b := newBatches(t, m, test.options)
		store := model.NewStore()
		r, err := b.Resident(store, "/data", test.shares)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, want := load(t, store, r), collect(t, b, everything)
		if len(got) != len(want) {
			t.Fatalf("%s: %d batches, want %d", name, len(got), len(want))
		}
		for i := range want {
			if !slices.Equal(got[i].labels, want[i].labels) {
				t.Errorf("%s: batch %d has labels %v, want %v", name, i, got[i].labels, want[i].labels)
			}
			if !bytes.Equal(got[i].pixels, want[i].pixels) {
				t.Errorf("%s: batch %d has different pixels from the host's", name, i)
			}
		}
	}
}

func TestBatchesThatCannotBeSplit(t *testing.T) {
	m := testImages(22, 2, 2)
	for _, test := range []struct {
		options Options
		shares  int
		want    string
	}{
		{Options{BatchSize: 5, DropLast: true}, 2, "a batch of 5 images cannot be split equally between 2 devices"},
		{Options{BatchSize: 6}, 3, "a batch of 4 images cannot be split equally between 3 devices"},
	} {
		_, err := newBatches(t, m, test.options).Resident(model.NewStore(), "/data", test.shares)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v, %d devices: error %v, want one that contains %q", test.options, test.shares, err, test.want)
		}
	}
	if _, err := newBatches(t, m, Options{BatchSize: 6, DropLast: true}).Resident(model.NewStore(), "/data", 3); err != nil {
		t.Errorf("a dropped last batch should not matter: %v", err)
	}
}
