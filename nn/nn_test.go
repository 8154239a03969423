package nn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
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

// number is a model of one variable, w, from 1, whose loss is slope·w: its gradient is known.
func number(slope float64) nn.Loss {
	return func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		w := scope.VariableWithValue("w", float32(1)).NodeValue(in[0].Graph())
		return MulScalar(w, slope), nil
	}
}

func valueOf(t *testing.T, w *nn.Weights) float64 {
	t.Helper()
	v, _, err := w.Float32("/w")
	if err != nil {
		t.Fatal(err)
	}
	return float64(v[0])
}

// TestRates checks each step of plain descent, by which w falls by the rate.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		name string
		o    nn.Options
		rate func(step int) float64
	}{
		{"constant", nn.Options{}, func(int) float64 { return 0.1 }},
		{"cosine", nn.Options{Schedule: nn.Cosine}, func(s int) float64 { return 0.1 * (1 + math.Cos(math.Pi*float64(s)/8)) / 2 }},
		{"warm-up, then linear", nn.Options{Schedule: nn.Linear, WarmUp: 3}, func(s int) float64 {
			if s < 3 {
				return 0.1 * float64(s+1) / 3
			}
			return 0.1 * (1 - float64(s-3)/5)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, want := nntest.Weights(t, 1), 1.0
			c.o.Steps, c.o.Every, c.o.Rate = 8, 1, 0.1
			c.o.Optimizer = optimizer.StochasticGradientDescent().WithDecay(false)
			c.o.Each = func(r nn.Record) error {
				rate := c.rate(r.Step - 1)
				want -= rate
				if got := valueOf(t, w); !(math.Abs(got-want) < 1e-6) {
					t.Errorf("after step %d w is %v, want %v", r.Step, got, want)
				}
				if !(math.Abs(r.Rate-rate) < 1e-12) {
					t.Errorf("step %d has a rate of %v, want %v", r.Step, r.Rate, rate)
				}
				return nil
			}
			if _, err := nn.Train(context.Background(), w, number(1), feed(t, 9, nn.BatchOptions{Size: 3}), c.o); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestClipDecayAverage(t *testing.T) {
	ctx := context.Background()
	f := feed(t, 3, nn.BatchOptions{})
	plain := optimizer.StochasticGradientDescent().WithDecay(false)
	// A gradient of 1000 is cut to 0.5.
	w := nntest.Weights(t, 1)
	r, err := nn.Train(ctx, w, number(1000), f, nn.Options{Steps: 1, Rate: 0.1, Clip: 0.5, Optimizer: plain})
	if err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, w); !(math.Abs(got-0.95) < 1e-6) || r.Last().Metrics["gradient"] != 1000 {
		t.Errorf("w is %v after a cut gradient of %v", got, r.Last().Metrics["gradient"])
	}
	// A short gradient is left alone.
	w = nntest.Weights(t, 1)
	if _, err := nn.Train(ctx, w, number(0.25), f, nn.Options{Steps: 1, Rate: 0.1, Clip: 0.5, Optimizer: plain}); err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, w); !(math.Abs(got-0.975) < 1e-6) {
		t.Errorf("w is %v after a short gradient", got)
	}
	// Without a gradient, AdamW only shrinks.
	w = nntest.Weights(t, 1)
	if _, err := nn.Train(ctx, w, number(0), f, nn.Options{Steps: 4, Rate: 0.1, Decay: 0.5}); err != nil {
		t.Fatal(err)
	}
	if got, want := valueOf(t, w), math.Pow(1-0.1*0.5, 4); !(math.Abs(got-want) < 1e-6) {
		t.Errorf("w is %v after decay, want %v", got, want)
	}
	// The average follows w = 1 - 0.1·step.
	w = nntest.Weights(t, 1)
	if _, err := nn.Train(ctx, w, number(1), f, nn.Options{Steps: 6, Rate: 0.1, Average: 0.5, Optimizer: plain}); err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for s := range 6 {
		keep := 0.0
		if s > 0 {
			keep = min(0.5, float64(s)/float64(s+9))
		}
		want = keep*want + (1-keep)*(1-0.1*float64(s+1))
	}
	a, err := w.Averaged()
	if err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, a); !(math.Abs(got-want) < 1e-6) {
		t.Errorf("the average is %v, want %v", got, want)
	}
	if got := valueOf(t, w); !(math.Abs(got-0.4) < 1e-6) {
		t.Errorf("w is %v", got)
	}
}

