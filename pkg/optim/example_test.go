package optim_test

import (
	"fmt"
	"log"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/residual-go/residual/pkg/optim"
)

func ExampleSchedule() {
	s := optim.Schedule{Kind: optim.OneCycle, WarmUp: 0.3, Initial: 0.1, Final: 0.01}
	for step := range 10 {
		fmt.Printf("%.4f ", s.Rate(0.4, step, 10))
	}
	// Output: 0.0400 0.2200 0.4000 0.3434 0.2869 0.2303 0.1737 0.1171 0.0606 0.0040
}

// Minimise w², with momentum and with a learning rate that a schedule changes between steps.
func ExampleSGD() {
	w := func(scope *model.Scope, x *graph.Node) *graph.Node {
		return graph.Mul(x, scope.VariableWithValue("w", float32(1)).NodeValue(x))
	}
	square := func(_, predictions []*graph.Node) *graph.Node { return graph.Square(predictions[0]) }
	store := model.NewStore()
	trainer := train.NewTrainer(gobackend.GetBackend(), store, w, square, optim.SGD().Momentum(0.5).Done(), nil, nil)

	// The trainer deletes the variable of the learning rate, so it is made after the trainer.
	rate := optimizer.LearningRateVar(store.RootScope(), dtypes.Float32, 0)
	schedule := optim.Schedule{Kind: optim.MultiStep, Milestones: []float64{0.5}, Gamma: 0.1}
	const steps = 4
	for step := range steps {
		if err := rate.SetValue(tensors.FromScalar(float32(schedule.Rate(0.2, step, steps)))); err != nil {
			log.Fatal(err)
		}
		if _, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{tensors.FromScalar(float32(1))}}); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("w = %.4f\n", tensors.ToScalar[float32](store.GetVariable("/w").MustValue()))
	}
	// Output:
	// w = 0.6000
	// w = 0.1600
	// w = 0.1316
	// w = 0.1121
}
