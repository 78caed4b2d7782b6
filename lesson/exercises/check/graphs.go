package check

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/backend"
)

// This file is what the exercises on GoMLX graphs share. The answer is a graph-building
// function. It runs on small inputs, with weights computed from their names, and the result
// is compared with what PyTorch computed with the same weights.

// blocksJSON has PyTorch's values; tests/reference/exercise_graphs.py writes it.
//
//go:embed testdata/blocks.json
var blocksJSON []byte

// graphCase is the shape of an input and what PyTorch computes for it.
type graphCase struct {
	Input []int `json:"input"`
	// Weights are the shapes of the right answer's variables, by name.
	Weights map[string][]int `json:"weights"`
	// Right is the right output, Mistakes are the outputs with the usual mistakes.
	Right    graphOutput   `json:"right"`
	Mistakes []graphOutput `json:"mistakes"`
	// Scale is a factor for the values of the inputs, if it is not 0.
	Scale float32 `json:"scale"`
}

// graphOutput is what a network computes. It has neither shape nor values if a mistake makes
// shapes that do not fit together.
type graphOutput struct {
	// Mistake is the name of the mistake's hint; empty for the right output.
	Mistake string    `json:"mistake"`
	Shape   []int     `json:"shape"`
	Values  []float32 `json:"values"`
	// Convolutions are the shapes of the outputs of the convolutions, by name.
	Convolutions map[string][]int `json:"convolutions"`
	// Training is what the network computes in training mode. It is set for the right output
	// and for mistakes that have the right values in evaluation mode.
	Training *trainingOutput `json:"training"`
}

// trainingOutput has the values of the output in training mode and, after it, the running
// statistics by name.
type trainingOutput struct {
	Values     []float32            `json:"values"`
	Statistics map[string][]float32 `json:"statistics"`
}

var graphCasesByName = sync.OnceValues(func() (map[string][]graphCase, error) {
	var cases map[string][]graphCase
	err := json.Unmarshal(blocksJSON, &cases)
	return cases, err
})

// graphCases returns the cases of an exercise.
func graphCases(exercise string) []graphCase {
	all, err := graphCasesByName()
	if err != nil || all[exercise] == nil {
		panic(fmt.Sprintf("check: testdata/blocks.json has nothing for %s: %v", exercise, err))
	}
	return all[exercise]
}

// network is an answer with all arguments set but scope and x.
type network func(scope *model.Scope, x *graph.Node) *graph.Node

// outcome is what an answer did.
type outcome struct {
	shape  []int
	values []float32
	// weights are the shapes of the variables, by names such as conv1.weight. convolutions
	// are the shapes of the outputs of the convolutions, by names such as conv1.
	weights, convolutions map[string][]int
	// statistics are the running statistics after training, by name.
	statistics map[string][]float32
	// returnsInput is true if the answer returned x itself.
	returnsInput bool
	// panicked is what building the graph panicked with, if it did; then there are no shape
	// and values. at is the line; see panicPlace.
	panicked any
	at       string
}

// computeOn returns the backend, which all checks can share: answers leave nothing in it.
var computeOn = sync.OnceValues(func() (compute.Backend, error) { return backend.New(backend.Auto) })

// evaluate runs an answer on x in evaluation mode; for change, see setWeights.
func evaluate(answer network, x *tensors.Tensor, change func(name string, values []float32)) (*outcome, error) {
	return runGraph(answer, x, false, change)
}