// TestTrainable holds a layer, and lets it go.
func TestTrainable(t *testing.T) {
	w := nntest.Weights(t, 1)
	f := feed(t, 64, nn.BatchOptions{Size: 32})
	if err := w.Init(classify, f); err != nil {
		t.Fatal(err)
	}
	before, _, err := w.Float32("/hidden/dense/weights")
	if err != nil {
		t.Fatal(err)
	}
	only := func(path string) bool { return strings.HasPrefix(path, "/out/") }
	if _, err := nn.Train(context.Background(), w, classify, f, nn.Options{Epochs: 1, Trainable: only}); err != nil {
		t.Fatal(err)
	}
	after, _, _ := w.Float32("/hidden/dense/weights")
	if !slices.Equal(before, after) {
		t.Error("a variable that was held changed")
	}
	if _, err := nn.Train(context.Background(), w, classify, f, nn.Options{Epochs: 1}); err != nil {
		t.Fatal(err)
	}
	if after, _, _ = w.Float32("/hidden/dense/weights"); slices.Equal(before, after) {
		t.Error("a variable that was let go did not change")
	}
}

// TestSameOnAnyProcessors trains a network that is wide enough for several goroutines, on one and on several.
func TestSameOnAnyProcessors(t *testing.T) {
	if testing.Short() {
		t.Skip("products large enough to be shared take seconds under the race detector")
	}
	x := vec.NewMatrix(256, 200)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	wide := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		h := activation.Relu(layers.Dense(scope.In("a"), in[0], true, 300))
		h = layers.DropoutStatic(scope, h, 0.2)
		return ReduceAllMean(Square(Sub(layers.Dense(scope.In("b"), h, true, 200), in[0]))), nil
	}
	var first *nn.Weights
	for _, processors := range []int{1, 2, 3} {
		old := runtime.GOMAXPROCS(processors)
		defer runtime.GOMAXPROCS(old)
		f, err := nn.Batches(nn.BatchOptions{Size: 128}, nn.Rows(x))
		if err != nil {
			t.Fatal(err)
		}
		w := nntest.Weights(t, 3)
		if _, err := nn.Train(context.Background(), w, wide, f, nn.Options{Steps: 3, Clip: 1}); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = w
			continue
		}
		for v := range first.Variables() {
			a, _, _ := first.Float32(v.Path())
			b, _, _ := w.Float32(v.Path())
			if !slices.Equal(a, b) {
				t.Errorf("%s differs on %d processors", v.Path(), processors)
			}
		}
	}
}

// TestGoesOn interrupts a run with everything switched on in the midst of an epoch, and compares with one that was not.
func TestGoesOn(t *testing.T) {
	options := func(path string) nn.Options {
		return nn.Options{Epochs: 6, Rate: 1e-2, Schedule: nn.Cosine, WarmUp: 4, Average: 0.9, Clip: 1, Decay: 0.1, Patience: 50,
			Validation: feed(t, 50, nn.BatchOptions{InOrder: true}), Checkpoint: path}
	}
	f := feed(t, 100, nn.BatchOptions{Size: 20, Seed: 4})
	dir := t.TempDir()
	whole := nntest.Weights(t, 2)
	want, err := nn.Train(context.Background(), whole, classify, f, options(filepath.Join(dir, "whole")))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "parts")
	for _, at := range []int{3, 12, 25} { // in the first epoch, before there is a checkpoint; later ones
		ctx, cancel := context.WithCancel(context.Background())
		o := options(path)
		o.Progress = func(done, total int) {
			if done == at {
				cancel()
			}
		}
		if _, err := nn.Train(ctx, nntest.Weights(t, 2), classify, f, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted at step %d: %v", at, err)
		}
	}
	parts := nntest.Weights(t, 2)
	got, err := nn.Train(context.Background(), parts, classify, f, options(path))
	if err != nil {
		t.Fatal(err)
	}
	for v := range whole.Variables() {
		a, _, _ := whole.Float32(v.Path())
		b, _, _ := parts.Float32(v.Path())
		if !slices.Equal(a, b) {
			t.Errorf("%s differs", v.Path())
		}
	}
	if got.Best != want.Best || got.BestStep != want.BestStep || len(got.Records) != len(want.Records) {
		t.Errorf("best %v at %d of %d records, want %v at %d of %d", got.Best, got.BestStep, len(got.Records), want.Best, want.BestStep, len(want.Records))
	}
	for i, r := range got.Records {
		if r.Loss != want.Records[i].Loss {
			t.Errorf("record %d has a loss of %v, want %v", i, r.Loss, want.Records[i].Loss)
		}
	}
	// A run that is done stays done.
	again, err := nn.Train(context.Background(), nntest.Weights(t, 2), classify, f, options(path))
	if err != nil || again.Steps != want.Steps || again.Samples != 0 {
		t.Errorf("a run that was done: %+v, %v", again, err)
	}
	// Another seed is another run.
	if _, err := nn.Train(context.Background(), nntest.Weights(t, 3), classify, f, options(path)); err == nil || !strings.Contains(err.Error(), "seed 2") {
		t.Errorf("another seed: %v", err)
	}
}

