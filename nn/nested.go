package nn

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Nested is Dense through the first rows and columns of a larger layer, of in inputs and out outputs: from x, (batch, m), with
// m ≤ in, to the first k of its outputs. Parts of all sizes share the variables, which are those of Dense; what a part leaves
// out has a gradient of 0.
func Nested(scope *model.Scope, x *Node, in, out, k int) *Node {
	x.AssertRank(2)
	m := x.Shape().Dim(1)
	if m > in || k < 1 || k > out {
		panic(fmt.Errorf("nn: %d inputs and %d outputs of a layer of %d and %d", m, k, in, out))
	}
	w, b := dense(scope, x, in, out)
	if m < in || k < out {
		w = Slice(w, AxisRange(0, m), AxisRange(0, k))
	}
	if k < out {
		b = Slice(b, AxisRange(0, k))
	}
	return Add(product(x, w), repeat(b, x))
}
