package assign

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

// brute tries every assignment of r ≤ c rows.
func brute(cost *mat.Dense) float64 {
	r, c := cost.Dims()
	used := make([]bool, c)
	var best func(i int) float64
	best = func(i int) float64 {
		if i == r {
			return 0
		}
		low := math.Inf(1)
		for j := range c {
			if !used[j] {
				used[j] = true
				low = min(low, cost.At(i, j)+best(i+1))
				used[j] = false
			}
		}
		return low
	}
	return best(0)
}

func TestAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, c := rapid.IntRange(1, 6).Draw(t, "r"), rapid.IntRange(1, 6).Draw(t, "c")
		// Small whole numbers make ties, and sums without rounding.
		data := rapid.SliceOfN(rapid.IntRange(-9, 9), r*c, r*c).Draw(t, "cost")
		cost := mat.NewDense(r, c, nil)
		for i, v := range data {
			cost.Set(i/c, i%c, float64(v))
		}
		low := cost
		if r > c {
			low = mat.DenseCopyOf(cost.T())
		}
		p, err := Min(cost)
		if err != nil {
			t.Fatal(err)
		}
		if want := brute(low); p.Total != want {
			t.Fatalf("total %v, want %v", p.Total, want)
		}
		certify(t, cost, p)
		neg := mat.DenseCopyOf(cost)
		neg.Scale(-1, neg)
		if q, _ := Max(neg); q.Total != -p.Total {
			t.Fatalf("Max of the negative is %v, Min %v", q.Total, p.Total)
		}
	})
}

type failer interface{ Fatalf(string, ...any) }

// certify checks that p is an assignment and that its prices prove it the cheapest.
func certify(t failer, cost *mat.Dense, p Pairs) {
	r, c := cost.Dims()
	taken, paired, dual := make([]bool, c), 0, 0.0
	for i, j := range p.Column {
		if j < 0 {
			if p.Row[i] != 0 {
				t.Fatalf("row %d is left over but has price %v", i, p.Row[i])
			}
			continue
		}
		if taken[j] {
			t.Fatalf("column %d is given twice", j)
		}
		taken[j] = true
		paired++
	}
	if paired != min(r, c) {
		t.Fatalf("%d pairs of %d×%d", paired, r, c)
	}
	for j, used := range taken {
		if !used && p.Col[j] != 0 {
			t.Fatalf("column %d is left over but has price %v", j, p.Col[j])
		}
		dual += p.Col[j]
	}
	for i := range r {
		dual += p.Row[i]
		for j := range c {
			if p.Row[i]+p.Col[j] > cost.At(i, j)+1e-9 {
				t.Fatalf("prices %v + %v exceed the cost %v of %d,%d", p.Row[i], p.Col[j], cost.At(i, j), i, j)
			}
		}
	}
	if math.Abs(dual-p.Total) > 1e-9*float64(r+c) {
		t.Fatalf("total %v, the prices sum to %v", p.Total, dual)
	}
}

// The certificate needs no brute force, so it reaches sizes that count.
func TestCertificate(t *testing.T) {
	for _, shape := range [][2]int{{200, 200}, {100, 250}, {250, 100}} {
		cost := mat.NewDense(shape[0], shape[1], nil)
		x := uint32(1)
		for i := range shape[0] {
			for j := range shape[1] {
				x = x*1664525 + 1013904223
				cost.Set(i, j, float64(x>>8)/(1<<24)-0.5)
			}
		}
		p, err := Min(cost)
		if err != nil {
			t.Fatal(err)
		}
		certify(t, cost, p)
	}
}

func TestNotFinite(t *testing.T) {
	if _, err := Max(mat.NewDense(1, 2, []float64{1, math.NaN()})); !errors.Is(err, vec.ErrNotFinite) {
		t.Fatal(err)
	}
}

// The best choice for each row alone would be column 0 twice; greedy would take .9 and .1.
func ExampleMax() {
	p, _ := Max(mat.NewDense(2, 2, []float64{.9, .8, .85, .1}))
	fmt.Println(p.Column, p.Total)
	// Output: [1 0] 1.65
}

func BenchmarkMin(b *testing.B) {
	for _, n := range []int{128, 512, 1024} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			cost := mat.NewDense(n, n, nil)
			x := uint32(1)
			for i := range n {
				for j := range n {
					x = x*1664525 + 1013904223
					cost.Set(i, j, float64(x>>8)/(1<<24))
				}
			}
			for b.Loop() {
				_, _ = Min(cost)
			}
		})
	}
}
