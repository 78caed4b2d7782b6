// This file is yours to edit. The task is in README.md in this folder (中文：README.zh.md). To check your answer: go test ./lesson/exercises/bugnorm
// Hand in only this file.

// Package bugnorm has a colleague's batch norm.
package bugnorm

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
)

const (
	epsilon  = 1e-5
	momentum = 0.1 // the weight of the new batch in the running statistics
)

// Norm is batch norm over the last axis of x, [batch, height, width, channels]; the result has
// x's shape. Its variables are weight (γ), bias (β), running_mean and running_var, [channels].
//
// In training it normalises with the mean and the variance of the batch. It also moves the
// running mean one step towards that mean, and the running variance one step towards the
// batch's unbiased variance. Otherwise it normalises with the running mean and the running
// variance, and changes neither.
func Norm(scope *model.Scope, x *graph.Node) *graph.Node {
	g, channels := x.Graph(), x.Shape().Dim(-1)
	variable := func(name string, initial model.VariableInitializer) *model.Variable {
		return scope.WithInitializer(initial).VariableWithShape(name, shapes.Make(x.DType(), channels))
	}
	gamma, beta := variable("weight", initializer.One), variable("bias", initializer.Zero)
	runningMean := variable("running_mean", initializer.Zero).SetTrainable(false)
	runningVariance := variable("running_var", initializer.One).SetTrainable(false)

	mean, variance := runningMean.NodeValue(g), runningVariance.NodeValue(g)
	if scope.IsTraining(g) {
		mean = graph.ReduceMean(x, 0, 1, 2)
		variance = graph.ReduceMean(graph.Square(graph.Sub(x, each(mean))), 0, 1, 2)
		n := float64(x.Shape().Size() / channels)
		unbiased := graph.MulScalar(variance, n/(n-1))
		towards(runningMean, mean)
		towards(runningVariance, unbiased)
	}
	y := graph.Div(graph.Sub(x, each(mean)), graph.Sqrt(graph.AddScalar(each(variance), epsilon)))
	return graph.Add(graph.Mul(y, each(gamma.NodeValue(g))), each(beta.NodeValue(g)))
}

// towards returns the running statistic, moved one step towards the batch's; both are
// [channels].
func towards(running *model.Variable, batch *graph.Node) *graph.Node {
	old := running.NodeValue(batch.Graph())
	return graph.Add(graph.MulScalar(old, 1-momentum), graph.MulScalar(graph.StopGradient(batch), momentum))
}

// each reshapes [channels] to [1, 1, 1, channels], which broadcasts to all images and pixels.
func each(x *graph.Node) *graph.Node { return graph.Reshape(x, 1, 1, 1, -1) }
