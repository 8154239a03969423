package nn_test

import (
	"context"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
)

// A classifier of three groups of points, from its graph to its accuracy.
func Example() {
	logits := func(scope *model.Scope, x *Node) *Node {
		h := activation.Relu(nn.Dense(scope.In("hidden"), x, 16))
		return nn.Dense(scope.In("out"), h, 3)
	}
	classify := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		z := logits(scope, in[0])
		right := Equal(ArgMax(z, 1), Squeeze(in[1], 1))
		return ReduceAllMean(loss.SparseCategoricalCrossEntropyLogits(in[1:2], []*Node{z})),
			nn.Metrics{"accuracy": ReduceAllMean(ConvertDType(right, z.DType()))}
	}
	ctx := context.Background()
	x, y := blobs(600, 1)
	feed, err := nn.Batches(nn.BatchOptions{Size: 50, Seed: 1}, nn.Rows(x.Slice(0, 500)), nn.Classes(y[:500]))
	if err != nil {
		panic(err)
	}
	test, err := nn.Batches(nn.BatchOptions{InOrder: true}, nn.Rows(x.Slice(500, 600)), nn.Classes(y[500:]))
	if err != nil {
		panic(err)
	}
	w, err := nn.New(1)
	if err != nil {
		panic(err)
	}
	report, err := nn.Train(ctx, w, classify, feed, nn.Options{Epochs: 20, Rate: 1e-2, Schedule: nn.Cosine, Validation: test})
	if err != nil {
		panic(err)
	}
	z, err := w.Apply(ctx, logits, x)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d numbers learnt in %d steps, more than 95 %% right: %v\n", w.Count(), report.Steps, report.Last().Validation["accuracy"] > 0.95)
	fmt.Printf("logits: %d×%d\n", z.Rows, z.Cols)
	// Output:
	// 147 numbers learnt in 200 steps, more than 95 % right: true
	// logits: 600×3
}
