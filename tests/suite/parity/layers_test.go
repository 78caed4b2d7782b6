package parity

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/nn"
)

// layerTolerance is the tolerance for single layers and for the optimiser.
const layerTolerance = 2e-5

// dotted sums y·upstream, whose gradient with respect to y is upstream.
func dotted(y, upstream *graph.Node) *graph.Node {
	return graph.ReduceAllSum(graph.Mul(y, upstream))
}

func TestBatchNorm(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			var spec struct{ Eps, Momentum float64 }
			want := load(t, "layer-batchnorm", &spec)
			store := model.NewStore()
			names := []string{nn.GammaName, nn.BetaName, nn.MeanName, nn.VarianceName}
			for _, name := range names {
				store.VariableWithValue("/"+name, want["init/"+name].tensor())
			}
			if spec.Eps != 1e-5 || spec.Momentum != 0.1 {
				t.Fatalf("made with %+v, which are not the defaults", spec)
			}
			norm := func(scope *model.Scope, x *graph.Node) *graph.Node {
				return nn.BatchNorm(scope, x).Done()
			}

			train, err := model.NewExec(backend, store, func(scope *model.Scope, x, upstream *graph.Node) []*graph.Node {
				g := x.Graph()
				store.SetTraining(g, true)
				y := norm(scope, x)
				gamma, beta := store.GetVariable("/"+names[0]), store.GetVariable("/"+names[1])
				gradients := graph.Gradient(dotted(y, upstream), x, gamma.NodeValue(g), beta.NodeValue(g))
				return append([]*graph.Node{y}, gradients...)
			})
			if err != nil {
				t.Fatal(err)
			}
			for step := range want["x"].shape[0] {
				outputs, err := train.Call(want["x"].at(step).tensor(), want["upstream"].at(step).tensor())
				if err != nil {
					t.Fatal(err)
				}
				got := arrays{}
				for i, key := range []string{"y", "grad_x", "grad_weight", "grad_bias"} {
					got[key] = fromTensor(outputs[i])
				}
				for _, key := range names[2:] {
					got[key] = fromTensor(store.GetVariable("/" + key).MustValue())
				}
				expected := arrays{}
				for key := range got {
					expected[key] = want[key].at(step)
				}
				expect(t, fmt.Sprintf("step %d", step), got, expected)
			}

			y, err := model.CallOnce(backend, store, func(scope *model.Scope, x *graph.Node) *graph.Node {
				store.SetTraining(x.Graph(), false)
				return norm(scope, x)
			}, want["x"].at(0).tensor())
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "evaluation", arrays{"y": fromTensor(y)}, arrays{"y": want["y_eval"]})
		})
	}
}

// expect fails the test if got differs from want by more than layerTolerance.
func expect(t *testing.T, what string, got, want arrays) {
	t.Helper()
	worst, err := compare(got, want, layerTolerance)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	t.Logf("%s: %.1e", what, worst)
}

// spatialSpec is a layer that pads, as tests/reference/parity.py describes it.
type spatialSpec struct {
	Name, Op               string
	Size                   []int
	Kernel, Stride, Groups int
	Fill                   float64
	Pads                   [][2]int
}

// build builds the layer as package resnet does.
func (s spatialSpec) build(x, weight *graph.Node) *graph.Node {
	padding := [][2]int{{s.Kernel / 2, s.Kernel / 2}, {s.Kernel / 2, s.Kernel / 2}}
	switch s.Op {
	case "conv":
		return graph.Convolve(x, weight).Strides(s.Stride).PaddingPerDim(padding).ChannelGroupCount(s.Groups).Done()
	case "maxpool":
		return graph.MaxPool(x).Window(s.Kernel).Strides(s.Stride).PaddingPerDim(padding).Done()
	}
	every := graph.AxisRange().Stride(s.Stride)
	x = graph.Slice(x, graph.AxisRange(), every, every, graph.AxisRange())
	axes := make([]compute.PadAxis, 1, 4)
	for _, pad := range s.Pads {
		axes = append(axes, compute.PadAxis{Start: pad[0], End: pad[1]})
	}
	return nn.Pad(x, graph.Scalar(x.Graph(), x.DType(), s.Fill), axes...)
}