// runGraph runs an answer on x, in training mode or in evaluation mode; for change, see
// setWeights.
func runGraph(answer network, x *tensors.Tensor, training bool, change func(name string, values []float32)) (*outcome, error) {
	device, err := computeOn()
	if err != nil {
		return nil, err
	}
	store := model.NewStore()
	defer store.Finalize()
	o := &outcome{}
	exec, err := model.NewExec(device, store, func(scope *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), training)
		y := o.build(answer, scope, x)
		o.look(store, x.Graph())
		if o.panicked != nil {
			return x
		}
		return y
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	if err := exec.PreCompile(x); err != nil {
		return nil, err
	}
	if o.panicked != nil {
		return o, nil
	}
	if err := setWeights(store, change); err != nil {
		return nil, err
	}
	y, err := exec.Call1(x)
	if err != nil {
		return nil, err
	}
	o.shape = y.Shape().Dimensions
	if o.values, err = tensors.CopyFlatData[float32](y); err != nil || !training {
		return o, err
	}
	o.statistics = map[string][]float32{}
	for variable := range store.IterVariables() {
		name := dotted(variable.Path())
		if !strings.HasSuffix(name, ".running_mean") && !strings.HasSuffix(name, ".running_var") {
			continue
		}
		if o.statistics[name], err = tensors.CopyFlatData[float32](variable.MustValue()); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// setWeights sets each variable to the values computed from its name. change, if not nil, is
// called with the name and the values of each variable and may change the values.
func setWeights(store *model.Store, change func(name string, values []float32)) error {
	for variable := range store.IterVariables() {
		if !isWeight(variable) {
			continue
		}
		name, shape := dotted(variable.Path()), variable.Shape().Dimensions
		values := weightValues(name, shape)
		if change != nil {
			change(name, values)
		}
		if err := variable.SetValue(tensors.FromFlatDataAndDimensions(values, shape...)); err != nil {
			return err
		}
	}
	return nil
}

// build calls the answer and records a panic.
func (o *outcome) build(answer network, scope *model.Scope, x *graph.Node) (y *graph.Node) {
	defer func() {
		switch o.panicked = recover(); {
		case o.panicked != nil:
			o.at = panicPlace()
		case y == nil:
			o.panicked = "the answer returned nil"
		}
	}()
	y = answer(scope, x)
	o.returnsInput = y == x
	return y
}

// look records which weights and convolutions the answer created.
func (o *outcome) look(store *model.Store, g *graph.Graph) {
	o.weights, o.convolutions = map[string][]int{}, map[string][]int{}
	names := map[*graph.Node]string{}
	for variable := range store.IterVariables() {
		if isWeight(variable) {
			o.weights[dotted(variable.Path())] = variable.Shape().Dimensions
			if variable.InUseByGraph(g) {
				names[variable.NodeValue(g)] = dotted(variable.Scope())
			}
		}
	}
	for _, node := range g.Nodes() {
		if node.Type() == graph.NodeTypeConvGeneral {
			if name, ok := names[node.Inputs()[1]]; ok {
				o.convolutions[name] = node.Shape().Dimensions
			}
		}
	}
}

// isWeight reports whether a variable is the answer's and not GoMLX's own, such as the state
// of the random number generator.
func isWeight(variable *model.Variable) bool { return !strings.HasPrefix(variable.Name(), "#") }

// dotted turns a path of GoMLX into a name of PyTorch: /layer1/0/conv1 into layer1.0.conv1.
func dotted(path string) string { return strings.ReplaceAll(strings.Trim(path, "/"), "/", ".") }

// hashed returns n numbers in [−1, 1) that look random but depend only on the name.
// tests/reference/exercise_graphs.py has the same function.
func hashed(name string, n int) []float64 {
	seed := uint32(2166136261)
	for _, b := range []byte(name) {
		seed = (seed ^ uint32(b)) * 16777619
	}
	list := make([]float64, n)
	for i := range list {
		z := seed + uint32(i)*0x9E3779B9
		z = (z ^ z>>16) * 0x85EBCA6B
		z = (z ^ z>>13) * 0xC2B2AE35
		z ^= z >> 16
		list[i] = float64(z>>8)/(1<<23) - 1
	}
	return list
}

// weightValues returns the values for the variable of that name. Kernels are scaled to keep
// the size of the activations, and norms are not the identity.
func weightValues(name string, shape []int) []float32 {
	last := name[strings.LastIndex(name, ".")+1:]
	size := 1
	for _, n := range shape {
		size *= n
	}
	scale, shift := 0.25, 0.0
	switch {
	case last == "weight" && len(shape) > 1:
		scale = math.Sqrt(6 / float64(size/shape[len(shape)-1]))
	case last == "weight" || last == "running_var":
		scale, shift = 0.5, 1
	case last == "input":
		scale = 2
	}
	values := make([]float32, size)
	for i, u := range hashed(name, size) {
		values[i] = float32(shift + scale*u)
	}
	return values
}

// graphInput returns an input of that shape.
func graphInput(shape ...int) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(weightValues("input", shape), shape...)
}

// comparison compares an answer with PyTorch on one case.
type comparison struct {
	// what shows the call, as "Block(scope, x)".
	what   string
	answer network
	graphCase
	// hints explain the case's mistakes, by name.
	hints map[string]string
}

// comparisons returns a comparison for each case of an exercise; call returns what and
// answer for case i.
func comparisons(exercise string, hints map[string]string, call func(i int) (what string, answer network)) []comparison {
	var list []comparison
	for i, c := range graphCases(exercise) {
		what, answer := call(i)
		list = append(list, comparison{what, answer, c, hints})
	}
	return list
}

// run evaluates the answer. If it panics, run returns a failure. Its hint is the mistake that
// also makes shapes that do not fit, after the same convolutions.
func (t comparison) run() (*outcome, error) { return t.runIn(false) }

// runIn is run in training mode or in evaluation mode.
func (t comparison) runIn(training bool) (*outcome, error) {
	o, err := runGraph(t.answer, graphInput(t.Input...), training, nil)
	if err != nil {
		return nil, err
	}
	if o.panicked == nil {
		return o, nil
	}
	if text, ok := o.panicked.(string); ok && strings.HasPrefix(text, NotDone) {
		panic(text)
	}
	failure := panicked(o.panicked, o.at)
	failure.What, failure.Want = t.call(), fmt.Sprintf("a node of shape %v", t.Right.Shape)
	if _, ok := o.panicked.(endless); ok {
		failure.Hint = noEnd
	} else if strings.Contains(failure.Got, "already visited") {
		failure.Hint = scopeTwice
	}
	if strings.Contains(failure.Got, "BinaryOp") { // of shapes that do not fit
		for _, mistake := range t.Mistakes {
			if mistake.Shape == nil && maps.EqualFunc(mistake.Convolutions, o.convolutions, slices.Equal) {
				failure.Hint = t.hint(mistake.Mistake)
			}
		}
	}
	return nil, failure
}

// training checks the values and the running statistics in training mode, if there is a norm.
func (t comparison) training() error {
	if t.Right.Training == nil {
		return nil
	}
	o, err := t.runIn(true)
	if err != nil {
		return err
	}
	want := t.Right.Training
	failure := difference("in training mode, y = "+t.call(), "y", o.shape, o.values, want.Values)
	for _, name := range slices.Sorted(maps.Keys(want.Statistics)) {
		if failure != nil {
			break
		}
		values := want.Statistics[name]
		failure = difference(name+" after training on "+t.call(), name, []int{len(values)}, o.statistics[name], values)
	}
	if failure == nil {
		return nil
	}
	failure.Want += " (PyTorch's)"
	for _, mistake := range t.Mistakes {
		if mistake.Training != nil && slices.Equal(o.shape, mistake.Shape) && alike(o.values, mistake.Training.Values) {
			failure.Hint = t.hint(mistake.Mistake)
		}
	}
	return failure
}

func (t comparison) call() string { return fmt.Sprintf("%s with x of shape %v", t.what, t.Input) }

func (t comparison) hint(name string) Hint {
	text, ok := t.hints[name]
	if !ok {
		panic("check: no hint for " + name)
	}
	return Hint{Name: name, Text: text}
}

// reason returns the hint of the mistake that gives the answer's values, or the zero Hint.
func (t comparison) reason(o *outcome) Hint {
	for _, mistake := range t.Mistakes {
		if slices.Equal(o.shape, mistake.Shape) && alike(o.values, mistake.Values) {
			return t.hint(mistake.Mistake)
		}
	}
	return Hint{}
}

// shape checks the shape of the result.
func (t comparison) shape() error {
	o, err := t.run()
	if err != nil || slices.Equal(o.shape, t.Right.Shape) {
		return err
	}
	return &Failure{What: "the shape of " + t.call(), Want: fmt.Sprint(t.Right.Shape), Got: fmt.Sprint(o.shape), Hint: t.reason(o)}
}

// names checks the variables' names and shapes.
func (t comparison) names() error {
	o, err := t.run()
	if err != nil || maps.EqualFunc(o.weights, t.Weights, slices.Equal) {
		return err
	}
	missing, more := unlike(t.Weights, o.weights), unlike(o.weights, t.Weights)
	failure := &Failure{What: "the variables of " + t.call(), Want: missing, Got: "instead " + more, Hint: t.reason(o)}
	if missing == "" {
		failure.Want, failure.Got = fmt.Sprintf("only the right %d", len(t.Weights)), "also "+more
	} else if more == "" {
		failure.Got = "no variable of that name and shape"
	}
	return failure
}

// unlike lists the first few entries of a that b lacks or has with a different shape.
func unlike(a, b map[string][]int) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if shape, ok := b[name]; !ok || !slices.Equal(shape, a[name]) {
			lines = append(lines, fmt.Sprintf("%s %v", name, a[name]))
		}
	}
	const few = 4
	if len(lines) > few {
		lines = append(lines[:few], fmt.Sprintf("and %d more", len(lines)-few))
	}
	return strings.Join(lines, ", ")
}

