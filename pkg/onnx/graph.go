package onnx

// graph is a network in ONNX's terms: nodes that compute values from values, which they refer
// to by name.
type graph struct {
	name string
	// nodes are in an order in which each comes after those that compute its inputs.
	nodes []node
	// constants are the stored values, the weights among them.
	constants     map[string]tensor
	input, output valueInfo
}

// node applies an operator. Every operator used here has one output.
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

// tensor is a stored value: float32 or int64.
type tensor struct {
	dims     []int
	floats   []float32
	integers []int64
}

// valueInfo describes the network's input or output, which is float32. A dimension is an int,
// or a name if it is known only when the network is run.
type valueInfo struct {
	name string
	dims []any
	doc  string
}

// stored returns the names of the constants that the nodes use, in the order of first use.
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
