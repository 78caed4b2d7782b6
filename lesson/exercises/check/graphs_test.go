package check

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/lesson/exercises/nn"
)

func TestEveryMistakeHasItsHint(t *testing.T) {
	for exercise, hints := range map[string]map[string]string{
		"basicblock": basicBlockHints, "shortcut": shortcutHints, "bottleneck": bottleneckHints,
		"preactivation": preActivationHints,
		"stage":         stageHints, "resnet18": resNet18Hints, "trainingloop": trainingLoopHints,
		"bugblock": bugBlockHints, "bugnorm": bugNormHints, "bughead": bugHeadHints,
	} {
		for _, c := range graphCases(exercise) {
			for _, mistake := range c.Mistakes {
				if hints[mistake.Mistake] == "" {
					t.Errorf("%s: the mistake %q has no hint", exercise, mistake.Mistake)
				}
			}
		}
	}
}

// A network that computes NaN must not pass.
func TestNaNIsNotAlike(t *testing.T) {
	nan := float32(0)
	nan /= nan
	if alike([]float32{nan}, []float32{1}) {
		t.Error("NaN passes for 1")
	}
	if failure := difference("the call", "y", []int{2}, []float32{1, nan}, []float32{1, 2}); failure == nil || failure.Want != "y[1] = 2" {
		t.Errorf("the failure is %v, want one that shows the NaN", failure)
	}
}

// Right answers can be written in other ways than the worked solutions.
func TestOtherRightAnswers(t *testing.T) {
	relu := func(x *graph.Node) *graph.Node { return graph.MaxScalar(x, 0) }
	for exercise, try := range map[string]func(T){
		"basicblock": func(t T) {
			BasicBlock(t, func(scope *model.Scope, x *graph.Node) *graph.Node {
				identity := x
				for _, number := range []string{"1", "2"} {
					x = nn.Conv(scope.In("conv%s", number), x, identity.Shape().Dimensions[3], 3, 1)
					x = nn.Norm(scope.In("bn%s", number), x)
					if number == "2" {
						x = graph.Add(identity, x)
					}
					x = relu(x)
				}
				return x
			})
		},
		"shortcut": func(t T) {
			Shortcut(t, func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
				changes := stride > 1 || x.Shape().Dim(3) != channels
				if changes {
					// Padding of 0, and every other pixel taken first, is the same convolution.
					every := graph.AxisRange().Stride(stride)
					x = graph.Slice(x, graph.AxisRange(), every, every)
					x = nn.Norm(scope.In("1"), nn.Conv(scope.In("0"), x, channels, 1, 1))
				}
				return x
			})
		},
		"bottleneck": func(t T) {
			Bottleneck(t, func(scope *model.Scope, x *graph.Node, planes, stride int, shortcut nn.Shortcut) *graph.Node {
				identity := shortcut(scope.In("downsample"), x, planes*4, stride)
				y := relu(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, planes, 1, 1)))
				y = relu(nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), y, planes, 3, stride)))
				y = nn.Norm(scope.In("bn3"), nn.Conv(scope.In("conv3"), y, planes*4, 1, 1))
				return relu(graph.Add(identity, y))
			})
		},
		"stage": func(t T) {
			Stage(t, func(scope *model.Scope, x *graph.Node, blocks, channels, stride int, block nn.Block) *graph.Node {
				y := block(scope.In("0"), x, channels, stride)
				for i := 1; i < blocks; i++ {
					y = block(scope.In("%d", i), y, channels, 1)
				}
				return y
			})
		},
		"resnet18": func(t T) {
			ResNet18(t, func(scope *model.Scope, x *graph.Node, width, classes int, block nn.Block) *graph.Node {
				x = relu(nn.Norm(scope.In("bn1"), nn.Conv(scope.In("conv1"), x, width, 7, 2)))
				x = nn.MaxPool(x, 3, 2)
				for i, stride := range []int{1, 2, 2, 2} {
					layer := scope.In("layer%d", i+1)
					for j := range 2 {
						x = block(layer.In("%d", j), x, width<<i, stride)
						stride = 1
					}
				}
				x = graph.DivScalar(graph.ReduceSum(x, 1, 2), x.Shape().Dim(1)*x.Shape().Dim(2))
				return nn.Linear(scope.In("fc"), x, classes)
			})
		},
		"trainingloop": func(t T) {
			TrainingLoop(t, func(l nn.Learner, epochs, batch int, rate func(int) float64) []nn.Epoch {
				history := make([]nn.Epoch, epochs)
				step := 0
				for e := range history {
					order := l.Shuffle()
					l.SetTraining(true)
					for from := 0; from < len(order); from += batch {
						to := min(from+batch, len(order))
						loss := l.Loss(order[from:to])
						l.Backward()
						l.SetLearningRate(rate(step))
						l.Step()
						l.ZeroGradients()
						history[e].Loss += loss * float64(to-from) / float64(len(order))
						step++
					}
					l.SetTraining(false)
					history[e].TestLoss = l.TestLoss()
				}
				return history
			})
		},
		"bugblock": func(t T) {
			BugBlock(t, func(scope *model.Scope, x *graph.Node, channels, stride int, shortcut nn.Shortcut) *graph.Node {
				identity := shortcut(scope.In("downsample"), x, channels, stride)
				x = nn.Conv(scope.In("conv1"), x, channels, 3, stride)
				x = nn.ReLU(nn.Norm(scope.In("bn1"), x))
				x = nn.Norm(scope.In("bn2"), nn.Conv(scope.In("conv2"), x, channels, 3, 1))
				return nn.ReLU(graph.Add(x, identity))
			})
		},
		"bugnorm": func(t T) { BugNorm(t, nn.Norm) },
		"bughead": func(t T) {
			BugHead(t, func(scope *model.Scope, x *graph.Node, classes int) *graph.Node {
				x = graph.Reshape(x, x.Shape().Dim(0), -1, x.Shape().Dim(3))
				return nn.Linear(scope.In("fc"), graph.ReduceMean(x, 1), classes)
			})
		},
	} {
		t.Run(exercise, func(t *testing.T) {
			result, log := grade(t, try)
			if earned, of := result.Points(); earned != of {
				t.Errorf("earns %d of %d points:\n%s", earned, of, log)
			}
		})
	}
}