func TestPatience(t *testing.T) {
	x, y := blobs(60, 3)
	for i := range y {
		y[i] = i % 3 // nothing to be learnt
	}
	f, err := nn.Batches(nn.BatchOptions{Size: 20}, nn.Rows(x), nn.Classes(y))
	if err != nil {
		t.Fatal(err)
	}
	w := nntest.Weights(t, 1)
	v := feed(t, 50, nn.BatchOptions{InOrder: true})
	r, err := nn.Train(context.Background(), w, classify, f, nn.Options{Epochs: 200, Rate: 3e-2, Validation: v, Patience: 3})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Stopped || r.Steps != r.BestStep+3*3 {
		t.Errorf("stopped %v after %d steps, the best after %d", r.Stopped, r.Steps, r.BestStep)
	}
	got, err := nn.Evaluate(context.Background(), w, classify, v)
	if err != nil {
		t.Fatal(err)
	}
	if got["loss"] != r.Best {
		t.Errorf("the weights have a loss of %v, the best was %v", got["loss"], r.Best)
	}
}

func TestDiverged(t *testing.T) {
	x, y := blobs(40, 3)
	x.Row(33)[2] = float32(math.NaN())
	f, err := nn.Batches(nn.BatchOptions{Size: 10, InOrder: true}, nn.Rows(x), nn.Classes(y))
	if err != nil {
		t.Fatal(err)
	}
	_, err = nn.Train(context.Background(), nntest.Weights(t, 1), classify, f, nn.Options{Epochs: 2})
	var d *nn.DivergedError
	if !errors.As(err, &d) || d.Step != 4 || d.Batch != 3 || d.Epoch != 1 || !strings.Contains(err.Error(), "step 4, batch 3 of epoch 1") {
		t.Errorf("error %v", err)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	f := feed(t, 20, nn.BatchOptions{Size: 10})
	for name, o := range map[string]nn.Options{
		"Epochs": {Epochs: -1}, "Rate": {Rate: math.NaN()}, "Average": {Average: 1}, "Clip": {Clip: -1}, "patience": {Patience: 2},
		"metric \"speed\"": {Epochs: 1, Validation: f, Watch: "speed"},
		"Decay is 0.1":     {Decay: 0.1, Optimizer: optimizer.StochasticGradientDescent()},
		"no variable":      {Trainable: func(string) bool { return false }},
	} {
		if _, err := nn.Train(ctx, nntest.Weights(t, 1), classify, f, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, l := range map[string]nn.Loss{
		"not a scalar": func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) { return logits(scope, in[0]), nil },
		"metric \"m\"": func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
			z := logits(scope, in[0])
			return ReduceAllMean(z), nn.Metrics{"m": z}
		},
		"(Float32)[10, 3] and (Float32)[10, 5]": func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) { // a panic of GoMLX
			return ReduceAllMean(Add(logits(scope, in[0]), Ones(in[0].Graph(), in[0].Shape()))), nil
		},
	} {
		if _, err := nn.Train(ctx, nntest.Weights(t, 1), l, f, nn.Options{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := nn.Evaluate(ctx, nntest.Weights(t, 1), l, f); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s, evaluated: %v", name, err)
		}
	}
	if _, err := nn.Batches(nn.BatchOptions{}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("no inputs: %v", err)
	}
	if _, err := nn.Batches(nn.BatchOptions{}, nn.Rows(vec.NewMatrix(3, 2)), nn.Classes([]int{1, 2})); !errors.Is(err, vec.ErrDim) {
		t.Errorf("rows that differ: %v", err)
	}
	if _, _, err := nntest.Weights(t, 1).Float32("/nothing"); err == nil {
		t.Error("no error for a variable that is not there")
	}
}

func TestBatches(t *testing.T) {
	x := vec.NewMatrix(10, 1)
	for i := range x.Data {
		x.Data[i] = float32(i)
	}
	epoch := func(o nn.BatchOptions, n int) (out []float32, sizes []int) {
		f, err := nn.Batches(o, nn.Rows(x), nn.Values(x.Data))
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Len() {
			b, err := f.Batch(n, i)
			if err != nil {
				t.Fatal(err)
			}
			m, err := nn.Matrix(b.Inputs[0])
			if err != nil {
				t.Fatal(err)
			}
			pair, err := nn.Matrix(b.Inputs[1])
			if err != nil || !slices.Equal(m.Data, pair.Data) {
				t.Errorf("rows %v go with %v", m.Data, pair.Data)
			}
			out, sizes = append(out, m.Data...), append(sizes, m.Rows)
		}
		return out, sizes
	}
	a, sizes := epoch(nn.BatchOptions{Size: 4, Seed: 1}, 0)
	if !slices.Equal(sizes, []int{4, 4}) {
		t.Errorf("batches of %v", sizes)
	}
	if again, _ := epoch(nn.BatchOptions{Size: 4, Seed: 1}, 0); !slices.Equal(a, again) {
		t.Errorf("the same epoch is %v and %v", a, again)
	}
	if next, _ := epoch(nn.BatchOptions{Size: 4, Seed: 1}, 1); slices.Equal(a, next) {
		t.Error("the next epoch has the same order")
	}
	all, sizes := epoch(nn.BatchOptions{Size: 4, Rest: true}, 2)
	if slices.Sort(all); !slices.Equal(all, x.Data) || !slices.Equal(sizes, []int{4, 4, 2}) {
		t.Errorf("an epoch is %v in %v", all, sizes)
	}
	if all, sizes = epoch(nn.BatchOptions{InOrder: true}, 3); !slices.Equal(all, x.Data) || !slices.Equal(sizes, []int{10}) {
		t.Errorf("in order: %v in %v", all, sizes)
	}
}

// TestApply multiplies by known weights, over more rows than one call takes.
func TestApply(t *testing.T) {
	x := vec.NewMatrix(600, 3)
	for i := range x.Data {
		x.Data[i] = float32(i % 11)
	}
	w := nntest.Weights(t, 1)
	f := func(scope *model.Scope, x *Node) *Node { return layers.Dense(scope.In("d"), x, false, 2) }
	got, err := w.Apply(context.Background(), f, x)
	if err != nil {
		t.Fatal(err)
	}
	m, dims, err := w.Float32("/d/dense/weights")
	if err != nil || !slices.Equal(dims, []int{3, 2}) {
		t.Fatal(dims, err)
	}
	want := vec.Mul(vec.Matrix{}, x, vec.Matrix{Rows: 3, Cols: 2, Data: m})
	for i, v := range want.Data {
		if !(math.Abs(float64(v-got.Data[i])) < 1e-4) {
			t.Fatalf("number %d is %v, want %v", i, got.Data[i], v)
		}
	}
	if err := w.SetFloat32("/d/dense/weights", make([]float32, 6)); err != nil {
		t.Fatal(err)
	}
	if got, err = w.Apply(context.Background(), f, x); err != nil || slices.Max(got.Data) != 0 {
		t.Errorf("with weights of 0: %v, %v", slices.Max(got.Data), err)
	}
	if _, err := w.Apply(context.Background(), f, vec.NewMatrix(2, 5)); err == nil {
		t.Error("no error for rows of another width")
	}
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	_, err := nn.Train(context.Background(), nntest.Weights(t, 1), classify, feed(t, 20, nn.BatchOptions{Size: 10}), nn.Options{Epochs: 3, Log: &b})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %q", len(lines), b.String())
	}
	for i, line := range lines {
		var r nn.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Step != 2*(i+1) || r.Epoch != i+1 || r.Metrics["accuracy"] == 0 {
			t.Errorf("line %d: %s: %v", i, line, err)
		}
	}
}

