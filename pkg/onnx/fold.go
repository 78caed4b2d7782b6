package onnx

import (
	"math"
	"slices"

	"github.com/residual-go/residual/pkg/nn"
)

// fold multiplies batch normalisations into the convolutions before them:
//
//	γ·(w∗x − mean)/√(variance + ε) + β = (s·w)∗x + (β − s·mean), with s = γ/√(variance + ε)
//
// if nothing else uses the convolution's output. In a network of He et al. 2015 that is every
// normalisation. In one with pre-activation, the normalisations after an addition or a pool
// stay.
//
// The convolution keeps its name; its output gets the name of the normalisation's.
func (g *graph) fold() {
	uses := map[string]int{}
	for _, node := range g.nodes {
		for _, input := range node.inputs {
			uses[input]++
		}
	}
	convolutions := map[string]int{} // index in kept, by output
	var kept []node
	for _, node := range g.nodes {
		if node.operator == "BatchNormalization" && uses[node.inputs[0]] == 1 {
			if at, ok := convolutions[node.inputs[0]]; ok {
				kept[at] = g.folded(kept[at], node)
				continue
			}
		}
		if node.operator == "Conv" {
			convolutions[node.output] = len(kept)
		}
		kept = append(kept, node)
	}
	g.nodes = kept
}

// folded returns a convolution that also does the normalisation's work. It computes in
// float64, so that each result is rounded only once.
func (g *graph) folded(convolution, norm node) node {
	weight := g.constants[convolution.inputs[1]]
	gamma, beta := g.constants[norm.inputs[1]].floats, g.constants[norm.inputs[2]].floats
	mean, variance := g.constants[norm.inputs[3]].floats, g.constants[norm.inputs[4]].floats

	out := weight.dims[0]
	size := len(weight.floats) / out
	scaled := slices.Clone(weight.floats)
	bias := make([]float32, out)
	for i := range out {
		scale := float64(gamma[i]) / math.Sqrt(float64(variance[i])+nn.Epsilon)
		for j, w := range scaled[i*size : (i+1)*size] {
			scaled[i*size+j] = float32(scale * float64(w))
		}
		bias[i] = float32(float64(beta[i]) - scale*float64(mean[i]))
	}
	g.constants[convolution.inputs[1]] = tensor{dims: weight.dims, floats: scaled}
	name := convolution.name + ".bias"
	g.constants[name] = tensor{dims: []int{out}, floats: bias}
	convolution.inputs = append(slices.Clone(convolution.inputs), name)
	convolution.output = norm.output
	return convolution
}
