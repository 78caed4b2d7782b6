package optim

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/support/exceptions"
)

// gradientNormParam is the graph parameter through which SGD passes the norm to the metric.
const gradientNormParam = Scope + "/gradient_norm"

func setGradientNorm(g *graph.Graph, gradients []*graph.Node) {
	sum := graph.Scalar(g, gradients[0].DType(), 0)
	for _, gradient := range gradients {
		sum = graph.Add(sum, graph.ConvertDType(graph.ReduceAllSum(graph.Square(gradient)), sum.DType()))
	}
	model.SetGraphParam(g, gradientNormParam, graph.Sqrt(sum))
}

// GradientNorm returns a training metric: the Euclidean norm of the whole gradient in the last
// step, before weight decay. The optimiser has to be [SGD].
func GradientNorm() metric.Interface {
	return metric.NewBaseMetric("Gradient norm", "gradnorm", "gradient_norm",
		func(_ *model.Scope, _, predictions []*graph.Node) *graph.Node {
			norm, found := model.GetGraphParam(predictions[0].Graph(), gradientNormParam)
			if !found {
				exceptions.Panicf("GradientNorm: the graph has no gradient norm; this metric needs the optimiser optim.SGD, without accumulated gradients")
			}
			return norm.(*graph.Node)
		}, nil)
}
