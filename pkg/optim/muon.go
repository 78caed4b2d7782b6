package optim

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// muonScale is Muon's multiple of the learning rate for a kernel [height, width, inputs, outputs]:
// √max(1, outputs/inputs), where PyTorch counts inputs·height·width inputs, the columns of the matrix.
func muonScale(kernel shapes.Shape) float64 {
	outputs := kernel.Dim(-1)
	return math.Sqrt(max(1, float64(outputs)/float64(kernel.Size()/outputs)))
}

// orthogonalized returns a matrix near each kernel's [height, width, inputs, outputs], as the matrix
// [height·width·inputs, outputs], whose singular values are near 1 and whose singular vectors are the
// same: x is divided by its Frobenius norm, and then five times x ← x·(a + b·xᵀx + c·(xᵀx)²) moves all
// singular values towards 1 at once (a Newton–Schulz iteration with Jordan's coefficients). Kernels of
// the same size are computed as one batch.
func orthogonalized(kernels []*graph.Node) []*graph.Node {
	result := make([]*graph.Node, len(kernels))
	batches := map[[2]int][]int{} // the kernels with matrices of each size
	var sizes [][2]int            // in the order of their first kernels
	for i, kernel := range kernels {
		outputs := kernel.Shape().Dim(-1)
		size := [2]int{kernel.Shape().Size() / outputs, outputs}
		if batches[size] == nil {
			sizes = append(sizes, size)
		}
		batches[size] = append(batches[size], i)
	}
	for _, size := range sizes {
		var matrices []*graph.Node
		for _, i := range batches[size] {
			matrices = append(matrices, graph.Reshape(kernels[i], size[0], size[1]))
		}
		x := graph.Stack(matrices, 0)
		square, times := "nki,nkj->nij", "nki,nij->nkj" // xᵀx and x·(…), or with the shorter side first
		if size[0] < size[1] {
			square, times = "nik,njk->nij", "nik,nij->njk"
		}
		norm := graph.Sqrt(graph.ReduceAndKeep(graph.Square(x), graph.ReduceSum, 1, 2))
		x = graph.Div(x, graph.MaxScalar(norm, 1e-7))
		const a, b, c = 3.4445, -4.7750, 2.0315
		for range 5 {
			s := graph.Einsum(square, x, x)
			polynomial := graph.Add(graph.MulScalar(s, b), graph.MulScalar(graph.Einsum("nik,nkj->nij", s, s), c))
			x = graph.Add(graph.MulScalar(x, a), graph.Einsum(times, x, polynomial))
		}
		for at, i := range batches[size] {
			matrix := graph.Slice(x, graph.AxisElem(at))
			result[i] = graph.Reshape(matrix, kernels[i].Shape().Dimensions...)
		}
	}
	return result
}
