package nn

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/train/loss"
)

// CrossEntropy is the mean cross-entropy in nats of logits, (n, classes), and the classes that are right, (n, 1) of integers,
// as Classes feeds them; with it the share of rows whose largest logit is the right one, as the metric "accuracy".
func CrossEntropy(logits, classes *Node) (*Node, Metrics) {
	right := Equal(ArgMax(logits, 1, dtypes.Int32), Squeeze(classes, 1))
	return ReduceAllMean(loss.SparseCategoricalCrossEntropyLogits([]*Node{classes}, []*Node{logits})),
		Metrics{"accuracy": ReduceAllMean(ConvertDType(right, logits.DType()))}
}
