// Package manifold trains parameters that must keep a form: matrices with orthonormal columns (the Stiefel manifold; the
// orthogonal group where they are square), and subspaces that such columns span (the Grassmann manifold). Each step goes
// along a tangent and is brought back, so that the form holds after every one.
//
//	w := scope.WithInitializer(manifold.Orthonormal(scope)).VariableWithShape("basis", shapes.Make(dtypes.Float32, n, k))
//	o := nn.Options{Optimizer: manifold.SGD{On: func(path string) manifold.Kind { … }, Rest: optimizer.Adam().Done().(nn.Optimizer)}}
//
// Sources: Absil, Mahony and Sepulchre, Optimization Algorithms on Matrix Manifolds (2008), for tangents and retractions;
// Li, Li and Todorovic 2020, arXiv 2002.01113, for the Cayley transform by iteration. All are products of matrices, in the
// graph, on any backend.
package manifold

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/latent-go/latent/nn"
)

// Kind is where a matrix n×k, n ≥ k, is to stay.
type Kind int

const (
	Free      Kind = iota // anywhere
	Stiefel               // orthonormal columns; for n = k the orthogonal group, of which a step never leaves its half
	Grassmann             // the same, where only what the columns span matters
)

// Tangent returns the part of d, n×k, that leads along the manifold at x: of the gradient in R^(n×k), that of the manifold
// with the metric it has there.
func Tangent(kind Kind, x, d *Node) *Node {
	xd := MatMul(Transpose(x, 0, 1), d)
	switch kind {
	case Stiefel: // d - x·sym(xᵀd)
		return Sub(d, MatMul(x, MulScalar(Add(xd, Transpose(xd, 0, 1)), 0.5)))
	case Grassmann: // d - x·xᵀd
		return Sub(d, MatMul(x, xd))
	}
	return d
}

// Retraction is how a step along a tangent comes back to the manifold. All agree with the geodesic to first order, Polar
// to second.
type Retraction int

const (
	Polar  Retraction = iota // the nearest matrix with orthonormal columns, by Newton's iteration of Schulz
	QR                       // Gram and Schmidt's columns, twice; the graph grows with k
	Cayley                   // a rotation, by fixed-point iteration; steps longer than 1 are cut to 1
)

// Retract returns the point that a step along a tangent, from Tangent, leads to from x.
func Retract(how Retraction, x, step *Node) *Node {
	switch how {
	case QR:
		return gramSchmidt(gramSchmidt(Add(x, step)))
	case Cayley:
		return cayley(x, step)
	}
	// (x+s)ᵀ(x+s) = 1 + sᵀs, so that the singular values lie between 1 and √(1+|s|²). Divided by that they are within
	// (0, 1], where the iteration converges: in 12 rounds to float32's last digits for |s| up to 10.
	return polar(Div(Add(x, step), Sqrt(AddScalar(ReduceAllSum(Square(step)), 1))), 12)
}

// polar makes the singular values of y, within (0, √3), equal to 1: y ← y·(3 - yᵀy)/2.
func polar(y *Node, rounds int) *Node {
	for range rounds {
		yy := MatMul(Transpose(y, 0, 1), y)
		y = Sub(MulScalar(y, 1.5), MulScalar(MatMul(y, yy), 0.5))
	}
	return y
}

func gramSchmidt(y *Node) *Node {
	k := y.Shape().Dim(1)
	columns := make([]*Node, k)
	for j := range k {
		c := Slice(y, AxisRange(), AxisElem(j)) // n×1
		if j > 0 {
			before := Concatenate(columns[:j], 1)
			c = Sub(c, MatMul(before, MatMul(Transpose(before, 0, 1), c)))
		}
		columns[j] = Div(c, Sqrt(ReduceAllSum(Square(c))))
	}
	return Concatenate(columns, 1)
}

