// Package spmd is about graphs that run on several devices at once, each on its share of a
// batch: "single program, multiple data". GoMLX makes and runs such graphs (model.Exec.SPMD);
// what it lacks is here: a sum over the devices that can be differentiated, and batches that
// are cut into shares.
//
// Everything is written so that it does the right thing, nothing, on one device.
package spmd

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
)

// Mean returns the mean of x over the devices, the same bits on all of them. x has the same
// shape on every device. On one device it is x.
//
// Its gradient is that of the sum of all devices' losses: what x on one device changes, it
// changes on all of them. GoMLX's AllReduce has none.
func Mean(x *graph.Node) *graph.Node {
	devices := x.Graph().NumDevices()
	if devices <= 1 {
		return x
	}
	total := graph.StopGradient(sum(x)[0])
	// What is added is 0, and there for its gradient alone.
	way := graph.IdentityWithCustomGradient(x, func(_, v *graph.Node) *graph.Node { return sum(v)[0] })
	total = graph.Add(total, graph.Sub(way, graph.StopGradient(x)))
	return graph.DivScalar(total, float64(devices))
}

// Means returns the mean of each x over the devices in one exchange. It has no gradient: it
// is for gradients themselves. On one device it is xs.
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
