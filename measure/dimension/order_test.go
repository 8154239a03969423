package dimension

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/vec"
)

// lineThenBall is n rows near a line, then n that fill eight dimensions, far from it.
func lineThenBall(n int) vec.Matrix {
	rng := rand.New(rand.NewPCG(1, 2))
	x := vec.NewMatrix(2*n, 8)
	for i := range x.Rows {
		row := x.Row(i)
		if i < n {
			row[0] = 20 + 5*rng.Float32()
			continue
		}
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
	}
	return x
}

func TestOrder(t *testing.T) {
	x := lineThenBall(400)
	shuffled := x.Gather(rand.New(rand.NewPCG(3, 4)).Perm(x.Rows))
	falling := x.Gather(func() []int {
		order := make([]int, x.Rows)
		for i := range order {
			order[i] = x.Rows - 1 - i
		}
		return order
	}())
	for _, c := range []struct {
		name     string
		x        vec.Matrix
		lo, hi   float64 // of the trend
		warnings []string
	}{
		{"rising", x, 0.7, 1, []string{"rises along the rows"}},
		{"shuffled", shuffled, -0.15, 0.15, nil}, // seen 0.02
		{"falling", falling, -1, -0.7, []string{"like the one before"}},
	} {
		r, err := Measure(context.Background(), c.x, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Order == nil || !(r.Order.LIDTrend >= c.lo && r.Order.LIDTrend <= c.hi) {
			t.Fatalf("%s: %+v", c.name, r.Order)
		}
		for _, w := range []string{"rises along the rows", "like the one before"} {
			said := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, w) })
			if said != slices.Contains(c.warnings, w) {
				t.Errorf("%s: warned that it %q: %v; %v, %+v", c.name, w, said, r.Notes, r.Order)
			}
		}
		if c.name == "shuffled" && math.Abs(r.Order.Step-1) > 0.1 {
			t.Errorf("step %g of shuffled rows", r.Order.Step)
		}
	}
}
