package nn_test

import (
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

// TestNested: a part of a layer is, bit for bit, a layer of the first rows and columns of its weights.
func TestNested(t *testing.T) {
	const in, out, rows = 7, 9, 5
	for _, c := range []struct{ m, k int }{{7, 9}, {7, 4}, {3, 9}, {2, 1}} {
		whole, part := nestedWeights(t, 1), nestedWeights(t, 2)
		x := nntest.Random(rows, c.m, 3)
		nested := func(scope *model.Scope, x *Node) *Node { return nn.Nested(scope, x, in, out, c.k) }
		got, err := whole.Apply(t.Context(), nested, x)
		if err != nil {
			t.Fatal(err)
		}
		dense := func(scope *model.Scope, x *Node) *Node { return nn.Dense(scope, x, c.k) }
		if _, err := part.Apply(t.Context(), dense, x); err != nil {
			t.Fatal(err)
		}
		v, dims, err := whole.Float32("/dense/weights")
		if err != nil || !slices.Equal(dims, []int{in, out}) {
			t.Fatalf("weights of shape %v, %v", dims, err)
		}
		var cut []float32
		for i := range c.m {
			cut = append(cut, v[i*out:i*out+c.k]...)
		}
		bias := nntest.Random(1, out, 4).Data
		for _, e := range []error{part.SetFloat32("/dense/weights", cut), part.SetFloat32("/dense/biases", bias[:c.k]), whole.SetFloat32("/dense/biases", bias)} {
			if e != nil {
				t.Fatal(e)
			}
		}
		if got, err = whole.Apply(t.Context(), nested, x); err != nil {
			t.Fatal(err)
		}
		want, err := part.Apply(t.Context(), dense, x)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Data, want.Data) {
			t.Errorf("%d inputs, %d outputs: %v, want %v", c.m, c.k, got.Data, want.Data)
		}
	}
	for _, c := range []struct{ m, k int }{{8, 1}, {7, 10}, {7, 0}} {
		if _, err := nestedWeights(t, 1).Apply(t.Context(), func(scope *model.Scope, x *Node) *Node { return nn.Nested(scope, x, in, out, c.k) }, nntest.Random(1, c.m, 1)); err == nil {
			t.Errorf("%d inputs and %d outputs of %d and %d", c.m, c.k, in, out)
		}
	}
}

func nestedWeights(t *testing.T, seed uint64) *nn.Weights {
	t.Helper()
	w, err := nn.New(seed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
