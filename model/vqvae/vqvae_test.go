package vqvae

import (
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

func TestModel(t *testing.T) {
	m := New(12, Options{Latents: 2, Vectors: 16, Size: 8, Width: 16})
	modeltest.Run(t, modeltest.Model{
		Loss:   m.Loss,
		Inputs: func(n int, seed uint64) []nn.Input { return []nn.Input{nn.Rows(nntest.Bits(n, 12, seed))} },
		Outputs: func(scope *model.Scope, in []*Node) []*Node {
			z := m.Encode(scope, in[0])
			q := m.Quantize(scope, z)
			return []*Node{z, q.Values, q.Codes, m.Decode(scope, q.Values)}
		},
		Shapes: [][]int{{8, 2, 8}, {16, 8}, {16}, {8, 12}},
		Learnt: 0.05, // seen 0.007
	})
}

// TestCodes compares codes and reconstruction with brute force, and the loss with its equation.
func TestCodes(t *testing.T) {
	const n, columns, latents, vectors, size = 30, 6, 3, 9, 4
	m := New(columns, Options{Latents: latents, Vectors: vectors, Size: size, Width: 8, Commitment: 0.6})
	x := nntest.Bits(n, columns, 1)
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: n, InOrder: true}, nn.Rows(x))
	if err != nil {
		t.Fatal(err)
	}
	got, err := nn.Evaluate(t.Context(), w, m.Loss, feed)
	if err != nil {
		t.Fatal(err)
	}
	z, err := w.Apply(t.Context(), m.Encode, x)
	if err != nil {
		t.Fatal(err)
	}
	code, err := w.Apply(t.Context(), m.Codes, x)
	if err != nil || code.Cols != latents {
		t.Fatal(code.Cols, err)
	}
	p, err := w.Apply(t.Context(), m.Reconstruct, x)
	if err != nil {
		t.Fatal(err)
	}
	v, dims, err := w.Float32("/latent/vectors")
	if err != nil || !slices.Equal(dims, []int{vectors, size}) {
		t.Fatal(dims, err)
	}
	for _, a := range v {
		if math.Abs(float64(a)) > math.Sqrt(3.0/size) {
			t.Errorf("a vector starts with %v", a)
		}
	}
	var gap, bce float64
	for i := range n {
		for j := range latents {
			best, least := 0, math.Inf(1)
			for k := range vectors {
				var d float64
				for c := range size {
					e := float64(z.Row(i)[j*size+c] - v[k*size+c])
					d += e * e
				}
				if d < least {
					best, least = k, d
				}
			}
			gap += least / (n * latents * size)
			if code.Row(i)[j] != float32(best) {
				t.Fatalf("row %d, latent %d: vector %v, want %d", i, j, code.Row(i)[j], best)
			}
		}
	}
	for i, v := range x.Data {
		if b := float64(p.Data[i]); v == 1 {
			bce -= math.Log(b) / (n * columns)
		} else {
			bce -= math.Log(1-b) / (n * columns)
		}
	}
	for name, want := range map[string]float64{"reconstruction": bce, "quantization": gap, "loss": bce + 1.6*gap} {
		if math.Abs(got[name]-want) > 1e-5 {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestDefaults(t *testing.T) {
	if got := New(7, Options{}).o; got != (Options{Latents: 10, Vectors: 512, Size: 64, Width: 64, Commitment: 0.25}) {
		t.Errorf("%+v", got)
	}
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Latents: -1}, {Vectors: -1}, {Size: -1}, {Width: -1}, {Commitment: -1}} {
		if _, err := w.Apply(t.Context(), New(3, o).Reconstruct, nntest.Bits(2, 3, 1)); err == nil || !strings.Contains(err.Error(), "vqvae") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
