package resnet

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Summary lists the layers of a network for one input size.
type Summary struct {
	Model string `json:"model"`
	// Input is [height, width, channels] of one image.
	Input  []int   `json:"input"`
	Layers []Layer `json:"layers"`
	// Parameters counts the trained values: weights, biases, and the γ and β of batch norms.
	Parameters int64 `json:"parameters"`
	// MultiplyAdds counts the multiply-adds of convolutions and linear layers for one image. A
	// multiplication and an addition count as one, as in papers and in torchvision.
	MultiplyAdds int64 `json:"multiply_adds"`
}

// Layer is a row of a [Summary].
type Layer struct {
	// Name is the name that a [Tap] receives.
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Output is the shape of the layer's output for one image: [height, width, channels], or
	// [channels] after the global average pool.
	Output       []int `json:"output"`
	Parameters   int64 `json:"parameters"`
	MultiplyAdds int64 `json:"multiply_adds"`
}

// Summary lists the layers for RGB images of the given height and width in pixels. It builds the
// network without running it, so even the largest takes little time and memory. Any size from
// 1×1 pixels works, since padding keeps at least one pixel.
func (c Config) Summary(height, width int) (*Summary, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if height < 1 || width < 1 {
		return nil, fmt.Errorf("summary of %s: images of %d×%d pixels", c.Name, height, width)
	}
	summary := &Summary{Model: c.Name, Input: []int{height, width, 3}}
	err := c.dry(model.NewStore().RootScope(), height, width, func(layer layer) {
		summary.Layers = append(summary.Layers, Layer{
			Name:         layer.name,
			Kind:         layer.kind,
			Output:       layer.output.Shape().Dimensions[1:],
			Parameters:   layer.parameters,
			MultiplyAdds: layer.multiplyAdds,
		})
		summary.Parameters += layer.parameters
		summary.MultiplyAdds += layer.multiplyAdds
	})
	if err != nil {
		return nil, fmt.Errorf("summary of %s for %d×%d pixels: %w", c.Name, height, width, err)
	}
	return summary, nil
}

// Declare creates the network's variables under scope, in the same order as Forward. They have no
// values: weights can be loaded into them, or they are initialised when they are first used.
func (c Config) Declare(scope *model.Scope) error {
	const size = 32 // any size: the variables do not depend on it
	if err := c.dry(scope, size, size, func(layer) {}); err != nil {
		return fmt.Errorf("declare %s: %w", c.Name, err)
	}
	return nil
}

// Check returns an error unless the variables under path in the store are the network's, with its shapes. [Config.Forward]
// would create those that are missing, with random values. Other variables may be there too, such as an
// optimiser's, but none of further blocks.
func (c Config) Check(store *model.Store, path string) error {
	scope := store.Scope(path)
	if scope.NumVariables() == 0 {
		return fmt.Errorf("no weights under %s", path)
	}
	const another = "the weights under %s are those of another network: "
	declared := model.NewStore().Scope(path)
	if err := c.Declare(declared); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for want := range declared.IterVariables() {
		key, _ := StateDictKey(declared, want)
		wanted[key] = true
		switch variable := store.GetVariable(want.Path()); {
		case variable == nil:
			return fmt.Errorf(another+"they have no %s", path, key)
		case !variable.Shape().Equal(want.Shape()):
			return fmt.Errorf(another+"%s is %s, want %s", path, key, variable.Shape(), want.Shape())
		}
	}
	for variable := range scope.IterVariables() {
		if key, _ := StateDictKey(scope, variable); strings.HasPrefix(key, "layer") && !wanted[key] {
			return fmt.Errorf(another+"they have %s too", path, key)
		}
	}
	return nil
}

// dry builds the network for one image, on GoMLX's Go backend, which is always available, and
// discards the graph.
func (c Config) dry(scope *model.Scope, height, width int, done func(layer)) error {
	return exceptions.TryCatch[error](func() {
		g := graph.NewGraph(gobackend.GetBackend(), c.Name)
		defer g.Finalize()
		model.SetStore(g, scope.Store())
		images := graph.Parameter(g, "images", shapes.Make(DType, 1, height, width, 3))
		c.forward(scope, images, Training{}, done)
	})
}

// WriteTable writes the summary as a table of text, with the rows of [Summary.Rows].
func (s *Summary) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range s.Rows() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%14s\t%16s\n", row[0], row[1], row[2], row[3], row[4])
	}
	return table.Flush()
}

// Rows returns the summary as the rows of a table: the name of a layer, its kind, the shape of its
// output, its parameters and its multiply-adds. The first row has the headings, the second is the
// input, and the last has the sums. It omits ReLUs, blocks and stages, which have no parameters of
// their own.
func (s *Summary) Rows() [][5]string {
	rows := [][5]string{{"layer", "kind", "output", "parameters", "multiply-adds"}, {"input", "", dims(s.Input), "", ""}}
	for _, layer := range s.Layers {
		switch layer.Kind {
		case "ReLU", "block", "stage":
			continue
		}
		rows = append(rows, [5]string{layer.Name, layer.Kind, dims(layer.Output), count(layer.Parameters), count(layer.MultiplyAdds)})
	}
	return append(rows, [5]string{s.Model, "", "", count(s.Parameters), count(s.MultiplyAdds)})
}

// String returns the table that WriteTable writes.
func (s *Summary) String() string {
	var b strings.Builder
	s.WriteTable(&b)
	return b.String()
}

func dims(shape []int) string {
	parts := make([]string, len(shape))
	for i, dim := range shape {
		parts[i] = fmt.Sprint(dim)
	}
	return strings.Join(parts, "×")
}

// count returns n with a comma every three digits.
func count(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
