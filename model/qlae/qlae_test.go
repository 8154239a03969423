package qlae

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/quantize/latent"
	"github.com/latent-go/latent/vec"
)

func TestModel(t *testing.T) {
	m := New(12, Options{Latents: 4, Values: 5, Width: 16})
	modeltest.Run(t, modeltest.Model{
		Loss:   m.Loss,
		Inputs: func(n int, seed uint64) []nn.Input { return []nn.Input{nn.Rows(nntest.Bits(n, 12, seed))} },
		Outputs: func(scope *model.Scope, in []*Node) []*Node {
			z := m.Encode(scope, in[0])
			q := m.Quantize(scope, z)
			return []*Node{z, q, m.Decode(scope, q)}
		},
		Shapes: [][]int{{8, 4}, {8, 4}, {8, 12}},
		Learn:  nn.Options{Optimizer: nn.AdamW{Decay: 1e-3, Clip: 1}},
		Learnt: 0.03, // seen 0.003
	})
}

// TestDefaults: the zero Options are the paper's, and what is no size is refused where the graph is built.
func TestDefaults(t *testing.T) {
	if got := New(7, Options{}).o; got != (Options{Latents: 10, Values: 10, Width: 64, Lambda: 0.01}) {
		t.Errorf("%+v", got)
	}
	w := nntest.Weights(t, 1)
	for _, o := range []Options{{Latents: -1}, {Values: 257}, {Values: -1}, {Width: -2}, {Lambda: math.NaN()}, {Lambda: -1}} {
		if _, err := w.Apply(t.Context(), New(3, o).Latents, nntest.Bits(2, 3, 1)); err == nil || !strings.Contains(err.Error(), "qlae") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := w.Apply(t.Context(), New(4, Options{}).Latents, nntest.Bits(2, 3, 1)); err == nil {
		t.Error("rows of 3 numbers passed for 4")
	}
}

// quantize runs Quantize alone over z, with these codebooks; nil leaves them as they start.
func quantize(t *testing.T, o Options, z vec.Matrix, books []float32) vec.Matrix {
	t.Helper()
	m := New(1, o)
	w := nntest.Weights(t, 1)
	if _, err := w.Apply(t.Context(), m.Quantize, z); err != nil { // makes the variable
		t.Fatal(err)
	}
	if books != nil {
		if err := w.SetFloat32("/latent/values", books); err != nil {
			t.Fatal(err)
		}
	}
	q, err := w.Apply(t.Context(), m.Quantize, z)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestQuantize compares with brute force on codebooks in no order, with repeated values.
func TestQuantize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, global := range []bool{false, true} {
		const n, latents, values = 200, 3, 7
		books := latents
		if global {
			books = 1
		}
		v := make([]float32, books*values)
		for i := range v {
			v[i] = float32(r.IntN(9)-4) / 8 // so that ties happen, and are exact
		}
		z := vec.NewMatrix(n, latents)
		for i := range z.Data {
			z.Data[i] = float32(r.IntN(33)-16) / 16
		}
		o := Options{Latents: latents, Values: values, Global: global}
		q := quantize(t, o, z, v)
		for i := range n {
			for j := range latents {
				book := v[:values]
				if !global {
					book = v[j*values : (j+1)*values]
				}
				best := 0
				for k, a := range book {
					if math.Abs(float64(z.Row(i)[j]-a)) < math.Abs(float64(z.Row(i)[j]-book[best])) {
						best = k
					}
				}
				if q.Row(i)[j] != book[best] {
					t.Fatalf("global %v: %v in %v became %v, want %v", global, z.Row(i)[j], book, q.Row(i)[j], book[best])
				}
			}
		}
		if again := quantize(t, o, q, v); !slices.Equal(again.Data, q.Data) {
			t.Error("quantising twice is not quantising once")
		}
	}
	one := quantize(t, Options{Latents: 2, Values: 1}, nntest.Random(5, 2, 1), nil)
	if slices.ContainsFunc(one.Data, func(v float32) bool { return v != -0.5 }) {
		t.Errorf("one value a latent, and they take %v", one.Data)
	}
	start := quantize(t, Options{Latents: 1, Values: 5}, vec.Matrix{Rows: 5, Cols: 1, Data: []float32{-9, -0.2, 0.1, 0.3, 9}}, nil)
	if want := []float32{-0.5, -0.25, 0, 0.25, 0.5}; !slices.Equal(start.Data, want) {
		t.Errorf("values start as %v, want %v", start.Data, want)
	}
}

// TestGaps checks what the two losses of quantisation move: what is to be still enters as a constant.
func TestGaps(t *testing.T) {
	z, q := nntest.Random(4, 3, 1), nntest.Random(4, 3, 2)
	still := func(in []*Node, x vec.Matrix) *Node {
		rows := make([][]float64, x.Rows)
		for i := range rows {
			for _, v := range x.Row(i) {
				rows[i] = append(rows[i], float64(v))
			}
		}
		return Const(in[0].Graph(), rows)
	}
	nothing := func(in []*Node) *Node { return MulScalar(in[0], 0) }
	// Quantisation moves q alone, commitment z alone.
	quantization := func(z, q *Node) *Node { a, _ := gaps(z, q); return a }
	commitment := func(z, q *Node) *Node { _, b := gaps(z, q); return b }
	mean := func(z, q *Node) *Node { return ReduceAllMean(Square(Sub(z, q))) }
	nntest.GradientsAs(t, func(in []*Node) *Node { return quantization(still(in, z), in[0]) },
		func(in []*Node) *Node { return mean(still(in, z), in[0]) }, q)
	nntest.GradientsAs(t, func(in []*Node) *Node { return quantization(in[0], still(in, q)) }, nothing, z)
	nntest.GradientsAs(t, func(in []*Node) *Node { return commitment(in[0], still(in, q)) },
		func(in []*Node) *Node { return mean(in[0], still(in, q)) }, z)
	nntest.GradientsAs(t, func(in []*Node) *Node { return commitment(still(in, z), in[0]) }, nothing, q)
}

// TestCodebookGradient: a value is moved by 2λ/n_z·(q - z) for each latent that takes it, over the batch, and by nothing
// else: reconstruction does not reach it.
func TestCodebookGradient(t *testing.T) {
	const n, latents, values, lambda = 16, 3, 4, 0.3
	m := New(5, Options{Latents: latents, Values: values, Width: 8, Lambda: lambda})
	x := nntest.Bits(n, 5, 3)
	w := nntest.Weights(t, 4)
	f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
		l, _ := m.Loss(scope, in)
		v := scope.Store().GetVariable("/latent/values").NodeValue(l.Graph())
		return Gradient(l, v)
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Call(nn.Tensor(x))
	if err != nil {
		t.Fatal(err)
	}
	got, err := tensors.CopyFlatData[float32](g[0])
	if err != nil {
		t.Fatal(err)
	}
	z, err := w.Apply(t.Context(), m.Encode, x)
	if err != nil {
		t.Fatal(err)
	}
	books, _, err := w.Float32("/latent/values")
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, latents*values)
	for i := range n {
		for j := range latents {
			book := books[j*values : (j+1)*values]
			best := 0
			for k, a := range book {
				if math.Abs(float64(z.Row(i)[j]-a)) < math.Abs(float64(z.Row(i)[j]-book[best])) {
					best = k
				}
			}
			want[j*values+best] += 2 * lambda / (latents * n) * float64(book[best]-z.Row(i)[j])
		}
	}
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-6 {
			t.Errorf("value %d: gradient %v, want %v", i, got[i], want[i])
		}
	}
}

