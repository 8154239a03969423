package nn_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// logits are those of a small network with dropout, whose random numbers a run that goes on must have, too.
func logits(scope *model.Scope, x *Node) *Node {
	h := activation.Relu(layers.Dense(scope.In("hidden"), x, true, 16))
	h = layers.DropoutStatic(scope, h, 0.1)
	return layers.Dense(scope.In("out"), h, true, 3)
}

func classify(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	z := logits(scope, in[0])
	right := Equal(ArgMax(z, 1), Squeeze(in[1], 1))
	return ReduceAllMean(loss.SparseCategoricalCrossEntropyLogits(in[1:2], []*Node{z})),
		nn.Metrics{"accuracy": ReduceAllMean(ConvertDType(right, z.DType()))}
}

// blobs are n rows in three groups, which are classes.
func blobs(n int, seed uint64) (vec.Matrix, []int) {
	r := rand.New(rand.NewPCG(seed, 1))
	x, y := vec.NewMatrix(n, 5), make([]int, n)
	for i := range n {
		y[i] = r.IntN(3)
		for j := range 5 {
			x.Row(i)[j] = float32(r.NormFloat64() * 0.5)
		}
		x.Row(i)[y[i]] += 2
	}
	return x, y
}

func feed(t *testing.T, n int, o nn.BatchOptions) nn.Feed {
	t.Helper()
	x, y := blobs(n, 3)
	f, err := nn.Batches(o, nn.Rows(x), nn.Classes(y))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTrain(t *testing.T) {
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := nn.Train(context.Background(), w, classify, feed(t, 300, nn.BatchOptions{Size: 30}), nn.Options{Epochs: 20, Rate: 1e-2, Schedule: nn.Cosine,
		Average: 0.9, Clip: 1, Validation: feed(t, 100, nn.BatchOptions{InOrder: true, Rest: true})})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r.Last())
	if acc := r.Last().Validation["accuracy"]; !(acc > 0.9) {
		t.Errorf("accuracy %v", acc)
	}
	if r.Steps != 200 || w.Count() != 5*16+16+16*3+3 {
		t.Errorf("%d steps, %d numbers", r.Steps, w.Count())
	}
	if math.IsNaN(r.Best) {
		t.Error("no best")
	}
}
