package modeltest_test

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

// autoencoder is the smallest model there is: 6 numbers through 3 and back.
func autoencoder(scope *model.Scope, in []*Node) []*Node {
	x := in[0]
	h := Tanh(layers.Dense(scope.In("encode"), x, true, 16))
	z := layers.Dense(scope.In("latent"), h, true, 3)
	y := layers.Dense(scope.In("decode"), Tanh(layers.Dense(scope.In("hidden"), z, true, 16)), true, 6)
	return []*Node{z, y}
}

func TestModel(t *testing.T) {
	modeltest.Run(t, modeltest.Model{
		Loss: func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
			return ReduceAllMean(Square(Sub(in[0], autoencoder(scope, in)[1]))), nil
		},
		Inputs:  func(n int, seed uint64) []nn.Input { return []nn.Input{nn.Rows(nntest.Random(n, 6, seed))} },
		Outputs: autoencoder,
		Shapes:  [][]int{{8, 3}, {8, 6}},
		Learnt:  0.01, // seen 0.0006
	})
}
