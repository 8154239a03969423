package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Small whole numbers, so that sums are exact and ties are many.
func TestArgMinSum(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		newX, newY := arena(t, r, 300), arena(t, r, 300)
		for n := range 300 {
			x, y := newX(1, n).Data, newY(1, n).Data
			for round := range 6 {
				spread := []int{3, 50, 100_000}[round%3]
				for i := range x {
					x[i], y[i] = float32(r.IntN(spread)), float32(r.IntN(spread))
					if spread == 50 {
						switch r.IntN(4) {
						case 0:
							x[i] = nan
						case 1:
							y[i] = inf
						case 2:
							y[i] = nan
						}
					}
					if round == 5 {
						y[i] = inf
					}
				}
				want, least := 0, inf
				for i := range x {
					if s := -2*x[i] + y[i]; s < least {
						want, least = i, s
					}
				}
				if got := ArgMinSum(x, y, -2); got != want {
					t.Fatalf("n=%d, round %d: %d, want %d\n%v\n%v", n, round, got, want, x, y)
				}
			}
		}
	})
}

func BenchmarkArgMinSum(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{16, 256, 4096} {
		x, y := noise(r, 1, n).Data, noise(r, 1, n).Data
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				ArgMinSum(x, y, -2)
			}
		})
	}
}

func ExampleArgMinSum() {
	q := []float32{3, 4}
	c, _ := FromRows([][]float32{{0, 0}, {3, 3}, {10, 10}})
	fmt.Println(ArgMinSum(MulT(Matrix{}, Matrix{Rows: 1, Cols: 2, Data: q}, c).Data, []float32{0, 18, 200}, -2))
	// Output: 1
}