func TestSpatialLayers(t *testing.T) {
	var specs []spatialSpec
	reference := load(t, "layer-spatial", &specs)
	for name, backend := range backends(t) {
		for _, spec := range specs {
			t.Run(fmt.Sprintf("%s/%s/%s-%d-%d-%v", name, spec.Name, spec.Op, spec.Kernel, spec.Stride, spec.Size), func(t *testing.T) {
				want := reference.under(spec.Name + "/")
				keys := []string{"y", "grad_x"}
				inputs := []any{want["x"].tensor(), want["upstream"].tensor()}
				if spec.Op == "conv" {
					keys = append(keys, "grad_weight")
					inputs = append(inputs, fromPyTorch(want["weight"]).tensor())
				}
				outputs, err := graph.CallOnceN(backend, func(inputs []*graph.Node) []*graph.Node {
					x, upstream := inputs[0], inputs[1]
					with := []*graph.Node{x}
					var weight *graph.Node
					if len(inputs) > 2 {
						weight = inputs[2]
						with = append(with, weight)
					}
					y := spec.build(x, weight)
					return append([]*graph.Node{y}, graph.Gradient(dotted(y, upstream), with...)...)
				}, inputs...)
				if err != nil {
					t.Fatal(err)
				}
				got, expected := arrays{}, arrays{}
				for i, key := range keys {
					got[key], expected[key] = fromTensor(outputs[i]), want[key]
				}
				if spec.Op == "conv" {
					got["grad_weight"] = toPyTorch(got["grad_weight"])
				}
				expect(t, "layer", got, expected)
			})
		}
	}
}

func TestCrossEntropy(t *testing.T) {
	var spec struct {
		LabelSmoothing []float64 `json:"label_smoothing"`
	}
	want := load(t, "layer-crossentropy", &spec)
	logits, labels := want["logits"], want["labels"]
	for name, backend := range backends(t) {
		for i, smoothing := range spec.LabelSmoothing {
			t.Run(fmt.Sprintf("%s/%g", name, smoothing), func(t *testing.T) {
				loss := nn.CrossEntropy(smoothing)
				outputs, err := graph.CallOnceN(backend, func(logits, labels *graph.Node) []*graph.Node {
					mean := loss([]*graph.Node{labels}, []*graph.Node{logits})
					return []*graph.Node{mean, graph.Gradient(mean, logits)[0]}
				}, logits.tensor(), labelTensor(labels))
				if err != nil {
					t.Fatal(err)
				}
				expect(t, "batch", arrays{"loss": fromTensor(outputs[0]), "gradient": fromTensor(outputs[1])},
					arrays{"loss": want["losses"].at(i), "gradient": want["grads"].at(i)})

				// One example at a time: in a mean, a large loss hides a small one.
				row, err := graph.NewExec(backend, func(logits, labels *graph.Node) *graph.Node {
					return loss([]*graph.Node{labels}, []*graph.Node{logits})
				})
				if err != nil {
					t.Fatal(err)
				}
				defer row.Finalize()
				rows := array{shape: labels.shape}
				for j := range labels.shape[0] {
					example := logits.at(j)
					example.shape = []int{1, example.shape[0]}
					output, err := row.Call1(example.tensor(), labelTensor(array{[]int{1}, labels.data[j : j+1]}))
					if err != nil {
						t.Fatal(err)
					}
					rows.data = append(rows.data, fromTensor(output).data...)
				}
				expect(t, "rows", arrays{"losses": rows}, arrays{"losses": want["rows"].at(i)})
			})
		}
	}
}
