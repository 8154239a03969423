package dimension

import (
	"context"
	"math"

	"github.com/latent-go/latent/vec"
)

// Correlation estimates the correlation dimension: the slope of ln C(r) against ln r, where C(r) is the share of pairs
// of rows nearer than r, between the median distances to the K/2th and to the Kth neighbour. It weighs dense places
// most, as there most near pairs are. It reads low when the dimension is above 5 or so, more than MLE does. Fewer than
// K+1 distinct rows give vec.ErrTooFew. Time O(n²d), memory O(nK).
// Source: Grassberger and Procaccia 1983; the two radii are those of Hino et al. 2017.
func Correlation(ctx context.Context, x vec.Matrix, o Options) (Estimate, error) {
	p, k, err := ready(ctx, x, o, "Correlation")
	if err != nil {
		return Estimate{}, err
	}
	return p.correlation(ctx, k)
}

func (p *points) correlation(ctx context.Context, k int) (Estimate, error) {
	n := p.x.Rows
	inner, outer := make([]float64, n), make([]float64, n)
	for i := range n {
		inner[i], outer[i] = p.row(i)[k/2-1], p.row(i)[k-1]
	}
	r1, r2 := median(inner), median(outer)
	within, err := p.within(ctx, r1, r2)
	if err != nil {
		return Estimate{}, err
	}
	var s1, s2 float64
	for _, c := range within {
		s1, s2 = s1+float64(c[0]), s2+float64(c[1])
	}
	width := math.Log(r2 / r1)
	value := math.Log(s2/s1) / width
	// The logarithm of s2/s1 moves by a sum over pairs, to first order: the products of pairs that share a row count, and
	// those of each pair with itself once less than that.
	a, b := 2/s2, 2/s1 // of an unordered pair
	own := s1/2*(b-a)*(b-a) + (s2-s1)/2*a*a
	variance := -own
	for _, c := range within {
		g := float64(c[1])*a - float64(c[0])*b
		variance += g * g
	}
	variance = max(variance, own)
	return p.estimate("Correlation", k, value, math.Sqrt(variance)/width)
}

// within counts for each point the others nearer than r1 and than r2.
func (p *points) within(ctx context.Context, r1, r2 float64) ([][2]int32, error) {
	const tile = 64 // rows that stay in cache while as many others pass
	n := p.x.Rows
	t1, t2 := float32(r1*r1), float32(r2*r2)
	counts := make([][2]int32, n)
	err := vec.Blocks(ctx, n, tile, func(lo, hi int) error {
		d := make([]float32, tile)
		for from := 0; from < n; from += tile {
			others := p.x.Slice(from, min(from+tile, n))
			for i := lo; i < hi; i++ {
				row := d[:others.Rows]
				vec.SquaredL2s(row, p.x.Row(i), others.Data)
				for j, v := range row {
					if v < t2 && from+j != i {
						counts[i][1]++
						if v < t1 {
							counts[i][0]++
						}
					}
				}
			}
		}
		return nil
	})
	return counts, err
}
