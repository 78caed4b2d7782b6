package check

import (
	"strings"
	"testing"

	stub "github.com/residual-go/residual/lesson/exercises/newhead"
	solution "github.com/residual-go/residual/lesson/exercises/newhead/solution"
	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestNewHead(t *testing.T) {
	prepare := func(f func(network nn.Trained, classes int)) func(T) {
		return func(t T) { NewHead(t, f, solution.SetMode) }
	}
	mode := func(f func(network nn.Trained, training bool)) func(T) {
		return func(t T) { NewHead(t, solution.Prepare, f) }
	}
	zeros := func(rows, columns int) [][]float32 {
		list := make([][]float32, rows)
		for i := range list {
			list[i] = make([]float32, columns)
		}
		return list
	}
	// freezing replaces the head and freezes the layers for which is returns true.
	freezing := func(is func(layer string) bool) func(T) {
		return prepare(func(n nn.Trained, classes int) {
			n.SetHead(zeros(n.Features(), classes), make([]float32, classes))
			for _, layer := range n.Layers() {
				n.SetTrainable(layer, !is(layer))
			}
		})
	}
	test(t, "newhead",
		func(t T) { NewHead(t, solution.Prepare, solution.SetMode) },
		func(t T) { NewHead(t, stub.Prepare, stub.SetMode) },
		wrong{"head-not-replaced", prepare(func(n nn.Trained, _ int) {
			for _, layer := range n.Layers()[:4] {
				n.SetTrainable(layer, false)
			}
		})},
		wrong{"head-transposed", prepare(func(n nn.Trained, classes int) {
			n.SetHead(zeros(classes, n.Features()), make([]float32, classes))
		})},
		wrong{"rows-not-made", prepare(func(n nn.Trained, classes int) {
			n.SetHead(make([][]float32, n.Features()), make([]float32, classes))
		})},
		wrong{"bias-of-the-wrong-size", prepare(func(n nn.Trained, classes int) {
			n.SetHead(zeros(n.Features(), classes), make([]float32, n.Features()))
		})},
		wrong{"head-not-zero", prepare(func(n nn.Trained, classes int) {
			weight := zeros(n.Features(), classes)
			weight[0][0] = 1
			n.SetHead(weight, make([]float32, classes))
		})},
		wrong{"head-frozen", freezing(func(string) bool { return true })},
		wrong{"head-frozen", freezing(func(layer string) bool { return layer == "fc" })},
		wrong{"body-not-frozen", freezing(func(string) bool { return false })},
		wrong{"body-not-frozen", freezing(func(layer string) bool { return layer == "fc1" })},
		wrong{"norms-not-frozen", freezing(func(layer string) bool { return layer != "fc" && strings.HasPrefix(layer, "fc") })},
		wrong{"no-such-layer", prepare(func(n nn.Trained, classes int) {
			solution.Prepare(n, classes)
			n.SetTrainable("head", true)
		})},
		wrong{"running-statistics-move", mode(func(n nn.Trained, training bool) {
			for _, layer := range n.Layers() {
				n.SetTraining(layer, training)
			}
		})},
		wrong{"running-statistics-move", mode(func(nn.Trained, bool) {})},
		wrong{"head-does-not-follow", mode(func(n nn.Trained, _ bool) {
			for _, layer := range n.Layers() {
				n.SetTraining(layer, false)
			}
		})},
		wrong{"one-norm-forgotten", mode(func(n nn.Trained, training bool) {
			for i, layer := range n.Layers() {
				n.SetTraining(layer, training && i >= 2)
			}
		})},
		wrong{"mode-undone", func(t T) {
			NewHead(t, func(n nn.Trained, classes int) {
				solution.Prepare(n, classes)
				solution.SetMode(n, true)
			}, func(n nn.Trained, training bool) {
				for _, layer := range n.Layers() {
					n.SetTraining(layer, training)
				}
			})
		}},
	)
	alsoRight(t, func(t T) {
		NewHead(t, func(n nn.Trained, classes int) {
			// Everything is frozen first: a new head is trainable.
			for _, layer := range n.Layers() {
				n.SetTrainable(layer, false)
				n.SetTraining(layer, false)
			}
			n.SetHead(zeros(n.Features(), classes), make([]float32, classes))
		}, func(n nn.Trained, training bool) {
			n.SetTraining("fc", training)
		})
	})
}
