package nn_test

import (
	"fmt"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

// BenchmarkProduct is a product of square matrices. Run it with and without GOEXPERIMENT=simd: it is what that is for.
func BenchmarkProduct(b *testing.B) {
	for _, n := range []int{128, 1024} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			f, err := nntest.Weights(b, 1).Func(func(_ *model.Scope, in []*Node) []*Node { return []*Node{MatMul(in[0], in[1])} })
			if err != nil {
				b.Fatal(err)
			}
			x, y := nn.Tensor(nntest.Random(n, n, 1)), nn.Tensor(nntest.Random(n, n, 2))
			for b.Loop() {
				out, err := f.Call(x, y)
				if err != nil {
					b.Fatal(err)
				}
				_ = out[0].FinalizeAll()
			}
			b.ReportMetric(2*float64(n*n*n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkTrain takes steps of Adam with a network of 784-1024-1024-10 on batches of 128.
func BenchmarkTrain(b *testing.B) {
	const batch = 128
	classes := make([]int, 1024)
	for i := range classes {
		classes[i] = i % 10
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: batch}, nn.Rows(nntest.Random(len(classes), 784, 1)), nn.Classes(classes))
	if err != nil {
		b.Fatal(err)
	}
	t, err := nn.NewTrainer(nntest.Weights(b, 1), func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		x := in[0]
		for i := range 2 {
			x = activation.Relu(layers.Dense(scope.In("hidden%d", i), x, true, 1024))
		}
		x = layers.Dense(scope.In("out"), x, true, 10)
		return ReduceAllMean(loss.SparseCategoricalCrossEntropyLogits(in[1:2], []*Node{x})), nil
	}, nn.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	for i := 0; b.Loop(); i++ {
		next, err := feed.Batch(i/feed.Len(), i%feed.Len())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := t.Step(next); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}
