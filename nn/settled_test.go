package nn_test

import (
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

// TestSettled: values and gradients are the same bits as without, whatever the shape.
func TestSettled(t *testing.T) {
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, dims := range [][]int{{1}, {128}, {129}, {3000}, {64, 48}, {1, 784}, {5, 7, 11}, {2, 1}} {
		n := 1
		for _, d := range dims {
			n *= d
		}
		f, err := w.Func(func(_ *model.Scope, in []*Node) []*Node {
			x := Reshape(in[0], dims...)
			y := nn.Settled(x)
			y.AssertDims(dims...)
			of := func(y *Node) *Node { return Gradient(ReduceAllSum(Sin(Mul(y, y))), x)[0] }
			return []*Node{x, of(x), y, of(y)}
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.Call(nn.Tensor(nntest.Random(1, n, 1)))
		if err != nil {
			t.Fatal(err)
		}
		var flat [4][]float32
		for i := range out {
			if flat[i], err = tensors.CopyFlatData[float32](out[i]); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(flat[0], flat[2]) || !slices.Equal(flat[1], flat[3]) {
			t.Errorf("%v: values or gradients differ", dims)
		}
		f.Close()
	}
	nntest.Gradients(t, func(in []*Node) *Node { return Sigmoid(nn.Settled(in[0])) }, nntest.Random(20, 9, 1)) // float64
}

// BenchmarkSettled shows what it is for: the sigmoid of a product, with and without.
func BenchmarkSettled(b *testing.B) {
	for name, settle := range map[string]func(*Node) *Node{"without": func(x *Node) *Node { return x }, "with": nn.Settled} {
		b.Run(name, func(b *testing.B) {
			w, err := nn.New(1)
			if err != nil {
				b.Fatal(err)
			}
			f, err := w.Func(func(_ *model.Scope, in []*Node) []*Node { return []*Node{Sigmoid(settle(MatMul(in[0], in[0])))} })
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			x := nn.Tensor(nntest.Random(64, 64, 1))
			for b.Loop() {
				out, err := f.Call(x)
				if err != nil {
					b.Fatal(err)
				}
				_ = out[0].FinalizeAll()
			}
		})
	}
}
