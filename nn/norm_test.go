package nn_test

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers/norm"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

// TestLayerNorm: gradients are those of differences, values and gradients those of GoMLX's.
func TestLayerNorm(t *testing.T) {
	nntest.Gradients(t, func(in []*Node) *Node { return nn.StandardForTest(in[0]) }, nntest.Random(6, 9, 1))
	w := nntest.Weights(t, 1)
	f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
		out := func(name string, y *Node) []*Node {
			at := []*Node{in[0]}
			for _, part := range []string{"gain", "offset"} {
				at = append(at, scope.Store().GetVariable("/"+name+"/layer_normalization/"+part).NodeValue(y))
			}
			return append([]*Node{y}, Gradient(ReduceAllSum(Mul(y, Sin(in[1]))), at...)...)
		}
		return append(out("theirs", norm.LayerNorm(scope.In("theirs"), in[0], -1).Done()), out("ours", nn.LayerNorm(scope.In("ours"), in[0]))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := f.Call(nn.Tensor(nntest.Random(6, 9, 1)), nn.Tensor(nntest.Random(6, 9, 2)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		var flat [2][]float32
		for j := range flat {
			if flat[j], err = tensors.CopyFlatData[float32](out[4*j+i]); err != nil {
				t.Fatal(err)
			}
		}
		for j, want := range flat[0] {
			if got := flat[1][j]; !(math.Abs(float64(got-want)) <= 1e-5) {
				t.Errorf("result %d, number %d is %v, want %v", i, j, got, want)
			}
		}
	}
}
