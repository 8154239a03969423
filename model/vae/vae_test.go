package vae

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/vec"
)

func TestModel(t *testing.T) {
	m := New(12, Options{Latents: 3, Width: 16, Beta: 0.1})
	modeltest.Run(t, modeltest.Model{
		Loss:   m.Loss,
		Inputs: func(n int, seed uint64) []nn.Input { return []nn.Input{nn.Rows(nntest.Bits(n, 12, seed))} },
		Outputs: func(scope *model.Scope, in []*Node) []*Node {
			mean, deviation := m.Posterior(scope, in[0])
			return []*Node{mean, deviation, m.Decode(scope, mean)}
		},
		Shapes: [][]int{{8, 3}, {8, 3}, {8, 12}},
		Watch:  "reconstruction", // the divergence stays
		Learnt: 0.03,             // seen 0.002
	})
}

// TestDivergence compares with the integral, and its gradient with finite differences.
func TestDivergence(t *testing.T) {
	mean := vec.Matrix{Rows: 1, Cols: 4, Data: []float32{0, 1, -2, 0.5}}
	dev := vec.Matrix{Rows: 1, Cols: 4, Data: []float32{1, 1, 0.5, 2}}
	got := nntest.Run(t, func(in []*Node) *Node { return divergence(in[0], in[1]) }, mean, dev)
	for i := range got {
		m, s := float64(mean.Data[i]), float64(dev.Data[i])
		want, h := 0.0, 1e-3
		for z := -12 * s; z < 12*s; z += h { // of q·ln(q/p) about the mean
			q := math.Exp(-z*z/(2*s*s)) / (s * math.Sqrt(2*math.Pi))
			want += h * q * (-z*z/(2*s*s) - math.Log(s) + (z+m)*(z+m)/2)
		}
		if math.Abs(got[i]-want) > 1e-6 {
			t.Errorf("KL(N(%v, %v²) ‖ N(0, 1)) is %v, want %v", m, s, got[i], want)
		}
	}
	if got[0] != 0 {
		t.Errorf("a standard Gaussian is %v from itself", got[0])
	}
	nntest.Gradients(t, func(in []*Node) *Node { return divergence(in[0], in[1]) }, mean, dev)
	nntest.Gradients(t, func(in []*Node) *Node { return softplus(in[0]) }, nntest.Random(3, 4, 1))
	far := nntest.Run(t, func(in []*Node) *Node { return softplus(in[0]) }, vec.Matrix{Rows: 1, Cols: 3, Data: []float32{-100, 0, 100}})
	if far[0] < 0 || far[0] > 1e-40 || math.Abs(far[1]-math.Ln2) > 1e-12 || far[2] != 100 {
		t.Errorf("softplus of -100, 0, 100 is %v", far)
	}
}

// TestNoise: training draws latents, evaluation does not, and a large beta leaves nothing of x in them.
func TestNoise(t *testing.T) {
	x := nntest.Bits(64, 12, 1)
	feed, err := nn.Batches(nn.BatchOptions{Size: 64}, nn.Rows(x))
	if err != nil {
		t.Fatal(err)
	}
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	m := New(12, Options{Latents: 2, Width: 16, Beta: 100})
	a, err := nn.Evaluate(t.Context(), w, m.Loss, feed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nn.Evaluate(t.Context(), w, m.Loss, feed)
	if err != nil || a["loss"] != b["loss"] {
		t.Errorf("evaluation gives %v, then %v, %v", a, b, err)
	}
	tr, err := nn.NewTrainer(w, m.Loss, nn.Options{Rate: 1e-12})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var seen [2]float64
	for i := range seen {
		batch, _ := feed.Batch(0, 0)
		r, err := tr.Step(batch)
		if err != nil {
			t.Fatal(err)
		}
		seen[i] = r["reconstruction"]
	}
	if seen[0] == seen[1] {
		t.Error("two steps of training draw the same noise")
	}
	r, err := nn.Train(t.Context(), w, m.Loss, feed, nn.Options{Steps: 500, Rate: 1e-2})
	if err != nil {
		t.Fatal(err)
	}
	if kl := r.Last().Metrics["divergence"]; kl > 0.01 { // seen 5e-4
		t.Errorf("divergence %v nats at beta 100", kl)
	}
}

func TestDefaults(t *testing.T) {
	if got := New(7, Options{}).o; got != (Options{Latents: 10, Width: 64, Beta: 1}) {
		t.Errorf("%+v", got)
	}
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Latents: -1}, {Width: -1}, {Beta: -1}, {Beta: math.NaN()}} {
		if _, err := w.Apply(t.Context(), New(3, o).Reconstruct, nntest.Bits(2, 3, 1)); err == nil || !strings.Contains(err.Error(), "vae") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
