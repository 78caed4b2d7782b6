package weights

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/statedict"
)

// LoadOptions say what Load may leave undone. The zero LoadOptions are strict: every
// variable gets a value and every tensor is used.
type LoadOptions struct {
	// NewHead leaves the head, fc.weight and fc.bias, at its initial value if the weights
	// have none or one for another number of classes, for a network that is to learn classes
	// of its own.
	NewHead bool
	// Partial takes what fits and leaves the rest.
	Partial bool
}

// Report says what became of weights and variables. Its names are canonical and sorted.
type Report struct {
	// Loaded are the variables that got their values.
	Loaded []string `json:"loaded"`
	// Left are the variables that stay at their initial values.
	Left []string `json:"left"`
	// Unfit are the tensors that went nowhere.
	Unfit []Unfit `json:"unfit"`
}

// Unfit is a tensor that went nowhere, and why.
type Unfit struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Load gives the variables under scope, which resnet.Config.Declare or a forward pass has
// made, the values of the tensors of the same names, in PyTorch's layouts, and reports what
// became of each. What options do not allow is an error that begins with the first of it;
// the report is there then too, to say the rest. On any error no variable has changed.
func Load(scope *model.Scope, tensors map[string]statedict.Tensor, options LoadOptions) (*Report, error) {
	report := &Report{Loaded: []string{}, Left: []string{}, Unfit: []Unfit{}}
	fitting := map[string]statedict.Tensor{}
	known := map[string]bool{}
	for variable := range scope.IterVariables() {
		name, _ := resnet.StateDictKey(scope, variable)
		known[name] = true
		tensor, ok := tensors[name]
		want := statedict.Shape(variable)
		switch {
		case !ok:
			report.Left = append(report.Left, name)
		case !slices.Equal(tensor.Shape, want):
			report.Left = append(report.Left, name)
			report.Unfit = append(report.Unfit, Unfit{name, fmt.Sprintf("it has shape %v, the network wants %v", tensor.Shape, want)})
		default:
			fitting[name] = tensor
		}
	}
	for name := range tensors {
		if !known[name] {
			report.Unfit = append(report.Unfit, Unfit{name, "the network has nothing of that name"})
		}
	}
	if options.NewHead && (slices.ContainsFunc(report.Left, isHead)) {
		// A bias for the old classes is of no use to a new weight, whatever its shape.
		for _, name := range []string{"fc.weight", "fc.bias"} {
			if _, ok := fitting[name]; ok {
				delete(fitting, name)
				report.Left = append(report.Left, name)
				report.Unfit = append(report.Unfit, Unfit{name, "the rest of the head does not fit"})
			}
		}
	}
	report.Loaded = slices.AppendSeq(report.Loaded, maps.Keys(fitting))
	slices.Sort(report.Loaded)
	slices.Sort(report.Left)
	slices.SortFunc(report.Unfit, func(a, b Unfit) int { return strings.Compare(a.Name, b.Name) })
	if problems := report.problems(options); len(problems) > 0 {
		return report, fmt.Errorf("load weights: %s", few(problems))
	}
	if err := statedict.Update(scope, fitting); err != nil {
		return report, fmt.Errorf("load weights: %w", err)
	}
	return report, nil
}

// isHead reports whether name is of the layer behind which the classes are.
func isHead(name string) bool { return strings.HasPrefix(name, resnet.HeadName+".") }

// problems are the entries of the report that options do not allow, in words.
func (r *Report) problems(options LoadOptions) []string {
	if options.Partial {
		return nil
	}
	allowed := func(name string) bool { return options.NewHead && isHead(name) }
	var problems []string
	unfit := map[string]bool{}
	for _, u := range r.Unfit {
		unfit[u.Name] = true
		if !allowed(u.Name) {
			problems = append(problems, u.Name+": "+u.Why)
		}
	}
	for _, name := range r.Left {
		if !unfit[name] && !allowed(name) {
			problems = append(problems, name+": there are no weights for it")
		}
	}
	return problems
}

// few joins the first of the items, and says how many more there are.
func few(items []string) string {
	const shown = 4
	if more := len(items) - shown; more > 0 {
		items = append(slices.Clone(items[:shown]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(items, "; ")
}

// String says it in a few lines.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d tensors loaded", len(r.Loaded))
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "\n%d left at their initial values: %s", len(r.Left), few(r.Left))
	}
	if len(r.Unfit) > 0 {
		var unfit []string
		for _, u := range r.Unfit {
			unfit = append(unfit, u.Name+" ("+u.Why+")")
		}
		fmt.Fprintf(&b, "\n%d that did not fit: %s", len(r.Unfit), few(unfit))
	}
	return b.String()
}
