package similarity

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/latent-go/latent/measure/internal/rank"
	"github.com/latent-go/latent/vec"
)

// RBFCKA is CKA with Gaussian kernels exp(-|x-y|²/2σ²), σ being width times the median distance between different rows
// of each set; width 0 means 1. A small width looks at near neighbours only, a large one tends to LinearCKA. A set with
// a median distance of 0 gives vec.ErrZero. Time O(n²(p+q)), memory O(n²). Source: Kornblith et al. 2019, section 3.
func (p *Pair) RBFCKA(width float64) (CKA, error) {
	if width == 0 {
		width = 1
	}
	n := p.Rows()
	var k [2][]float64
	for s, d := range [][]float64{p.distA(), p.distB()} {
		median := medianOffDiagonal(d, n)
		if median == 0 {
			return CKA{}, fmt.Errorf("similarity: RBF kernel: half of the distances of the %s set are 0: %w", [2]string{"first", "second"}[s], vec.ErrZero)
		}
		k[s] = make([]float64, len(d))
		for i, v := range d {
			k[s][i] = vec.Exp(-v / (2 * width * width * median))
		}
	}
	return CKA{
		Biased:   ratio(hsic(k[0], k[1], n), hsic(k[0], k[0], n), hsic(k[1], k[1], n)),
		Debiased: ratio(unbiasedHSIC(k[0], k[1], n), unbiasedHSIC(k[0], k[0], n), unbiasedHSIC(k[1], k[1], n)),
	}, nil
}

// medianOffDiagonal is the median of squared distances between different rows.
func medianOffDiagonal(d []float64, n int) float64 {
	upper := aboveDiagonal(d, n)
	slices.Sort(upper)
	m := len(upper)
	if m%2 == 1 {
		return upper[m/2]
	}
	// The median distance, squared, as a median of distances would have it.
	r := (math.Sqrt(upper[m/2-1]) + math.Sqrt(upper[m/2])) / 2
	return r * r
}

func aboveDiagonal(d []float64, n int) []float64 {
	out := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		out = append(out, d[i*n+i+1:(i+1)*n]...)
	}
	return out
}

// hsic is tr(KHLH), H = I - 11ᵀ/n.
func hsic(k, l []float64, n int) float64 {
	rk, rl := rowSums(k, n), rowSums(l, n)
	f := float64(n)
	return floats.Dot(k, l) - 2/f*floats.Dot(rk, rl) + floats.Sum(rk)*floats.Sum(rl)/(f*f)
}

// unbiasedHSIC is n(n-3) times the estimator of Song et al. 2012, equation 5: diagonals count as 0.
func unbiasedHSIC(k, l []float64, n int) float64 {
	rk, rl := rowSums(k, n), rowSums(l, n)
	dot := floats.Dot(k, l)
	for i := range n {
		dot -= k[i*n+i] * l[i*n+i]
		rk[i] -= k[i*n+i]
		rl[i] -= l[i*n+i]
	}
	f := float64(n)
	return dot + floats.Sum(rk)*floats.Sum(rl)/((f-1)*(f-2)) - 2/(f-2)*floats.Dot(rk, rl)
}

func rowSums(k []float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = floats.Sum(k[i*n : (i+1)*n])
	}
	return out
}

// RSA is Spearman's rank correlation between the dissimilarities of all pairs of rows in the one set and in the other;
// dissimilarity is 1 minus the correlation of two rows, or their Euclidean distance if euclidean is set. Rows that are
// constant have no correlation with others and give vec.ErrZero. Time O(n²(p+q + log n)), memory O(n²).
// Source: Kriegeskorte et al. 2008.
func (p *Pair) RSA(euclidean bool) (float64, error) {
	if euclidean {
		n := p.Rows()
		return rank.Spearman(aboveDiagonal(p.distA(), n), aboveDiagonal(p.distB(), n)), nil
	}
	da, err := rowCorrelations(p.a)
	if err != nil {
		return 0, fmt.Errorf("similarity: RSA of the first set: %w", err)
	}
	db, err := rowCorrelations(p.b)
	if err != nil {
		return 0, fmt.Errorf("similarity: RSA of the second set: %w", err)
	}
	return rank.Spearman(da, db), nil
}