// TestFGSM attacks a loss that is linear in x, which rises by step·|w|₁ a row.
func TestFGSM(t *testing.T) {
	slope := []float32{0.5, -2, 0, 1}
	linear := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		return ReduceAllMean(ReduceSum(Mul(in[0], Const(in[0].Graph(), [][]float32{slope})), 1)), nil
	}
	x, y := nntest.Random(300, 4, 1), make([]int, 300)
	value := func(x vec.Matrix) float64 {
		var sum float64
		for i := range x.Rows {
			sum += float64(vec.Dot(x.Row(i), slope)) / float64(x.Rows)
		}
		return sum
	}
	ctx, w := context.Background(), nntest.Weights(t, 1)
	moved, err := nn.FGSM(ctx, w, linear, x, y, 0.25, -100, 100)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := value(moved)-value(x), 0.25*3.5; !(math.Abs(got-want) < 1e-4) {
		t.Errorf("the loss rises by %v, want %v", got, want)
	}
	still, err := nn.FGSM(ctx, w, linear, x, y, 0, -100, 100)
	if err != nil || !slices.Equal(still.Data, x.Data) {
		t.Errorf("a step of 0 moves rows: %v", err)
	}
	if moved, err = nn.FGSM(ctx, w, linear, x, y, 5, -1, 1); err != nil || slices.Max(moved.Data) > 1 || slices.Min(moved.Data) < -1 {
		t.Errorf("out of bounds: %v to %v, %v", slices.Min(moved.Data), slices.Max(moved.Data), err)
	}
}
