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
		// A task is a panel of columns and the tiles of it on and above the diagonal. The last have the most to do.
		Blocks(context.Background(), panels, 1, func(p, _ int) error {
			gramPanel(t, acc, d, packed, n, (panels-1-p)*t.width)
			return nil
		})
	}
	for i := range d {
		for j := range i {
			acc[i*d+j] = acc[j*d+i]
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

// gramPanel adds columns j.. of one panel, rows 0 to the diagonal. The rows of a tile are columns of x too, so they are
// read out of the panel that they are packed in.
func gramPanel(t tiling, acc []float64, d int, packed []float32, n, j int) {
	width := min(t.width, d-j)
	whole := ceilTo(width, t.lanes)
	panel := packed[j*n:]
	out := make([]float32, t.rows*whole)
	for i := 0; i < j+width; i += t.rows {
		first := i / t.width * t.width // column where the panel of i begins
		step := min(t.width, ceilTo(d-first, t.lanes))
		rows := packed[first*n+i-first:]
		for p := 0; p < n; p += maxDepth {
			k := min(maxDepth, n-p)
			tile(t, k, rows[p*step:], 1, step, panel[p*whole:], whole, out, whole, false)
			for r := range min(t.rows, d-i) {
				sum := acc[(i+r)*d+j:][:width]
				for c, v := range out[r*whole:][:width] {
					sum[c] += float64(v)
				}
			}
		}
	}
}
