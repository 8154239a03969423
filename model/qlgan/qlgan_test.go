package qlgan

import (
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/vec"
)

func TestModel(t *testing.T) {
	m := New(12, Options{Latents: 2, Values: 2, Width: 32, Information: 20})
	modeltest.Run(t, modeltest.Model{
		Loss: m.Loss,
		Feed: func(seed uint64) (nn.Feed, error) {
			f, err := nn.Batches(nn.BatchOptions{Size: 8, InOrder: true}, nn.Rows(eight(seed)))
			if err != nil {
				return nil, err
			}
			return m.Turns(f), nil
		},
		Outputs: func(scope *model.Scope, in []*Node) []*Node {
			z := m.Encode(scope, in[0])
			q := m.Latents(scope, in[0])
			return []*Node{m.Value(scope, in[0]), z, q, m.Generate(scope, q), m.Sample(scope, q.Graph(), 8)}
		},
		Shapes: [][]int{{8, 1}, {8, 2}, {8, 2}, {8, 12}, {8, 2}},
		Learn:  nn.Options{Optimizer: Optimizer(0), Rate: 3e-3, Steps: 3000},
		Watch:  "reconstruction", // two players' loss says nothing
		Learnt: 0.05,             // seen 0.0003 to 0.005 over seeds
	})
}

// eight are four rows, twice: as many as two latents of two values can tell apart.
func eight(seed uint64) vec.Matrix {
	x := nntest.Bits(8, 12, seed)
	copy(x.Data[4*12:], x.Data[:4*12])
	return x
}

