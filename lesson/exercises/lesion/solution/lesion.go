// Package lesion takes blocks out of a trained residual network and measures what is lost.
package lesion

import "github.com/residual-go/residual/lesson/exercises/nn"

// Forward returns the output of a chain of blocks for the input x. The block with the index
// removed computes only ReLU(Shortcut(x)), without its branch. If removed is −1, the network is
// whole.
func Forward(blocks []nn.Residual, x []float64, removed int) []float64 {
	// BEGIN SOLUTION
	for i, block := range blocks {
		y := append([]float64(nil), block.Shortcut(x)...) // which may be x itself
		if i != removed {
			for j, value := range block.Branch(x) {
				y[j] += value
			}
		}
		for j := range y {
			y[j] = max(0, y[j])
		}
		x = y
	}
	return x
	// END SOLUTION
}

// Drops returns, for each block, how much accuracy is lost if that block alone is removed:
// the accuracy of the whole network minus that of the network without it, as shares from 0
// to 1. The network's prediction for inputs[i] is the index of the largest output, and
// labels[i] is the right one.
func Drops(blocks []nn.Residual, inputs [][]float64, labels []int) []float64 {
	// BEGIN SOLUTION
	accuracy := func(removed int) float64 {
		right := 0
		for i, x := range inputs {
			guess, output := 0, Forward(blocks, x, removed)
			for class := range output {
				if output[class] > output[guess] {
					guess = class
				}
			}
			if guess == labels[i] {
				right++
			}
		}
		return float64(right) / float64(len(inputs))
	}
	drops := make([]float64, len(blocks))
	for i := range blocks {
		drops[i] = accuracy(-1) - accuracy(i)
	}
	return drops
	// END SOLUTION
}