// TestLoss checks the loss of a batch against the equation, in float64.
func TestLoss(t *testing.T) {
	m := New(6, Options{Latents: 3, Values: 4, Width: 8, Lambda: 0.7})
	x := nntest.Bits(10, 6, 1)
	for i := range x.Data {
		x.Data[i] = 0.1 + 0.7*x.Data[i] // numbers between 0 and 1, too
	}
	w := nntest.Weights(t, 1)
	feed, err := nn.Batches(nn.BatchOptions{Size: 10, InOrder: true}, nn.Rows(x))
	if err != nil {
		t.Fatal(err)
	}
	got, err := nn.Evaluate(t.Context(), w, m.Loss, feed)
	if err != nil {
		t.Fatal(err)
	}
	z, _ := w.Apply(t.Context(), m.Encode, x)
	q, _ := w.Apply(t.Context(), m.Latents, x)
	p, err := w.Apply(t.Context(), m.Reconstruct, x)
	if err != nil {
		t.Fatal(err)
	}
	var bce, gap float64
	for i, v := range x.Data {
		a, b := float64(v), float64(p.Data[i])
		bce -= (a*math.Log(b) + (1-a)*math.Log(1-b)) / float64(len(x.Data))
	}
	for i, v := range z.Data {
		d := float64(v - q.Data[i])
		gap += d * d / float64(len(z.Data))
	}
	for name, want := range map[string]float64{"reconstruction": bce, "quantization": gap, "loss": bce + 2*0.7*gap} {
		if math.Abs(got[name]-want) > 1e-5 {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// TestDecay: after the same steps, weights are smaller by decay; codebooks and biases are free of it.
func TestDecay(t *testing.T) {
	m := New(12, Options{Latents: 4, Values: 5, Width: 16})
	norms := func(decay float64) map[string]float64 {
		w := nntest.Weights(t, 1)
		feed, err := nn.Batches(nn.BatchOptions{Size: 32}, nn.Rows(nntest.Bits(64, 12, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nn.Train(t.Context(), w, m.Loss, feed, nn.Options{Steps: 300, Rate: 3e-3, Optimizer: nn.AdamW{Decay: decay, Clip: 1}}); err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for v := range w.Variables() {
			if !v.Trainable {
				continue
			}
			x, _, err := w.Float32(v.Path())
			if err != nil {
				t.Fatal(err)
			}
			kind := v.Path()[strings.LastIndexByte(v.Path(), '/')+1:]
			for _, a := range x {
				out[kind] += float64(a) * float64(a)
			}
		}
		return out
	}
	free, decayed := norms(0), norms(2)
	if ratio := math.Sqrt(decayed["weights"] / free["weights"]); ratio > 0.6 { // seen 0.36; e^(-3e-3·2·300) = 0.17
		t.Errorf("weights with decay are %.2f times as long as without", ratio)
	}
	if math.Sqrt(decayed["values"]/free["values"]) < 0.5 || len(free) != 3 {
		t.Errorf("codebooks shrank: %v, %v", free, decayed)
	}
}

// TestCodec: a trained model's codebooks as a codec decode to the model's own latents, from fewer bytes, also after the
// codec was written and read.
func TestCodec(t *testing.T) {
	for _, global := range []bool{false, true} {
		m := New(12, Options{Latents: 5, Values: 6, Width: 16, Global: global})
		x := nntest.Bits(500, 12, 1)
		w := nntest.Weights(t, 1)
		feed, err := nn.Batches(nn.BatchOptions{Size: 32}, nn.Rows(x))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nn.Train(t.Context(), w, m.Loss, feed, nn.Options{Steps: 200, Rate: 1e-2, Optimizer: nn.AdamW{Decay: 0.1, Clip: 1}}); err != nil {
			t.Fatal(err)
		}
		c, err := m.Codec(w)
		if err != nil {
			t.Fatal(err)
		}
		if c.Dim() != 5 || c.Bits() != 15 || c.CodeSize() != 2 { // 5·⌈log₂ 6⌉ bits, for 20 bytes of float32
			t.Errorf("%d dimensions, %d bits, %d bytes", c.Dim(), c.Bits(), c.CodeSize())
		}
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if c, err = latent.Read(&b); err != nil {
			t.Fatal(err)
		}
		z, err := w.Apply(t.Context(), m.Encode, x)
		if err != nil {
			t.Fatal(err)
		}
		q, err := w.Apply(t.Context(), m.Latents, x)
		if err != nil {
			t.Fatal(err)
		}
		used := map[float32]bool{}
		for i := range x.Rows {
			if got := c.Decode(nil, c.Encode(nil, z.Row(i))); !slices.Equal(got, q.Row(i)) {
				t.Fatalf("row %d: %v was stored as %v, the model says %v", i, z.Row(i), got, q.Row(i))
			}
			if got := c.Decode(nil, c.Encode(nil, q.Row(i))); !slices.Equal(got, q.Row(i)) {
				t.Fatalf("row %d: %v was stored as %v", i, q.Row(i), got)
			}
			used[q.Row(i)[0]] = true
		}
		if len(used) < 2 {
			t.Error("the first latent takes one value only: the test shows little")
		}
		if _, err := New(12, Options{Latents: 5}).Codec(nntest.Weights(t, 1)); err == nil {
			t.Error("a codec of weights that are not there")
		}
		if _, err := New(12, Options{Latents: 6, Values: 6}).Codec(w); err == nil {
			t.Error("a codec of another model's weights")
		}
	}
}