// TestDefaults: the zero Options are the authors', and what is no size is refused where the graph is built.
func TestDefaults(t *testing.T) {
	want := Options{Latents: 10, Values: 10, Width: 64, Information: 200, Penalty: 10, Lambda: 0.01, CriticSteps: 5}
	if got := New(7, Options{}).o; got != want {
		t.Errorf("%+v", got)
	}
	feed := batches(t, nntest.Bits(4, 3, 1), 4)
	for _, o := range []Options{{Latents: -1}, {Values: 257}, {Values: -1}, {Width: -2}, {Noise: -1}, {CriticSteps: -1}, {CriticSteps: -9},
		{Lambda: math.NaN()}, {Penalty: -1}, {Information: -1}} {
		m := New(3, o)
		if _, err := m.Train(t.Context(), nntest.Weights(t, 1), feed, nn.Options{Steps: 1}); err == nil || !strings.Contains(err.Error(), "qlgan") {
			t.Errorf("%+v: training: %v", o, err)
		}
		if _, err := nntest.Weights(t, 1).Apply(t.Context(), m.Latents, nntest.Bits(2, 3, 1)); err == nil || !strings.Contains(err.Error(), "qlgan") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := nntest.Weights(t, 1).Apply(t.Context(), New(4, Options{}).Latents, nntest.Bits(2, 3, 1)); err == nil {
		t.Error("rows of 3 numbers passed for 4")
	}
	if _, err := nntest.Weights(t, 1).Apply(t.Context(), New(4, Options{Noise: 2}).Generate, nntest.Bits(2, 11, 1)); err == nil {
		t.Error("11 latents and noise passed for 10 or 12")
	}
}

func batches(t *testing.T, x vec.Matrix, size int) nn.Feed {
	t.Helper()
	f, err := nn.Batches(nn.BatchOptions{Size: size, InOrder: true}, nn.Rows(x))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPenalty: of a linear function it is (‖w‖ - 1)², of a constant one 1, with a gradient that is finite; and its gradient is
// the one of finite differences, with respect to where slopes are taken and to what makes them.
func TestPenalty(t *testing.T) {
	x := nntest.Random(6, 3, 1)
	linear := func(w ...float32) func(in []*Node) *Node {
		return func(in []*Node) *Node {
			c := ConvertDType(Const(in[0].Graph(), [][]float32{w}), in[0].DType())
			return penalty(func(x *Node) *Node { return ReduceSum(Mul(x, c), -1) }, in[0])
		}
	}
	for _, c := range []struct {
		w    []float32
		want float64
	}{{[]float32{3, 4, 0}, 16}, {[]float32{0, 1, 0}, 0}, {[]float32{0, 0, 0}, 1}, {[]float32{2, 0.5, 1}, math.Pow(math.Sqrt(5.25)-1, 2)}} {
		if got := nntest.Run(t, linear(c.w...), x)[0]; math.Abs(got-c.want) > 1e-5 { // the slope's square is 1e-12 too long
			t.Errorf("slope %v: penalty %v, want %v", c.w, got, c.want)
		}
	}
	flat := func(in []*Node) *Node {
		return Gradient(penalty(func(x *Node) *Node { return ReduceSum(Square(x), -1) }, in[0]), in[0])[0]
	}
	if got := nntest.Run(t, flat, vec.NewMatrix(2, 3)); slices.ContainsFunc(got, func(v float64) bool { return v != 0 }) {
		t.Errorf("at the bottom the gradient is %v", got)
	}
	nntest.Gradients(t, func(in []*Node) *Node {
		return penalty(func(x *Node) *Node {
			return Sin(Dot(Tanh(Dot(x, in[1]).Product()), in[2]).Product())
		}, in[0])
	}, x, nntest.Random(3, 5, 2), nntest.Random(5, 1, 3))
}

// TestCriticGradient: the gradient of the penalty of the model's own critic, in float64, is that of finite differences for
// every one of its variables.
func TestCriticGradient(t *testing.T) {
	const n, columns = 7, 5
	m := New(columns, Options{Latents: 2, Values: 3, Width: 6})
	w := nntest.Weights(t, 3)
	x := make([]float64, n*columns)
	for i, v := range nntest.Random(n, columns, 4).Data {
		x[i] = float64(v)
	}
	in := tensors.FromFlatDataAndDimensions(x, n, columns)
	var paths []string
	graph := func(gradients bool) *nn.Func {
		f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
			p := penalty(func(x *Node) *Node { return m.Value(scope, x) }, in[0])
			out := []*Node{p}
			if gradients {
				for _, v := range nn.Learning(scope, p.Graph()) {
					paths = append(paths, v.Path())
					out = append(out, Gradient(p, v.NodeValue(p.Graph()))...)
				}
			}
			return out
		})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	call := func(f *nn.Func) [][]float64 {
		t.Helper()
		out, err := f.Call(in)
		if err != nil {
			t.Fatal(err)
		}
		values := make([][]float64, len(out))
		for i := range out {
			if values[i], err = tensors.CopyFlatData[float64](out[i]); err != nil {
				t.Fatal(err)
			}
		}
		return values
	}
	got := call(graph(true))
	value := graph(false)
	moved := 0
	for k, path := range paths {
		v := w.Store.GetVariable(path)
		at, err := v.Value()
		if err != nil {
			t.Fatal(err)
		}
		old, err := tensors.CopyFlatData[float64](at)
		if err != nil {
			t.Fatal(err)
		}
		dims := slices.Clone(at.Shape().Dimensions)
		for i := range old {
			const h = 1e-6
			at := func(d float64) float64 {
				now := slices.Clone(old)
				now[i] += d
				if err := v.SetValue(tensors.FromFlatDataAndDimensions(now, dims...)); err != nil {
					t.Fatal(err)
				}
				return call(value)[0][0]
			}
			want := (at(h) - at(-h)) / (2 * h)
			if at(0); math.Abs(got[k+1][i]-want) > 1e-7 {
				t.Errorf("%s %d: gradient %v, differences say %v", path, i, got[k+1][i], want)
			}
			if want != 0 {
				moved++
			}
		}
	}
	if moved < 30 { // of the 5·6 + 6·6 + 6 weights; slopes do not know of biases, and of latents neither
		t.Errorf("the penalty depends on %d numbers only: the test shows little", moved)
	}
}

// TestLoss checks the loss of both turns against the equations, in float64.
func TestLoss(t *testing.T) {
	const n, columns, information, weight, lambda = 6, 5, 3, 2, 0.5
	m := New(columns, Options{Latents: 2, Values: 3, Width: 8, Information: information, Penalty: weight, Lambda: lambda})
	w := nntest.Weights(t, 1)
	x, at := nntest.Bits(n, columns, 1), nntest.Bits(n, 1, 2)
	for i := range at.Data {
		at.Data[i] = 0.2 + 0.5*at.Data[i]
	}
	z, err := w.Apply(t.Context(), func(scope *model.Scope, x *Node) *Node { return m.Sample(scope, x.Graph(), n) }, x)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(f func(*model.Scope, *Node) *Node, x vec.Matrix) vec.Matrix {
		t.Helper()
		y, err := w.Apply(t.Context(), f, x)
		if err != nil {
			t.Fatal(err)
		}
		return y
	}
	made := apply(m.Generate, z)
	onData, onMade := apply(m.Value, x), apply(m.Value, made)
	e, q := apply(m.Encode, made), apply(m.Latents, made)
	between := vec.NewMatrix(n, columns)
	for i := range n {
		a := at.Data[i]
		for j := range columns {
			between.Row(i)[j] = a*x.Row(i)[j] + (1-a)*made.Row(i)[j]
		}
	}
	slopes := apply(func(scope *model.Scope, x *Node) *Node { return Gradient(ReduceAllSum(m.Value(scope, x)), x)[0] }, between)
	mean := func(a, b vec.Matrix) (s float64) { // of (a-b)²
		for i := range a.Data {
			d := float64(a.Data[i] - b.Data[i])
			s += d * d / float64(len(a.Data))
		}
		return s
	}
	var distance, steep float64
	for i := range n {
		distance += float64(onData.Data[i]-onMade.Data[i]) / n
		var l float64
		for _, v := range slopes.Row(i) {
			l += float64(v) * float64(v)
		}
		steep += (math.Sqrt(l) - 1) * (math.Sqrt(l) - 1) / n
	}
	var fake float64
	for _, v := range onMade.Data {
		fake += float64(v) / n
	}
	wants := [2]float64{
		criticTurn:    -distance + weight*steep + information*mean(q, z) + lambda*mean(e, q),
		generatorTurn: -fake + information*mean(q, z) + 2*lambda*mean(e, q),
	}
	for turn, want := range wants {
		f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
			l, metrics := m.play(scope, turn, in[0], in[1], in[2], in[3])
			return []*Node{l, metrics["distance"], metrics["information"]}
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.Call(nn.Tensor(x), nn.Tensor(z), nn.Tensor(made), nn.Tensor(at))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{want, distance, mean(q, z)} {
			if got := float64(tensors.ToScalar[float32](out[i])); !(math.Abs(got-want) <= 1e-5) {
				t.Errorf("turn %d, output %d: %v, want %v", turn, i, got, want)
			}
		}
	}
}

// TestSample: latents are values of their codebooks, all as likely, and a gradient reaches each value as often as it was drawn.
func TestSample(t *testing.T) {
	const n, latents, values = 3000, 2, 5
	m := New(4, Options{Latents: latents, Values: values})
	w := nntest.Weights(t, 1)
	f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
		z := m.Sample(scope, in[0].Graph(), n)
		v := scope.Store().GetVariable("/latent/values").NodeValue(z.Graph())
		return []*Node{z, Gradient(ReduceAllSum(z), v)[0]}
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Call(nn.Tensor(nntest.Bits(1, 1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	z, _ := nn.Matrix(out[0])
	g, _ := nn.Matrix(out[1])
	for j := range latents {
		counts := map[float32]int{}
		for i := range n {
			counts[z.Row(i)[j]]++
		}
		if len(counts) != values {
			t.Fatalf("latent %d takes %v", j, counts)
		}
		chi := 0.0
		for k := range values {
			c := counts[float32(k)/(values-1)-0.5]
			chi += math.Pow(float64(c)-n/values, 2) / (n / values)
			if g.Row(j)[k] != float32(c) {
				t.Errorf("value %d of latent %d was drawn %d times, its gradient is %v", k, j, c, g.Row(j)[k])
			}
		}
		if chi > 18.5 { // 4 degrees of freedom: 1 in 1,000 is above
			t.Errorf("latent %d: %v, χ² %v", j, counts, chi)
		}
	}
}

// TestTurns: five steps move the critic and encoder only, the sixth moves the generator and the codebooks only; a feed counts on
// over epochs.
func TestTurns(t *testing.T) {
	m := New(12, Options{Latents: 3, Values: 2, Width: 16})
	feed := m.Turns(batches(t, nntest.Bits(32, 12, 1), 8))
	for n := range 13 {
		b, err := feed.Batch(n/4, n%4)
		if err != nil {
			t.Fatal(err)
		}
		if ours := b.Variant == generatorTurn; ours != (n == 5 || n == 11) {
			t.Errorf("step %d is the generator's: %v", n, ours)
		}
	}
	values := func(w *nn.Weights) map[string][]float32 {
		out := map[string][]float32{}
		for v := range w.Variables() {
			if v.Trainable {
				x, _, err := w.Float32(v.Path())
				if err != nil {
					t.Fatal(err)
				}
				out[v.Path()] = x
			}
		}
		return out
	}
	w := nntest.Weights(t, 1)
	tr, err := nn.NewTrainer(w, m.Loss, nn.Options{Optimizer: Optimizer(0.1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var was map[string][]float32
	for n := range 12 {
		b, err := feed.Batch(n/4, n%4)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Step(b); err != nil {
			t.Fatal(err)
		}
		is := values(w)
		for path, v := range is {
			if was == nil || path == "/critic/value/layer0/dense/biases" { // which raises both of what the critic compares
				continue
			}
			if moved, critic := !slices.Equal(v, was[path]), strings.HasPrefix(path, "/critic/"); moved != (critic == (n%6 != 5)) {
				t.Errorf("step %d: %s moved: %v", n, path, moved)
			}
		}
		was = is
	}
	if len(was) != 15 { // three layers and two heads, weights and biases, and the codebooks
		t.Errorf("%d variables learn", len(was))
	}
}

// TestNoise: rows made of latents alone are those of noise 0, and noise changes them.
func TestNoise(t *testing.T) {
	m := New(6, Options{Latents: 3, Noise: 2})
	w := nntest.Weights(t, 1)
	z := nntest.Random(4, 5, 1)
	alone, without := vec.NewMatrix(4, 3), vec.NewMatrix(4, 5)
	for i := range 4 {
		copy(alone.Row(i), z.Row(i))
		copy(without.Row(i), z.Row(i)[:3])
	}
	var rows [3][]float32
	for k, z := range []vec.Matrix{alone, without, z} {
		y, err := w.Apply(t.Context(), m.Generate, z)
		if err != nil {
			t.Fatal(err)
		}
		rows[k] = y.Data
	}
	if !slices.Equal(rows[0], rows[1]) || slices.Equal(rows[1], rows[2]) {
		t.Errorf("alone %v, with noise 0 %v, with noise %v", rows[0], rows[1], rows[2])
	}
}
