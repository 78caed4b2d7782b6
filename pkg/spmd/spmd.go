// Package spmd runs a graph on several devices at once, each with its share of a batch: "single
// program, multiple data". GoMLX builds and runs such graphs (model.Exec.SPMD). This package adds
// what GoMLX lacks: a mean over the devices that can be differentiated, and batches split into
// shares.
//
// On a single device its functions change nothing.
package spmd

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
)

// Mean returns the mean of x over the devices, bit for bit the same on all of them. x must have the
// same shape on every device. On a single device, Mean returns x.
//
// Its gradient is that of the sum of all devices' losses, because x on one device influences the
// losses of all. GoMLX's AllReduce has no gradient.
func Mean(x *graph.Node) *graph.Node {
	devices := x.Graph().NumDevices()
	if devices <= 1 {
		return x
	}
	total := graph.StopGradient(sum(x)[0])
	// The added term is 0. It only provides the gradient.
	identity := graph.IdentityWithCustomGradient(x, func(_, v *graph.Node) *graph.Node { return sum(v)[0] })
	total = graph.Add(total, graph.Sub(identity, graph.StopGradient(x)))
	return graph.DivScalar(total, float64(devices))
}

// Means returns the mean of each x over the devices, with a single exchange between them. It has no
// gradient, since it is meant for gradients. On a single device, Means returns xs.
func Means(xs []*graph.Node) []*graph.Node {
	if len(xs) == 0 {
		return xs
	}
	devices := xs[0].Graph().NumDevices()
	if devices <= 1 {
		return xs
	}
	means := make([]*graph.Node, len(xs))
	for i, total := range sum(xs...) {
		means[i] = graph.DivScalar(total, float64(devices))
	}
	return means
}

func sum(xs ...*graph.Node) []*graph.Node {
	return xs[0].Graph().Distributed().AllReduce(xs, compute.ReduceOpSum)
}
