package pca

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/latent-go/latent/vec"
)

// The scatter is summed about the mean of a few rows. Data whose rows are in an order, or of which a few weigh more than
// all others, must not lose digits by it: what is summed is held against float64.
func TestScatterOfAnyOrder(t *testing.T) {
	const n, d = 2*blockRows + 1000, 5
	for name, at := range map[string]func(i int) float64{
		"as drawn":      func(i int) float64 { return 0 },
		"far from zero": func(i int) float64 { return 1000 },
		"rising":        func(i int) float64 { return float64(i) / 100 },
		"two halves":    func(i int) float64 { return float64(2 * i / n * 500) },
		"period of 96":  func(i int) float64 { return float64((i % 96) / 95 * 1000) },
		"one row":       func(i int) float64 { return float64(i / (n - 1) * 100_000) },
	} {
		rng := rand.New(rand.NewPCG(12, 12))
		x := gaussian(rng, n, d)
		for i := range n {
			for j := range d {
				x.Row(i)[j] += float32(at(i) * float64(j)) // the first column is the same for all
			}
		}
		a := NewAccumulator(d)
		if err := a.Add(x); err != nil {
			t.Fatal(err)
		}
		a.flush()
		mean := make([]float64, d)
		for i := range n {
			for j, v := range x.Row(i) {
				mean[j] += float64(v) / n
			}
		}
		scatter := make([]float64, d*d)
		for i := range n {
			for j, v := range x.Row(i) {
				for l, w := range x.Row(i)[:j+1] {
					scatter[j*d+l] += (float64(v) - mean[j]) * (float64(w) - mean[l])
				}
			}
		}
		for j := range d {
			spread := math.Sqrt(scatter[j*d+j] / n)
			near(t, fmt.Sprintf("%s: mean of column %d", name, j), a.mean[j], mean[j], 1e-7*spread) // seen up to 1.1e-8 of it
			for l := range j + 1 {
				near(t, fmt.Sprintf("%s: scatter of columns %d and %d", name, j, l), a.scatter[j*d+l], scatter[j*d+l],
					1e-6*math.Sqrt(scatter[j*d+j]*scatter[l*d+l])) // seen up to 4.5e-7 of it
			}
		}
	}
}

// What is not finite is found wherever it stands, though the data is read once, and is named.
func TestFitNamesWhatIsNotFinite(t *testing.T) {
	const n, d = blockRows + 70, 3
	for _, at := range []int{0, 4321, blockRows, n - 1} {
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x := gaussian(rand.New(rand.NewPCG(13, 13)), n, d)
			x.Row(at)[1] = float32(v)
			_, err := Fit(ctx, x, Options{})
			if !errors.Is(err, vec.ErrNotFinite) || !strings.Contains(err.Error(), fmt.Sprintf("row %d, column 1", at)) {
				t.Errorf("%v in row %d: %v", v, at, err)
			}
		}
	}
}
