package nn

// Residual is a trained residual block for vectors: its output is
// ReLU(Shortcut(x) + Branch(x)). Neither function changes x.
type Residual struct {
	Branch, Shortcut func(x []float64) []float64
}