// rowCorrelations returns the correlations between all pairs of rows.
func rowCorrelations(x vec.Matrix) ([]float64, error) {
	z := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		mean := 0.0
		for _, v := range x.Row(i) {
			mean += float64(v) / float64(x.Cols)
		}
		norm := 0.0
		for _, v := range x.Row(i) {
			norm += (float64(v) - mean) * (float64(v) - mean)
		}
		if norm == 0 {
			return nil, fmt.Errorf("row %d is constant, its correlation with others is not defined; use Euclidean distances: %w", i, vec.ErrZero)
		}
		for j, v := range x.Row(i) {
			z.Row(i)[j] = float32((float64(v) - mean) / math.Sqrt(norm))
		}
	}
	n := x.Rows
	out := make([]float64, n*(n-1)/2)
	_ = vec.Blocks(context.Background(), n, 16, func(lo, hi int) error {
		line := make([]float32, n)
		for i := lo; i < hi; i++ {
			vec.Dots(line[:n-i-1], z.Row(i), z.Data[(i+1)*z.Cols:])
			at := i*n - i*(i+1)/2
			for j, v := range line[:n-i-1] {
				out[at+j] = float64(v)
			}
		}
		return nil
	})
	return out, nil
}

// MutualKNN is the share of the k nearest neighbours that a row has in both sets, by Euclidean distance, averaged over
// rows; ties by smaller row. Chance gives k/(n-1). Where only directions count, normalise the rows first. Fewer than
// k+2 rows give vec.ErrTooFew. Time O(n²(p+q)), memory O(n²). Source: Huh et al. 2024, arXiv 2405.07987, appendix A.
func (p *Pair) MutualKNN(k int) (float64, error) {
	n := p.Rows()
	if k < 1 || n < k+2 {
		return 0, fmt.Errorf("similarity: %d nearest neighbours of %d rows, want at least 1 and fewer than rows-1: %w", k, n, vec.ErrTooFew)
	}
	da, db := p.distA(), p.distB()
	shared := make([]int, n)
	_ = vec.Blocks(context.Background(), n, 16, func(lo, hi int) error {
		ids := make([]int, n-1)
		in := make([]bool, n)
		for i := lo; i < hi; i++ {
			clear(in)
			for _, j := range nearest(da[i*n:(i+1)*n], i, k, ids) {
				in[j] = true
			}
			for _, j := range nearest(db[i*n:(i+1)*n], i, k, ids) {
				if in[j] {
					shared[i]++
				}
			}
		}
		return nil
	})
	total := 0
	for _, s := range shared {
		total += s
	}
	return float64(total) / float64(k*n), nil
}

// nearest returns the k rows other than self at the smallest distance, unordered, by quickselect in ids.
func nearest(d []float64, self, k int, ids []int) []int {
	ids = ids[:0]
	for j := range d {
		if j != self {
			ids = append(ids, j)
		}
	}
	less := func(i, j int) bool { return d[i] < d[j] || d[i] == d[j] && i < j }
	lo, hi := 0, len(ids)
	for hi-lo > 1 {
		// The middle one of three, against orders met in practice.
		a, b, c := ids[lo], ids[(lo+hi)/2], ids[hi-1]
		if less(b, a) {
			a, b = b, a
		}
		if less(c, b) {
			b = c
			if less(b, a) {
				b = a
			}
		}
		i, j := lo, hi-1
		for i <= j {
			for less(ids[i], b) {
				i++
			}
			for less(b, ids[j]) {
				j--
			}
			if i <= j {
				ids[i], ids[j] = ids[j], ids[i]
				i++
				j--
			}
		}
		switch {
		case k <= j+1:
			hi = j + 1
		case k >= i:
			lo = i
		default:
			return ids[:k]
		}
		if lo >= k {
			break
		}
	}
	return ids[:k]
}
