package nn

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
)

// Dense is x·w + b for x of shape (batch, in): GoMLX's layers.Dense, under the same names of variables, with gradients that
// the pure Go backend computes faster. It is slow at turning matrices round, and at small products whose operands lie
// turned round; the gradients that GoMLX derives ask for both. Steps of a network 48-64-64-4-64-64-48 on batches of 128
// took 2.4 ms instead of 7; docs/training.md has a large one.
func Dense(scope *model.Scope, x *Node, out int) *Node {
	x.AssertRank(2)
	w, b := dense(scope, x, x.Shape().Dim(1), out)
	return Add(product(x, w), repeat(b, x))
}

// dense are the variables of a layer: weights, (in, out), and biases, (out).
func dense(scope *model.Scope, x *Node, in, out int) (w, b *Node) {
	scope = scope.In("dense")
	w = scope.VariableWithShape("weights", shapes.Make(x.DType(), in, out)).NodeValue(x)
	b = scope.VariableWithShape("biases", shapes.Make(x.DType(), out)).NodeValue(x)
	return w, b
}

// product is x·w. The gradients that GoMLX derives for it are replaced, and what is not used is not computed.
func product(x, w *Node) *Node {
	return withSlopes(x, w, func(x, w *Node) *Node { return Dot(x, w).Product() }, func(v *Node) *Node {
		if small(v, w) { // as MulT, and so that gradients of this gradient are as fast
			return product(v, Transpose(w, 0, 1))
		}
		return MulT(v, w)
	}, func(v *Node) *Node { return Dot(Transpose(x, 0, 1), v).Product() })
}

// withSlopes is f(a, b), with gradients in a and b that are told from that of the result, v.
func withSlopes(a, b *Node, f func(a, b *Node) *Node, inA, inB func(v *Node) *Node) *Node {
	var v *Node // known before those of a and b are asked for
	a = IdentityWithCustomGradient(a, func(_, _ *Node) *Node { return inA(v) })
	b = IdentityWithCustomGradient(b, func(_, _ *Node) *Node { return inB(v) })
	return IdentityWithCustomGradient(f(a, b), func(_, dy *Node) *Node {
		v = dy
		return dy
	})
}

// MulT is a·bᵀ for a of shape (n, d) and b of shape (m, d): the inner products of their rows.
func MulT(a, b *Node) *Node {
	if small(a, b) {
		return Dot(a, Transpose(b, 0, 1)).Product()
	}
	return Einsum("nd,md->nm", a, b)
}

// small reports whether the backend's kernels for operands turned round are slow at a·bᵀ.
func small(a, b *Node) bool { return a.Shape().Dim(0)*b.Shape().Size() < 4<<20 }

// MLP is layers of these widths, the last being the output, with ReLU between them. Weights and biases of a layer start
// uniform in ±1/√in, as PyTorch has it: biases of 0 would leave a network without a gradient where its input is 0.
func MLP(scope *model.Scope, x *Node, widths ...int) *Node {
	for i, width := range widths {
		end := 1 / math.Sqrt(float64(x.Shape().Dim(1)))
		uniform := scope.WithInitializer(func(g *Graph, s shapes.Shape) *Node {
			return AddScalar(MulScalar(scope.RandomUniform(g, s), 2*end), -end)
		})
		x = Dense(uniform.In("layer%d", i), x, width)
		if i < len(widths)-1 {
			x = activation.Relu(x)
		}
	}
	return x
}
