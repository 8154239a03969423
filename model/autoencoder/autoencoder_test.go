package autoencoder

import (
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

func TestModel(t *testing.T) {
	m := New(12, Options{Latents: 3, Width: 16})
	modeltest.Run(t, modeltest.Model{
		Loss:   m.Loss,
		Inputs: func(n int, seed uint64) []nn.Input { return []nn.Input{nn.Rows(nntest.Bits(n, 12, seed))} },
		Outputs: func(scope *model.Scope, in []*Node) []*Node {
			z := m.Encode(scope, in[0])
			return []*Node{z, m.Decode(scope, z)}
		},
		Shapes: [][]int{{8, 3}, {8, 12}},
		Learnt: 0.01, // seen 2e-5
	})
}

func TestDefaults(t *testing.T) {
	if got := New(7, Options{}).o; got != (Options{Latents: 10, Width: 64}) {
		t.Errorf("%+v", got)
	}
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Latents: -1}, {Width: -1}} {
		if _, err := w.Apply(t.Context(), New(3, o).Reconstruct, nntest.Bits(2, 3, 1)); err == nil || !strings.Contains(err.Error(), "autoencoder") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
