package nn_test

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
)

// TestDense compares with GoMLX's own layer: the same variables, the same values, the same gradients with respect to
// weights, biases and input, and gradients of gradients.
func TestDense(t *testing.T) {
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := blobs(20, 1)
	var results [2][]*tensors.Tensor
	for k := range results {
		f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
			var y *Node
			if k == 0 {
				y = layers.Dense(scope, in[0], true, 4)
			} else {
				y = nn.Dense(scope, in[0], 4)
			}
			loss := ReduceAllSum(Mul(Square(y), y))
			vars := scope.BuildTrainableVariablesGradientsGraph(loss)
			dx := Gradient(loss, in[0])[0]
			again := Gradient(ReduceAllSum(Square(dx)), in[0])[0]
			return append(vars, y, dx, again)
		})
		if err != nil {
			t.Fatal(err)
		}
		if results[k], err = f.Call(nn.Tensor(x)); err != nil {
			t.Fatal(err)
		}
	}
	if len(results[0]) != 5 || w.Count() != 5*4+4 {
		t.Fatalf("%d results, %d numbers learn", len(results[0]), w.Count())
	}
	for i, want := range results[0] {
		a, _ := nn.Matrix(want)
		b, err := nn.Matrix(results[1][i])
		if err != nil || len(a.Data) != len(b.Data) {
			t.Fatalf("result %d: %d numbers for %d, %v", i, len(b.Data), len(a.Data), err)
		}
		for j, v := range a.Data {
			if !(math.Abs(float64(v-b.Data[j])) <= 1e-4*(1+math.Abs(float64(v)))) {
				t.Errorf("result %d: number %d is %v, want %v", i, j, b.Data[j], v)
			}
		}
	}
}

func TestMLP(t *testing.T) {
	w, err := nn.New(2)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := blobs(20, 1)
	out, err := w.Apply(t.Context(), func(scope *model.Scope, x *Node) *Node { return nn.MLP(scope, x, 100, 100, 2) }, x)
	if err != nil || out.Cols != 2 {
		t.Fatal(out.Cols, err)
	}
	for path, in := range map[string]float64{"/layer0/dense/weights": 5, "/layer0/dense/biases": 5, "/layer1/dense/biases": 100, "/layer1/dense/weights": 100, "/layer2/dense/weights": 100} {
		v, _, err := w.Float32(path)
		if err != nil {
			t.Fatal(err)
		}
		var most, sq float64
		for _, a := range v {
			most = max(most, math.Abs(float64(a)))
			sq += float64(a) * float64(a)
		}
		end := 1 / math.Sqrt(in)
		if spread := math.Sqrt(sq / float64(len(v))); most > end || math.Abs(spread/(end/math.Sqrt(3))-1) > 0.15 { // 100 numbers or more; seen 0.07
			t.Errorf("%s: up to %v, spread %v; want up to %v", path, most, spread, end)
		}
	}
	for _, a := range out.Row(0) {
		if a == 0 {
			t.Error("the output is cut off at 0")
		}
	}
}

// TestAdamW checks steps against the equations: with no gradient weights shrink by rate·decay and nothing else moves; with
// one, the first step is ±rate, and a clipped gradient's second moment is that of the clip.
func TestAdamW(t *testing.T) {
	const rate, decay, clip = 0.01, 0.5, 0.25
	step := func(gradient float64, name string) (was, is []float32) {
		t.Helper()
		w, err := nn.New(1)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := blobs(4, 1)
		l := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
			v := scope.In("a").VariableWithValue(name, []float32{1, -2}).NodeValue(in[0].Graph())
			return MulScalar(ReduceAllSum(v), gradient), nil
		}
		f, err := nn.Batches(nn.BatchOptions{Size: 2}, nn.Rows(x))
		if err != nil {
			t.Fatal(err)
		}
		o := nn.Options{Steps: 1, Rate: rate, Optimizer: nn.AdamW{Decay: decay, Clip: clip, Name: "x"}}
		if _, err := nn.Train(t.Context(), w, l, f, o); err != nil {
			t.Fatal(err)
		}
		is, _, err = w.Float32("/a/" + name)
		if err != nil {
			t.Fatal(err)
		}
		second, _, err := w.Float32("/#adamx/a/" + name + "_2nd_moment")
		if err != nil {
			t.Fatal(err)
		}
		want := gradient
		if name == "weights" {
			want = min(gradient, clip)
		}
		if math.Abs(float64(second[0])-0.001*want*want) > 1e-4*0.001*want*want { // 1-0.999 in float32 is off by 1e-5 of itself
			t.Errorf("%s: second moment %v, want %v", name, second[0], 0.001*want*want)
		}
		return []float32{1, -2}, is
	}
	for _, c := range []struct {
		name            string
		gradient, decay float64
	}{{"weights", 0, decay}, {"biases", 0, 0}, {"values", 0, 0}, {"weights", 3, decay}, {"values", 3, 0}} {
		was, is := step(c.gradient, c.name)
		for i := range is {
			want := float64(was[i]) * (1 - rate*c.decay)
			if c.gradient > 0 {
				want -= rate
			}
			if math.Abs(float64(is[i])-want) > 1e-6 {
				t.Errorf("%s with gradient %v: %v became %v, want %v", c.name, c.gradient, was[i], is[i], want)
			}
		}
	}
}

// TestAdamWBetas: of two steps with gradients 1 and -3 the averages are those of the betas, and without an average of
// gradients each step goes by its own.
func TestAdamWBetas(t *testing.T) {
	const rate = 0.01
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	l := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		v := scope.VariableWithValue("weights", []float32{1}).NodeValue(in[0].Graph())
		return ReduceAllSum(Mul(v, Squeeze(in[0], -1))), nil
	}
	f, err := nn.Batches(nn.BatchOptions{Size: 1, InOrder: true}, nn.Values([]float32{1, -3}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nn.Train(t.Context(), w, l, f, nn.Options{Steps: 2, Rate: rate, Optimizer: nn.AdamW{Betas: [2]float64{0, 0.9}, Name: "x"}}); err != nil {
		t.Fatal(err)
	}
	first, second := 1.0, 0.1*(0.9*1+9)/(1-0.9*0.9)
	for path, want := range map[string]float64{"/weights": 1 - rate*first + rate*3/math.Sqrt(second), "/#adamx/weights_1st_moment": -3, "/#adamx/weights_2nd_moment": 0.1 * (0.9*1 + 9)} {
		if got, _, err := w.Float32(path); err != nil || math.Abs(float64(got[0])-want) > 1e-5 {
			t.Errorf("%s is %v, want %v; %v", path, got, want, err)
		}
	}
}
