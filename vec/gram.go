package vec

import "context"

// Gram adds (x-m)ᵀ(x-m) to acc and returns it: x is n×d, m repeats mean, of length d, in each row, or is left out if
// mean is nil; acc is d×d and symmetric, allocated if it is nil. Divided by n-1 it is the covariance, if mean is the mean.
//
// Products are summed in float32 over parts of at most 384 rows, and the parts in float64, so the error does not
// grow with n: it stays below 2⁻¹⁵ of Σ|xᵢxⱼ|, and is near 2⁻²² in practice. Only one half is computed, the other is
// its mirror image. It uses up to GOMAXPROCS goroutines; the result does not depend on how many.
func Gram(acc []float64, x Matrix, mean []float32) []float64 {
	d := x.Cols
	if acc == nil {
		acc = make([]float64, d*d)
	}
	sameLen(len(acc), d*d)
	if mean != nil {
		sameLen(len(mean), d)
	}
	if d == 0 {
		return acc
	}
	t := tiles()
	panels := (d + t.width - 1) / t.width
	size := ceilTo(d, t.lanes) // of one row, packed
	const at = 4 * maxDepth    // rows packed at a time, for all goroutines
	packed := make([]float32, min(at, x.Rows)*size)
	for lo := 0; lo < x.Rows; lo += at {
		n := min(at, x.Rows-lo)
		Blocks(context.Background(), panels, 1, func(p, _ int) error {
			c := p * t.width
			packGram(t, packed[c*n:], x.Slice(lo, lo+n), c, min(c+t.width, d), mean)
			return nil
		})
		scatterPanels(t, acc, d, packed, n)
	}
	for i := range d {
		for j := range i {
			acc[j*d+i] = acc[i*d+j]
		}
	}
	return acc
}

func packGram(t tiling, panel []float32, x Matrix, lo, hi int, mean []float32) {
	pack(t, panel, operand{x.Data, x.Cols, 1}, 0, x.Rows, lo, hi)
	if mean == nil {
		return
	}
	whole := ceilTo(hi-lo, t.lanes)
	mean = mean[lo:hi]
	for q := range x.Rows {
		AddScaled(panel[q*whole:][:len(mean)], mean, -1)
	}
}
