package nn

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
)

// LayerNorm takes each row of x, (n, d), to mean 0 and variance 1, and then to a gain and an offset that are learnt: GoMLX's
// norm.LayerNorm, under the same names of variables, with sums that are products of matrices. The pure Go backend multiplies
// faster than it sums or repeats.
//
// Source: Ba, Kiros and Hinton 2016, arXiv 1607.06450.
func LayerNorm(scope *model.Scope, x *Node) *Node {
	x.AssertRank(2)
	scope = scope.In("layer_normalization")
	of := func(name string, start model.VariableInitializer) *Node {
		v := scope.WithInitializer(start).VariableWithShape(name, shapes.Make(x.DType(), x.Shape().Dim(1)))
		return repeat(v.NodeValue(x), x)
	}
	return Add(Mul(standard(x), of("gain", initializer.One)), of("offset", initializer.Zero))
}

// standard takes each row of x to mean 0 and variance 1.
func standard(x *Node) *Node {
	const least = 1e-3 // added to the variance
	g, n, d := x.Graph(), x.Shape().Dim(0), x.Shape().Dim(1)
	share, one := DivScalar(Ones(g, shapes.Make(x.DType(), d, 1)), float64(d)), Ones(g, shapes.Make(x.DType(), 1, d))
	mean := func(x *Node) *Node { return Dot(x, share).Product() } // (n, 1)
	across := func(x *Node) *Node { return Dot(x, one).Product() } // (n, d)
	value := StopGradient(x)
	value = Sub(value, across(mean(value)))
	scale := across(Reciprocal(Sqrt(AddScalar(mean(Square(value)), least))))
	value = Mul(value, scale)
	value.AssertDims(n, d)
	return Straight(IdentityWithCustomGradient(x, func(_, dy *Node) *Node {
		return Mul(scale, Sub(Sub(dy, across(mean(dy))), Mul(value, across(mean(Mul(dy, value))))))
	}), value)
}

// repeat is v, of d values, in each of as many rows as x has.
func repeat(v, x *Node) *Node {
	return product(Ones(x.Graph(), shapes.Make(x.DType(), x.Shape().Dim(0), 1)), InsertAxes(v, 0))
}
