package onnx

// graph is a network as ONNX has it: nodes that make values of values, by their names.
type graph struct {
	name string
	// nodes come after those that make their inputs.
	nodes []node
	// constants are the values that are stored, the weights among them.
	constants     map[string]tensor
	input, output valueInfo
}

// node applies an operator. Each of those used here has one output.
type node struct {
	name, operator string
	inputs         []string
	output         string
	attributes     []attribute
}

// attribute is a setting of an operator: an int, a float32 or an []int.
type attribute struct {
	name  string
	value any
}

// tensor is a stored value: float32 numbers, or int64 ones.
type tensor struct {
	dims     []int
	floats   []float32
	integers []int64
}

// valueInfo tells the type of the network's input or output, which is float32. A dimension
// is an int, or the name of one that is known only when the network is run.
type valueInfo struct {
	name string
	dims []any
	doc  string
}

// stored returns the names of the constants that the nodes use, in the order of their use.
func (g *graph) stored() []string {
	var names []string
	seen := map[string]bool{}
	for _, node := range g.nodes {
		for _, name := range node.inputs {
			if _, ok := g.constants[name]; ok && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}
