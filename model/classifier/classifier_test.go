package classifier

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

func classes(n, of int) nn.Input {
	y := make([]int, n)
	for i := range y {
		y[i] = i % of
	}
	return nn.Classes(y)
}

func TestMLP(t *testing.T) {
	net := MLP{Hidden: []int{12, 8}, Classes: 3}
	modeltest.Run(t, modeltest.Model{
		Loss: Loss(net),
		Inputs: func(n int, seed uint64) []nn.Input {
			return []nn.Input{nn.Rows(nntest.Random(n, 6, seed)), classes(n, 3)}
		},
		Outputs: func(scope *model.Scope, in []*Node) []*Node { return []*Node{net.Logits(scope, in[0])} },
		Shapes:  [][]int{{8, 3}},
		Learnt:  0.01, // seen 1e-4
	})
}

func TestLeNet(t *testing.T) {
	net := LeNet{Classes: 3}
	modeltest.Run(t, modeltest.Model{
		Loss: Loss(net),
		Inputs: func(n int, seed uint64) []nn.Input {
			return []nn.Input{nn.Rows(nntest.Random(n, 256, seed)), classes(n, 3)}
		},
		Outputs: func(scope *model.Scope, in []*Node) []*Node { return []*Node{net.Logits(scope, in[0])} },
		Shapes:  [][]int{{8, 3}},
		Learn:   nn.Options{Steps: 60, Rate: 3e-3},
		Learnt:  0.01, // seen 1e-4
	})
}

// The counts of Li et al. 2018.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		net  Net
		want int
	}{
		{MLP{[]int{200, 200}, 10}, 199_210},
		{MLP{[]int{400, 400, 400, 400, 400}, 10}, 959_610},
		{MLP{nil, 10}, 7850},
		{LeNet{10}, 44_426},
	} {
		w, err := nn.New(1)
		if err != nil {
			t.Fatal(err)
		}
		feed, err := nn.Batches(nn.BatchOptions{}, nn.Rows(nntest.Random(2, 784, 1)), classes(2, 10))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Init(Loss(c.net), feed); err != nil {
			t.Fatal(err)
		}
		if got := w.Count(); got != c.want {
			t.Errorf("%v has %d parameters, want %d", c.net, got, c.want)
		}
	}
}

// TestConvolve: it is GoMLX's convolution, of the same weights.
func TestConvolve(t *testing.T) {
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
		x := Reshape(in[0], 2, 9, 7, 3)
		y := convolve(scope.In("ours"), x, 4)
		kernel := scope.Store().GetVariable("/ours/dense/weights").NodeValue(x)
		want := Convolve(x, Reshape(kernel, filter, filter, 3, 4)).NoPadding().Done()
		return []*Node{Sub(y, want)}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := f.Call(nn.Tensor(nntest.Random(2, 9*7*3, 2)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Matrix(out[0])
	if err != nil {
		t.Fatal(err)
	}
	if m.Cols != 5*3*4 {
		t.Errorf("%d numbers an image, want 5·3·4", m.Cols)
	}
	for _, v := range m.Data {
		if !(math.Abs(float64(v)) <= 1e-4) { // seen 1e-6
			t.Fatalf("differs by %v", v)
		}
	}
}

func TestPool(t *testing.T) {
	x := nntest.Random(1, 2*4*6*3, 3)
	got := nntest.Run(t, func(in []*Node) *Node { return pool(Reshape(in[0], 2, 4, 6, 3)) }, x)
	if len(got) != 2*2*3*3 {
		t.Fatalf("%d numbers", len(got))
	}
	at := func(b, i, j, c int) float64 { return float64(x.Data[((b*4+i)*6+j)*3+c]) }
	n := 0
	for b := range 2 {
		for i := range 2 {
			for j := range 3 {
				for c := range 3 {
					want := max(at(b, 2*i, 2*j, c), at(b, 2*i, 2*j+1, c), at(b, 2*i+1, 2*j, c), at(b, 2*i+1, 2*j+1, c))
					if got[n] != want {
						t.Fatalf("image %d, place %d %d, channel %d: %v, want %v", b, i, j, c, got[n], want)
					}
					n++
				}
			}
		}
	}
	nntest.Gradients(t, func(in []*Node) *Node { return pool(Reshape(in[0], 2, 4, 6, 3)) }, x)
}

func BenchmarkStep(b *testing.B) {
	for name, c := range map[string]struct {
		net   Net
		batch int
	}{
		"MLP 32/128": {MLP{[]int{32, 32}, 10}, 128}, "MLP 64/128": {MLP{[]int{64, 64}, 10}, 128}, "MLP 200/128": {MLP{[]int{200, 200}, 10}, 128},
		"LeNet/32": {LeNet{10}, 32}, "LeNet/64": {LeNet{10}, 64}, "LeNet/128": {LeNet{10}, 128},
	} {
		b.Run(name, func(b *testing.B) {
			w, err := nn.New(1)
			if err != nil {
				b.Fatal(err)
			}
			feed, err := nn.Batches(nn.BatchOptions{Size: c.batch}, nn.Rows(nntest.Random(c.batch, 784, 1)), classes(c.batch, 10))
			if err != nil {
				b.Fatal(err)
			}
			t, err := nn.NewTrainer(w, Loss(c.net), nn.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			for b.Loop() {
				batch, err := feed.Batch(0, 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := t.Step(batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
