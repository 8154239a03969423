// Package nntest checks gradients: those of a block against finite differences, and that one reaches every variable.
//
//	nntest.Gradients(t, func(in []*Node) *Node { return loss.NTXent(in[0], in[1], 0.5) }, a, b)
package nntest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// Gradients checks the gradient of f with respect to each number of its inputs against central differences. The inputs
// enter the graph as float64, so that rounding does not hide what is wrong: f must take the type of its numbers from
// them. A result that is no scalar is summed with random weights. f must be smooth around the inputs; for estimators that
// are not, see GradientsAs.
func Gradients(t testing.TB, f func(in []*Node) *Node, inputs ...vec.Matrix) {
	t.Helper()
	GradientsAs(t, f, f, inputs...)
}

// GradientsAs checks that f has the gradient of another function, smooth around the inputs, which is that of a
// straight-through estimator by design.
func GradientsAs(t testing.TB, f, smooth func(in []*Node) *Node, inputs ...vec.Matrix) {
	t.Helper()
	const step = 1e-5 // differences are off by its square and by 1e-16 over it, as parts of the values
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	exact, err := w.Func(func(_ *model.Scope, in []*Node) []*Node { return Gradient(scalar(f(in)), in...) })
	if err != nil {
		t.Fatal(err)
	}
	defer exact.Close()
	value, err := w.Func(func(_ *model.Scope, in []*Node) []*Node { return []*Node{scalar(smooth(in))} })
	if err != nil {
		t.Fatal(err)
	}
	defer value.Close()

	x := make([][]float64, len(inputs))
	for i, m := range inputs {
		x[i] = make([]float64, len(m.Data))
		for j, v := range m.Data {
			x[i][j] = float64(v)
		}
	}
	in := func() []*tensors.Tensor {
		out := make([]*tensors.Tensor, len(inputs))
		for i, m := range inputs {
			out[i] = tensors.FromFlatDataAndDimensions(x[i], m.Rows, m.Cols)
		}
		return out
	}
	at := func() float64 {
		out, err := value.Call(in()...)
		if err != nil {
			t.Fatal(err)
		}
		return tensors.ToScalar[float64](out[0])
	}
	got, err := exact.Call(in()...)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range inputs {
		g, err := tensors.CopyFlatData[float64](got[i])
		if err != nil {
			t.Fatal(err)
		}
		size := 0.0
		for _, v := range g {
			size = max(size, math.Abs(v))
		}
		places := r.Perm(len(g))
		for _, j := range places[:min(len(places), 60)] {
			old := x[i][j]
			h := step * max(1, math.Abs(old))
			x[i][j] = old + h
			up := at()
			x[i][j] = old - h
			down := at()
			x[i][j] = old
			want := (up - down) / (2 * h)
			if !(math.Abs(g[j]-want) <= 1e-6*max(1, size, math.Abs(up), math.Abs(down))) { // not a number fails, too
				t.Errorf("input %d, row %d, column %d: gradient %v, differences say %v", i, j/inputs[i].Cols, j%inputs[i].Cols, g[j], want)
			}
		}
	}
}

// Weights returns new weights.
func Weights(t testing.TB, seed uint64) *nn.Weights {
	t.Helper()
	w, err := nn.New(seed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// scalar is the sum of y with fixed weights, all different.
func scalar(y *Node) *Node {
	if y.IsScalar() {
		return y
	}
	i := ConvertDType(Iota(y.Graph(), y.Shape(), y.Rank()-1), y.DType())
	for axis := range y.Rank() - 1 {
		i = Add(MulScalar(i, 1.7), ConvertDType(Iota(y.Graph(), y.Shape(), axis), y.DType()))
	}
	return ReduceAllSum(Mul(y, AddScalar(Sin(AddScalar(i, 1)), 0.3)))
}

// Sizes returns the largest absolute value that the gradient of each variable has over the first batches of a feed, by
// path, without anything being learnt. A variable that only some batches reach, such as one behind a ReLU, may need
// several.
func Sizes(w *nn.Weights, l nn.Loss, feed nn.Feed, batches int, o nn.Options) (map[string]float64, error) {
	// Momentum and rate do not matter: the probe is the optimizer, and moves nothing.
	t, err := nn.NewTrainer(w, l, nn.Options{Optimizer: probe{}, Trainable: o.Trainable, Name: o.Name})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	for i := range batches {
		b, err := feed.Batch(i/feed.Len(), i%feed.Len())
		if err != nil {
			return nil, err
		}
		if _, err := t.Step(b); err != nil {
			return nil, err
		}
	}
	sizes := map[string]float64{}
	for v := range w.Variables() {
		if at := w.Store.GetVariable(probeOf(v.Path())); at != nil {
			x, err := at.Value()
			if err != nil {
				return nil, err
			}
			sizes[v.Path()] = tensors.ToScalar[float64](x)
		}
	}
	return sizes, nil
}

func probeOf(path string) string { return "/#probe" + path }

// probe is an optimizer that notes the size of gradients and leaves weights as they are.
type probe struct{}

func (probe) UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, _ dtypes.DType) {
	g := gradients[0].Graph()
	for i, v := range nn.Learning(scope, g) {
		seen := scope.Store().VariableWithShape(probeOf(v.Path()), Scalar(g, dtypes.Float64, 0).Shape(), initializer.Zero).SetTrainable(false)
		size := ConvertDType(ReduceAllMax(Abs(gradients[i])), dtypes.Float64)
		seen.SetNodeValue(Max(seen.NodeValue(g), size))
	}
}

// Random returns a matrix of normal numbers.
func Random(rows, cols int, seed uint64) vec.Matrix {
	r := rand.New(rand.NewPCG(seed, 0x6e6e))
	m := vec.NewMatrix(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

// Run evaluates a graph of matrices, which enter as float64, and returns its result, row-major. It is for closed forms.
func Run(t testing.TB, f func(in []*Node) *Node, inputs ...vec.Matrix) []float64 {
	t.Helper()
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	fn, err := w.Func(func(_ *model.Scope, in []*Node) []*Node { return []*Node{ConvertDType(f(in), dtypes.Float64)} })
	if err != nil {
		t.Fatal(err)
	}
	defer fn.Close()
	in := make([]*tensors.Tensor, len(inputs))
	for i, m := range inputs {
		x := make([]float64, len(m.Data))
		for j, v := range m.Data {
			x[j] = float64(v)
		}
		in[i] = tensors.FromFlatDataAndDimensions(x, m.Rows, m.Cols)
	}
	out, err := fn.Call(in...)
	if err != nil {
		t.Fatal(fmt.Errorf("graph: %w", err))
	}
	y, err := tensors.CopyFlatData[float64](out[0])
	if err != nil {
		t.Fatal(err)
	}
	return y
}
