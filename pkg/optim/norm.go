package optim

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/support/exceptions"
)

// gradientNormParam is where a graph keeps the norm for the metric to find.
const gradientNormParam = Scope + "/gradient_norm"

func setGradientNorm(g *graph.Graph, gradients []*graph.Node) {
	sum := graph.Scalar(g, gradients[0].DType(), 0)
	for _, gradient := range gradients {
		sum = graph.Add(sum, graph.ConvertDType(graph.ReduceAllSum(graph.Square(gradient)), sum.DType()))
	}
	model.SetGraphParam(g, gradientNormParam, graph.Sqrt(sum))
}

// GradientNorm is a training metric: the Euclidean norm of the whole gradient of the last
// step, before weight decay, when the optimiser is [SGD].
func GradientNorm() metric.Interface {
	return metric.NewBaseMetric("Gradient norm", "gradnorm", "gradient_norm",
		func(_ *model.Scope, _, predictions []*graph.Node) *graph.Node {
			norm, found := model.GetGraphParam(predictions[0].Graph(), gradientNormParam)
			if !found {
				exceptions.Panicf("GradientNorm: the graph has no gradient norm; it is a metric for training with optim.SGD, without accumulated gradients")
			}
			return norm.(*graph.Node)
		}, nil)
}
