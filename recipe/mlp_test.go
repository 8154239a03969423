package recipe

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/vec"
)

// TestMLPGradient holds every kind of gradient against differences of the loss.
func TestMLPGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, d, classes = 7, 5, 3
	x := vec.NewMatrix(n, d)
	y := make([]int, n)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	for i := range y {
		y[i] = r.IntN(classes)
	}
	m := newMLP(3, d, 6, 4, classes)
	for l := range m.b {
		for i := range m.b[l] {
			m.b[l][i] = float32(0.1 * r.NormFloat64())
		}
	}
	_, w, b, dx := m.gradient(x, y, true)
	check := func(name string, p []float32, g []float32) {
		t.Helper()
		for i := range p {
			const h = 1e-2
			keep := p[i]
			p[i] = keep + h
			up, _ := m.score(x, y)
			p[i] = keep - h
			down, _ := m.score(x, y)
			p[i] = keep
			// Seen 2e-4 at most: a central difference of a loss in float32, and ReLU's kinks.
			if want := (up - down) / (2 * h); !(math.Abs(float64(g[i])-want) <= 2e-3) {
				t.Errorf("%s %d: gradient %v, difference %v", name, i, g[i], want)
			}
		}
	}
	for l := range w {
		check("weight", m.w[l].Data, w[l].Data)
		check("bias", m.b[l], b[l])
	}
	check("input", x.Data, dx.Data)
}

// TestMLPTrains fits XOR, which no linear classifier does.
func TestMLPTrains(t *testing.T) {
	x, _ := vec.FromRows([][]float32{{0, 0}, {0, 1}, {1, 0}, {1, 1}})
	y := []int{0, 1, 1, 0}
	m := newMLP(1, 2, 16, 2)
	before, _ := m.score(x, y)
	epochs := 0
	if err := m.train(t.Context(), x, y, training{epochs: 300, batch: 4, rate: 0.02}, func(int) error { epochs++; return nil }); err != nil {
		t.Fatal(err)
	}
	if loss, wrong := m.score(x, y); wrong != 0 || loss > before/10 || epochs != 300 {
		t.Errorf("loss %v, before %v, in error %v, after %d epochs", loss, before, wrong, epochs)
	}
}
