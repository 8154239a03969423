package nn

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// CrossEntropy is the mean cross-entropy in nats of logits, (n, classes), and the classes that are right, (n, 1) of integers,
// as Classes feeds them; with it the share of rows whose largest logit is the right one, as the metric "accuracy". Exponentials
// are taken once: the gradient, p - 1 where the class is right and p elsewhere, is told from them.
func CrossEntropy(logits, classes *Node) (*Node, Metrics) {
	rows, of := Squeeze(classes, 1), logits.Shape().Dim(1)
	right := Equal(ArgMax(logits, 1, dtypes.Int32), rows)
	x := StopGradient(Settled(logits))
	x = Sub(x, ReduceAndKeep(x, ReduceMax, 1))
	powers := Exp(x)
	sums := ReduceAndKeep(powers, ReduceSum, 1)
	target := OneHot(rows, of, logits.DType())
	value := ReduceAllMean(Sub(Log(sums), ReduceAndKeep(Mul(x, target), ReduceSum, 1)))
	slope := IdentityWithCustomGradient(logits, func(_, dy *Node) *Node {
		return Mul(dy, DivScalar(Sub(Div(powers, sums), target), float64(logits.Shape().Dim(0))))
	})
	return Straight(ReduceAllSum(slope), value), Metrics{"accuracy": ReduceAllMean(ConvertDType(right, logits.DType()))}
}
