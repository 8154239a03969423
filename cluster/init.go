package cluster

import (
	"context"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// initial returns the first centroids, rows of s.
func initial(ctx context.Context, s *rows, o Options, r *rand.Rand) (vec.Matrix, error) {
	some := s.pick(draw(r, s.Rows, min(s.Rows, initRows*o.K)))
	if some.scale != nil {
		for i := range some.Rows {
			vec.Normalize(some.Row(i), some.Row(i))
		}
		some.scale = nil
	}
	method := o.Init
	if method == Auto {
		method = PlusPlus
		if o.K > 512 {
			method = Parallel
		}
	}
	switch method {
	case PlusPlus:
		return some.plusPlus(ctx, nil, o.K, r)
	case Parallel:
		return some.parallel(ctx, o.K, r)
	}
	return some.Gather(draw(r, some.Rows, o.K)), nil
}

// plusPlus draws k rows, each with odds of its weight times its squared distance to those drawn before. If that is 0
// for all, it draws any.
func (s *rows) plusPlus(ctx context.Context, weights []float64, k int, r *rand.Rand) (vec.Matrix, error) {
	odds := make([]float64, s.Rows)
	for i := range odds {
		odds[i] = 1
		if weights != nil {
			odds[i] = weights[i]
		}
	}
	nearest := make([]float32, s.Rows)
	c := vec.NewMatrix(k, s.Cols)
	for j := range k {
		row := c.Row(j)
		copy(row, s.Row(pick(r, odds)))
		if err := vec.Blocks(ctx, s.Rows, 1+1<<15/s.Cols, func(lo, hi int) error {
			d := make([]float32, hi-lo)
			vec.SquaredL2s(d, row, s.Slice(lo, hi).Data)
			for i, v := range d {
				if j == 0 || v < nearest[lo+i] {
					nearest[lo+i] = v
					odds[lo+i] = float64(v)
					if weights != nil {
						odds[lo+i] *= weights[lo+i]
					}
				}
			}
			return nil
		}); err != nil {
			return vec.Matrix{}, err
		}
	}
	return c, nil
}

// pick draws one of the numbers with these odds.
func pick(r *rand.Rand, odds []float64) int {
	total := 0.0
	for _, v := range odds {
		total += v
	}
	left, last := r.Float64()*total, r.IntN(len(odds)) // drawn in any case, so that as many are drawn
	for i, v := range odds {
		if v > 0 {
			if left -= v; left < 0 {
				return i
			}
			last = i
		}
	}
	return last
}

// parallel draws more rows than k, many at a time, and k of these.
func (s *rows) parallel(ctx context.Context, k int, r *rand.Rand) (vec.Matrix, error) {
	const rounds = 5
	chosen := []int{r.IntN(s.Rows)}
	fresh := chosen
	nearest := make([]float32, s.Rows)
	assign, distances := make([]uint32, s.Rows), make([]float32, s.Rows)
	for round := range rounds {
		if _, err := s.assign(ctx, s.Gather(fresh), assign, distances, false); err != nil {
			return vec.Matrix{}, err
		}
		total := 0.0
		for i, d := range distances {
			if round == 0 || d < nearest[i] {
				nearest[i] = d
			}
			total += float64(nearest[i])
		}
		fresh = nil
		for i, d := range nearest {
			if r.Float64()*total < float64(k)/2*float64(d) {
				fresh = append(fresh, i)
			}
		}
		if len(fresh) == 0 {
			break
		}
		chosen = append(chosen, fresh...)
	}
	if len(chosen) < k { // few rows, or few that differ
		return s.plusPlus(ctx, nil, k, r)
	}
	candidates := s.Gather(chosen)
	if _, err := s.assign(ctx, candidates, assign, distances, false); err != nil {
		return vec.Matrix{}, err
	}
	weights := make([]float64, len(chosen))
	for _, a := range assign {
		weights[a]++
	}
	return (&rows{Matrix: candidates}).plusPlus(ctx, weights, k, r)
}
