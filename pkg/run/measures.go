package run

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/optim"
	"github.com/residual-go/residual/pkg/spmd"
)

// MaxReadEvery is how many steps' measures the device keeps, and so how many steps can be taken
// before they are read: the largest Options.ReadEvery.
const MaxReadEvery = 16

// recent is the variable that has them: [MaxReadEvery, 3], a row for each of the last steps with
// its loss, accuracy and norm of the gradient. Step s is in row s mod MaxReadEvery.
func (s *session) recent() *model.Variable {
	return s.store.Scope("/measures").WithInitializer(initializer.Zero).
		VariableWithShape("recent", shapes.Make(dtypes.Float32, MaxReadEvery, 3)).SetTrainable(false)
}

// measures is a metric that writes its step's row of recent, when the optimiser has taken the
// step. Its own value, the loss over all devices, is not looked at.
func (s *session) measures() metric.Interface {
	return metric.NewBaseMetric("Measures", "measures", metric.LossMetricType,
		func(scope *model.Scope, labels, predictions []*graph.Node) *graph.Node {
			labels, logits := labelled(labels, predictions)
			g := logits.Graph()
			means := spmd.Means([]*graph.Node{train.TotalLoss(g), accuracy(labels[0], logits)})
			norm := optim.GradientNorm().UpdateGraph(scope, labels, predictions)
			row := graph.Reshape(graph.Stack([]*graph.Node{means[0], means[1], norm}, 0), 1, 3)

			variable := s.recent()
			step := graph.AddScalar(optimizer.GetGlobalStepVar(s.store).NodeValue(g), -1) // counted before
			place := graph.Mod(step, graph.Const(g, int64(MaxReadEvery)))
			mine := graph.Equal(graph.Iota(g, shapes.Make(dtypes.Int64, MaxReadEvery, 3), 0), place)
			old := variable.NodeValue(g)
			variable.SetNodeValue(graph.Where(mine, graph.BroadcastToShape(row, old.Shape()), old))
			return means[0]
		}, nil)
}

// accuracy is the share of the batch whose label has the highest logit.
func accuracy(label, logits *graph.Node) *graph.Node {
	guess := graph.ArgMax(logits, -1, label.DType())
	right := graph.Equal(guess, graph.Squeeze(label, 1))
	return graph.ReduceAllMean(graph.ConvertDType(right, dtypes.Float32))
}

// read reads what the steps after from up to done measured, and notes it.
func (s *session) read(from, done int) error {
	value, err := s.recent().Value()
	if err != nil {
		return fmt.Errorf("read the loss of step %d: %w", done, err)
	}
	rows, err := tensors.CopyFlatData[float32](value)
	if err != nil {
		return fmt.Errorf("read the loss of step %d: %w", done, err)
	}
	for at := from; at < done; at++ {
		row := rows[at%MaxReadEvery*3:][:3]
		if err := s.note(at+1, step{loss: float64(row[0]), accuracy: float64(row[1]), gradientNorm: float64(row[2]), images: s.batchSize(at)}); err != nil {
			return err
		}
	}
	return nil
}