// values checks the values of the result.
func (t comparison) values() error {
	o, err := t.run()
	if err != nil {
		return err
	}
	return t.compare(o)
}

func (t comparison) compare(o *outcome) error {
	if !slices.Equal(o.shape, t.Right.Shape) {
		return &Failure{What: "the shape of " + t.call(), Want: fmt.Sprint(t.Right.Shape), Got: fmt.Sprint(o.shape), Hint: t.reason(o)}
	}
	if failure := difference("y = "+t.call(), "y", o.shape, o.values, t.Right.Values); failure != nil {
		failure.Want += " (PyTorch's)"
		failure.Hint = t.reason(o)
		return failure
	}
	return nil
}

// difference returns nil if the values are alike, and otherwise a failure that shows the
// largest difference. name is what the values are called in what, such as y.
func difference(what, name string, shape []int, got, want []float32) *Failure {
	if alike(got, want) {
		return nil
	}
	worst, wrong := 0, 0
	for i := range want {
		if !(distance(got[i], want[i]) <= slack(want)) {
			wrong++
		}
		// Written so that NaN counts as the largest difference.
		if !(distance(got[i], want[i]) <= distance(got[worst], want[worst])) {
			worst = i
		}
	}
	index := make([]int, len(shape))
	for axis, rest := len(shape)-1, worst; axis >= 0; axis-- {
		index[axis], rest = rest%shape[axis], rest/shape[axis]
	}
	return &Failure{
		What: what,
		Want: fmt.Sprintf("%s%v = %.5g", name, index, want[worst]),
		Got:  fmt.Sprintf("%s%v = %.5g; %d of %d values differ, this one the most", name, index, got[worst], wrong, len(want)),

		Pattern: pattern(wide(want), wide(got), shape),
	}
}

func distance(a, b float32) float64 { return math.Abs(float64(a) - float64(b)) }

// slack returns the largest difference that counts as rounding: far more than another order
// of float32 additions makes, and far less than any of the mistakes does.
func slack(want []float32) float64 {
	largest := 0.0
	for _, x := range want {
		largest = max(largest, math.Abs(float64(x)))
	}
	return 1e-3*largest + 1e-6
}

// alike reports whether the values are equal up to rounding. NaN is never alike.
func alike(got, want []float32) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if !(distance(got[i], want[i]) <= slack(want)) {
			return false
		}
	}
	return true
}

// inBothModes returns a step that compares the values of each comparison in evaluation mode,
// then in training mode.
func inBothModes(comparisons ...comparison) func() error {
	return func() error {
		if err := onEach(comparisons, comparison.values)(); err != nil {
			return err
		}
		return onEach(comparisons, comparison.training)()
	}
}

// onEach returns a step that tries each comparison in turn.
func onEach(comparisons []comparison, try func(comparison) error) func() error {
	return func() error {
		for _, t := range comparisons {
			if err := try(t); err != nil {
				return err
			}
		}
		return nil
	}
}
