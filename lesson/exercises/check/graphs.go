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

	"github.com/residual-go/residual/lesson/exercises/nn"
	"github.com/residual-go/residual/pkg/backend"
)

// This file is what the exercises made of GoMLX graphs share. The answer is a function
// that adds to a graph; it is run on small inputs with weights that are computed from
// their names, and compared with what PyTorch computed with the same weights.

// blocksJSON is written by tests/reference/exercise_graphs.py.
//
//go:embed testdata/blocks.json
var blocksJSON []byte

// graphCase is one input and what PyTorch makes of it.
type graphCase struct {
	Input []int `json:"input"`
	// Weights are the shapes of the right answer's variables.
	Weights  map[string][]int `json:"weights"`
	Right    graphOutput      `json:"right"`
	Mistakes []graphOutput    `json:"mistakes"`
}

// graphOutput is what a network computes. One whose shapes do not fit together has
// neither shape nor values.
type graphOutput struct {
	Mistake      string           `json:"mistake"`
	Shape        []int            `json:"shape"`
	Values       []float32        `json:"values"`
	Convolutions map[string][]int `json:"convolutions"`
}

var graphCasesByName = sync.OnceValues(func() (map[string][]graphCase, error) {
	var cases map[string][]graphCase
	err := json.Unmarshal(blocksJSON, &cases)
	return cases, err
})

// graphCases returns those of an exercise.
func graphCases(exercise string) []graphCase {
	all, err := graphCasesByName()
	if err != nil || all[exercise] == nil {
		panic(fmt.Sprintf("check: no values of PyTorch's for %s: %v", exercise, err))
	}
	return all[exercise]
}

// network is an answer whose other arguments are given.
type network func(scope *model.Scope, x *graph.Node) *graph.Node

// outcome is what an answer computed, and how.
type outcome struct {
	shape  []int
	values []float32
	// weights and convolutions are the shapes of the variables and of what leaves the
	// convolutions, by names such as conv1.weight and conv1.
	weights, convolutions map[string][]int
	// returnsInput says that the answer returned x itself.
	returnsInput bool
	// panicked is what building the graph panicked with, if it did: there is no shape then,
	// and there are no values. at is where it did; see panicPlace.
	panicked any
	at       string
}

// computeOn is shared: nothing in it is an answer's.
var computeOn = sync.OnceValues(func() (compute.Backend, error) { return backend.New(backend.Auto) })

// evaluate runs an answer on x, in inference, with weights that change may change.
func evaluate(answer network, x *tensors.Tensor, change func(name string, values []float32)) (*outcome, error) {
	device, err := computeOn()
	if err != nil {
		return nil, err
	}
	store := model.NewStore()
	defer store.Finalize()
	o := &outcome{}
	exec, err := model.NewExec(device, store, func(scope *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), false)
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
	o.values, err = tensors.CopyFlatData[float32](y)
	return o, err
}

// setWeights gives the variables the values that their names say. change may be nil; else
// it is shown the values of each variable, by name, and may change them.
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

// build calls the answer and keeps what it panics with.
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

// look notes which weights and convolutions the answer made.
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

// isWeight tells an answer's variables from those that GoMLX keeps for itself, as the
// state of the random numbers.
func isWeight(variable *model.Variable) bool { return !strings.HasPrefix(variable.Name(), "#") }

// dotted is a path of GoMLX's in PyTorch's spelling.
func dotted(path string) string { return strings.ReplaceAll(strings.Trim(path, "/"), "/", ".") }

// hashed returns n numbers from −1 to 1 that look random and are a function of the name.
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

// weightValues are the values of the variable of that name: kernels of the size that
// keeps activations about the same, and norms that do something.
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

// graphInput returns numbers of that shape.
func graphInput(shape ...int) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(weightValues("input", shape), shape...)
}

// comparison is an answer on one case of PyTorch's.
type comparison struct {
	// what is shown for the call, as "Block(scope, x)".
	what   string
	answer network
	graphCase
	// hints explain the case's mistakes, by name.
	hints map[string]string
}

// run evaluates the answer. It is a failure if the answer panics, with the hint of the
// mistake that has the same convolutions.
func (t comparison) run() (*outcome, error) {
	o, err := evaluate(t.answer, graphInput(t.Input...), nil)
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
	for _, mistake := range t.Mistakes {
		if mistake.Shape == nil && maps.EqualFunc(mistake.Convolutions, o.convolutions, slices.Equal) {
			failure.Hint = t.hint(mistake.Mistake)
		}
	}
	return nil, failure
}

var scopeTwice = Hint{"scope-entered-twice", "GoMLX makes the scope of a name once, so that no two layers share their weights unasked. Give each layer a name of its own; and keep in a variable a scope that several are made in"}

func (t comparison) call() string { return fmt.Sprintf("%s with x of shape %v", t.what, t.Input) }

func (t comparison) hint(name string) Hint {
	text, ok := t.hints[name]
	if !ok {
		panic("check: no hint for " + name)
	}
	return Hint{Name: name, Text: text}
}

// reason returns the hint of the mistake that computes what the answer computed, or none.
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
	failure := &Failure{What: "the variables of " + t.call(), Want: missing, Got: "in their place " + more, Hint: t.reason(o)}
	if missing == "" {
		failure.Want, failure.Got = fmt.Sprintf("the right %d", len(t.Weights)), "also "+more
	} else if more == "" {
		failure.Got = "none of that name and shape"
	}
	return failure
}

// unlike lists the first few variables in a that b has not, or has in another shape.
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

// values checks the numbers.
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

// difference is the failure of values that are not those wanted, nil if they are. name is
// the values' in what, as y.
func difference(what, name string, shape []int, got, want []float32) *Failure {
	if alike(got, want) {
		return nil
	}
	worst, wrong := 0, 0
	for i := range want {
		if !(distance(got[i], want[i]) <= slack(want)) {
			wrong++
		}
		// Written so that a NaN is worse than any number.
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
		Got:  fmt.Sprintf("%s%v = %.5g; of %d numbers %d differ, this one most", name, index, got[worst], len(want), wrong),
	}
}

func distance(a, b float32) float64 { return math.Abs(float64(a) - float64(b)) }

// slack is far above what the order of float32 additions changes, and far below what
// any of the mistakes does.
func slack(want []float32) float64 {
	largest := 0.0
	for _, x := range want {
		largest = max(largest, math.Abs(float64(x)))
	}
	return 1e-3*largest + 1e-6
}

// alike says whether numbers are the same but for rounding.
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

// onEach tries a step on every comparison.
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

// calls counts how often an answer calls something that a check gave it, and panics where
// that is more than any right answer does. An endless loop would otherwise fill the memory
// before its time is up.
type calls int

func (n *calls) call(name string) {
	const many = 100
	if *n++; *n > many {
		panic(endless(name + " is called more than a hundred times"))
	}
}

// endless is what calls panics with.
type endless string

var noEnd = Hint{"no-end", "a loop does not end: look at what should make its condition false"}

// counted is a block that is not called for ever.
func counted(block nn.Block) nn.Block {
	var n calls
	return func(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
		n.call("block")
		return block(scope, x, channels, stride)
	}
}
