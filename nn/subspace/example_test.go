package subspace_test

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/subspace"
	"github.com/latent-go/latent/vec"
)

// The parameters are 64 numbers whose four groups of 16 must sum to 1: a task of four dimensions, in which a random
// subspace has a solution from four dimensions on.
func Example() {
	ctx := context.Background()
	loss := func(scope *model.Scope, in []*graph.Node) (*graph.Node, nn.Metrics) {
		θ := scope.VariableWithValue("theta", make([]float32, 64)).NodeValue(in[0])
		lost := graph.ReduceAllSum(graph.Square(graph.AddScalar(graph.ReduceSum(graph.Reshape(θ, 4, 16), 1), -1)))
		return lost, nn.Metrics{"score": graph.Exp(graph.Neg(lost))}
	}
	feed, err := nn.Batches(nn.BatchOptions{}, nn.Rows(vec.NewMatrix(1, 1))) // the task has no data
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := nn.New(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := subspace.Of(w, loss, feed)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	for _, d := range []int{2, 8} {
		s, err := subspace.New(m.Blocks(), subspace.Options{Dim: d, Seed: 3})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := m.SetPoint(make([]float32, 64)); err != nil {
			fmt.Println(err)
			return
		}
		if _, err := m.Fit(ctx, s, feed, subspace.Training{Steps: 500, Rate: 0.1}); err != nil {
			fmt.Println(err)
			return
		}
		e, err := m.Evaluate(ctx, feed)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d of 64 dimensions solve it: %v\n", d, e["score"] > 0.99)
	}
	// Output:
	// 2 of 64 dimensions solve it: false
	// 8 of 64 dimensions solve it: true
}
