package nn

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/support/exceptions"
)

// CrossEntropy returns the loss −Σ target·log softmax(logits), averaged over the batch. It equals
// PyTorch's CrossEntropyLoss with label_smoothing.
//
// The loss function takes one tensor of labels, integers [batch, 1], and one of logits,
// [batch, classes]. Without smoothing, the target is 1 for the label's class and 0 for the
// others. Label smoothing moves a share of it, often 0.1, to all classes in equal parts (Szegedy
// et al. 2016, https://arxiv.org/abs/1512.00567, section 7).
//
// Labels must be from 0 to classes−1. A graph cannot report any other, as PyTorch does: without
// smoothing, its image adds nothing to the loss. dataset.Images.Validate finds such labels.
func CrossEntropy(smoothing float64) loss.LossFn {
	if !(smoothing >= 0 && smoothing < 1) {
		exceptions.Panicf("CrossEntropy: label smoothing %g, want 0 ≤ smoothing < 1", smoothing)
	}
	return func(labels, predictions []*graph.Node) *graph.Node {
		if len(labels) != 1 || len(predictions) != 1 {
			exceptions.Panicf("CrossEntropy: %d tensors of labels and %d of logits, want one of each", len(labels), len(predictions))
		}
		label, logits := labels[0], predictions[0]
		if !label.DType().IsInt() || label.Rank() != 2 || label.Shape().Dim(1) != 1 || logits.Rank() != 2 ||
			label.Shape().Dim(0) != logits.Shape().Dim(0) {
			exceptions.Panicf("CrossEntropy: labels %s and logits %s, want integers [batch, 1] and [batch, classes]",
				label.Shape(), logits.Shape())
		}
		classes := logits.Shape().Dim(1)
		target := graph.OneHot(graph.Squeeze(label, 1), classes, logits.DType())
		if smoothing > 0 {
			target = graph.AddScalar(graph.MulScalar(target, 1-smoothing), smoothing/float64(classes))
		}
		return graph.ReduceAllMean(graph.Neg(graph.ReduceSum(graph.Mul(target, graph.LogSoftmax(logits)), -1)))
	}
}