// cayley solves y = x + W·(x+y)/2 with the skew W = q·xᵀ - x·qᵀ, q = s - x·xᵀs/2, for which W·x = s. The iteration shrinks
// what is missing by |W|/2, half for the longest step, each round; two rounds of polar clear what is left.
func cayley(x, step *Node) *Node {
	step = Div(step, MaxScalar(Sqrt(ReduceAllSum(Square(step))), 1))
	xt := Transpose(x, 0, 1)
	q := Sub(step, MulScalar(MatMul(x, MatMul(xt, step)), 0.5))
	qt := Transpose(q, 0, 1)
	y := Add(x, step)
	for range 24 {
		z := MulScalar(Add(x, y), 0.5)
		y = Add(x, Sub(MatMul(q, MatMul(xt, z)), MatMul(x, MatMul(qt, z))))
	}
	return polar(y, 2)
}

// Orthonormal makes variables n×k, n ≥ k, with orthonormal columns, every such matrix being as likely as any other.
func Orthonormal(scope *model.Scope) model.VariableInitializer {
	return func(g *Graph, s shapes.Shape) *Node {
		check(Stiefel, s, "the variable")
		y := scope.RandomNormal(g, s)
		// Singular values begin at 1e-4 or more of their square sum, and grow by half a round.
		return polar(Div(y, Sqrt(ReduceAllSum(Square(y)))), 40)
	}
}

func check(kind Kind, s shapes.Shape, name string) {
	if kind < Free || kind > Grassmann {
		panic(fmt.Errorf("manifold: %s is to stay on manifold %d; there are Free, Stiefel and Grassmann", name, kind))
	}
	if kind != Free && (s.Rank() != 2 || s.Dim(0) < s.Dim(1)) {
		panic(fmt.Errorf("manifold: %s has shape %v; want a matrix with at least as many rows as columns", name, s.Dimensions))
	}
}

// SGD is gradient descent on manifolds, an optimizer for nn.Train. What is to stay on one must begin there: see Orthonormal.
type SGD struct {
	On         func(path string) Kind // where each variable is to stay
	Momentum   float64                // share of the last step that is added to the next, carried along as a tangent
	Retraction Retraction
	Rest       nn.Optimizer // of variables that are Free; nil means gradient descent without momentum
}

// UpdateGraphWithGradients implements nn.Optimizer.
func (o SGD) UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, dtype dtypes.DType) {
	if !(o.Momentum >= 0 && o.Momentum < 1) {
		panic(fmt.Errorf("manifold: a momentum of %v; want at least 0 and less than 1", o.Momentum))
	}
	g := gradients[0].Graph()
	free := map[*model.Variable]bool{}
	for i, v := range nn.Learning(scope, g) {
		kind := o.On(v.Path())
		check(kind, v.Shape(), "variable "+v.Path())
		if free[v] = kind == Free; !free[v] {
			o.step(scope, kind, v, gradients[i], dtype)
		}
	}
	rest := o.Rest
	if rest == nil {
		rest = optimizer.StochasticGradientDescent().WithDecay(false)
	}
	nn.Only(rest, scope, gradients, dtype, func(v *model.Variable) bool { return free[v] })
}

func (o SGD) step(scope *model.Scope, kind Kind, v *model.Variable, d *Node, dtype dtypes.DType) {
	x := v.NodeValue(d)
	rate := ConvertDType(optimizer.LearningRateVar(scope, dtype, 0).NodeValue(d), x.DType())
	d = Tangent(kind, x, d)
	if o.Momentum == 0 {
		v.SetNodeValue(Retract(o.Retraction, x, Mul(Neg(rate), d)))
		return
	}
	last := scope.Store().VariableWithShape("/#manifold"+v.Path(), v.Shape(), initializer.Zero).SetTrainable(false)
	d = Add(d, MulScalar(last.NodeValue(d), o.Momentum))
	y := Retract(o.Retraction, x, Mul(Neg(rate), d))
	v.SetNodeValue(y)
	last.SetNodeValue(Tangent(kind, y, d))
}
