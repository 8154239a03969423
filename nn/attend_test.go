package nn_test

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

func TestSoftmax(t *testing.T) {
	x := nntest.Random(3, 5, 1)
	nntest.Gradients(t, func(in []*Node) *Node { return nn.SoftmaxForTest(in[0]) }, x)
	want := nntest.Run(t, func(in []*Node) *Node { return Softmax(in[0], -1) }, x)
	for i, v := range nntest.Run(t, func(in []*Node) *Node { return nn.SoftmaxForTest(in[0]) }, x) {
		if v != want[i] {
			t.Fatalf("number %d is %v, want %v", i, v, want[i])
		}
	}
}

// TestProducts: their gradients are those of products.
func TestProducts(t *testing.T) {
	a, b := nntest.Random(12, 4, 1), nntest.Random(16, 5, 2)
	nntest.Gradients(t, func(in []*Node) *Node {
		return nn.ProductsForTest(Reshape(in[0], 2, 2, 3, 4), Reshape(in[1], 2, 2, 4, 5))
	}, a, b)
	got := nntest.Run(t, func(in []*Node) *Node {
		return nn.ProductsForTest(Reshape(in[0], 2, 2, 3, 4), Reshape(in[1], 2, 2, 4, 5))
	}, a, b)
	for i, v := range got {
		row, col := i/5, i%5
		var want float64
		for j := range 4 {
			want += float64(a.Row(row)[j]) * float64(b.Row(row/3*4 + j)[col])
		}
		if !(math.Abs(v-want) <= 1e-12) {
			t.Fatalf("number %d is %v, want %v", i, v, want)
		}
	}
}
