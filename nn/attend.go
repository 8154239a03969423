package nn

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Attend lets every vector of a sequence look at every other: attention of several heads, without dropout. h is
// (batch·length, width), sequence after sequence, and so is the result; heads must divide the width. there, (batch, length),
// is 1 where there is something to look at and 0 where not; nil for 1 everywhere.
//
// Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2.
func Attend(scope *model.Scope, h *Node, length, heads int, there *Node) *Node {
	width := h.Shape().Dim(1)
	batch, each := h.Shape().Dim(0)/length, width/heads
	part := func(name string, axes ...int) *Node {
		return TransposeAllAxes(Reshape(Dense(scope.In("%s", name), h, width), batch, length, heads, each), axes...)
	}
	q := part("query", 0, 2, 1, 3) // (batch, heads, length, each)
	k := part("key", 0, 2, 3, 1)   // (batch, heads, each, length)
	v := part("value", 0, 2, 1, 3)
	scores := MulScalar(products(q, k), 1/math.Sqrt(float64(each)))
	if there != nil {
		scores = Add(scores, InsertAxes(MulScalar(OneMinus(there), -1e9), 1, 1))
	}
	y := TransposeAllAxes(products(softmax(scores), v), 0, 2, 1, 3)
	return Dense(scope.In("out"), Reshape(y, batch*length, width), width)
}

// softmax is that of the last axis. Its gradient is told from its values, where GoMLX's takes the exponentials a second time.
func softmax(x *Node) *Node {
	y := StopGradient(Softmax(Settled(x), -1))
	return Straight(IdentityWithCustomGradient(x, func(_, dy *Node) *Node {
		return Mul(y, Sub(dy, ReduceAndKeep(Mul(dy, y), ReduceSum, -1)))
	}), y)
}

// products are those of matrices, (batch, heads, m, n) and (batch, heads, n, k). Their gradients turn matrices round before they
// multiply, as the pure Go backend is slow with small ones that lie turned round.
func products(a, b *Node) *Node {
	turned := func(x *Node) *Node { return TransposeAllAxes(x, 0, 1, 3, 2) }
	of := func(a, b *Node) *Node { return Einsum("bhmn,bhnk->bhmk", a, b) }
	return withSlopes(a, b, of, func(v *Node) *Node { return of(v, turned(b)) }, func(v *Node) *Node { return of(turned(a), v) })
}
