// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/lesion
// Hand in only this file.

// Package lesion takes blocks out of a trained residual network and measures what is lost.
package lesion

import "github.com/residual-go/residual/lesson/exercises/nn"

// Forward returns the output of a chain of blocks for the input x. The block with the index
// removed computes only ReLU(Shortcut(x)), without its branch. If removed is −1, the network is
// whole.
func Forward(blocks []nn.Residual, x []float64, removed int) []float64 {
	panic("not done yet: lesson/exercises/lesion/README.md says what to do")
}

// Drops returns, for each block, how much accuracy is lost if that block alone is removed:
// the accuracy of the whole network minus that of the network without it, as shares from 0
// to 1. The network's prediction for inputs[i] is the index of the largest output, and
// labels[i] is the right one.
func Drops(blocks []nn.Residual, inputs [][]float64, labels []int) []float64 {
	panic("not done yet: lesson/exercises/lesion/README.md says what to do")
}
